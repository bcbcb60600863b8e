"""Refusals in languages besides English, as `refusal` looks for them in rows that were asked for in that language.

Each language has two kinds. A teacher that speaks of itself as an AI can do so anywhere in a text. A refusal stands at its
beginning, so that a letter which says sorry, or a story about a person who refuses, is accepted.
"""

# ruff: noqa: RUF001 (letters and signs of other scripts are meant)

from __future__ import annotations

import re


def _pattern(itself: str, refuses: str) -> re.Pattern[str]:
    """Return a pattern for words in which a teacher speaks of itself, or for a beginning in which it refuses."""
    return re.compile(rf"(?:{itself})|\A[\s\"'“«„]*(?:{refuses})", re.IGNORECASE)


OTHERS = {
    "zh": _pattern(
        r"(?:作为|作為|身为|身為|我(?:只)?是)一?(?:个|個|名|款|位)?(?:人工智能|人工智慧|AI|大?(?:型)?(?:语言|語言)模型)(?![^，。,\n]{0,6}(?:工程|研究|专家|專家|公司|老师))"
        r"|我的(?:训练数据|訓練資料|知识截止)",
        r"(?:很|非常|十分|真的)?(?:抱歉|对不起|對不起|遗憾|遺憾)[^。！!\n]{0,20}?(?:我)?(?:无法|無法|不能|没有办法|沒有辦法|没法)[^。\n]{0,12}?"
        r"(?:帮|幫|协助|協助|提供|回答|完成|满足|滿足|处理|處理|生成|访问|訪問|打开|打開|查看|继续|繼續|支持|讨论|討論)"
        r"|我(?:无法|無法|不能|没有办法|没法)(?:为|為|向|帮|幫|协助|協助|提供|回答|完成|满足|滿足|处理|處理|生成|访问|訪問|打开|打開|查看)",
    ),
    "ja": _pattern(
        r"(?:私は|として、?私?は?|単なる)(?:AI|人工知能|大規模言語モデル|言語モデル)(?:です|であり|なので|ですので|として|アシスタント)"
        r"|(?:AI|人工知能|(?:大規模)?言語モデル)(?:アシスタント)?(?:として|である私)(?:は|、|の私)",
        r"(?:大変|誠に|まことに)?(?:申し訳(?:ございません|ありません|ない)|すみません|すいません|ごめんなさい"
        r"|残念ながら|恐れ入りますが)[^。\n]{0,40}?"
        r"(?:できません|できかねます|致しかねます|いたしかねます|お答えでき|お手伝いでき|対応でき|お応えでき|提供でき)"
        r"|(?:その|この|そのような|このような)?"
        r"(?:ご?要望|リクエスト|ご?依頼|質問|内容)に(?:は)?(?:お応え|お答え|対応)(?:でき|(?:いた)?しかね)",
    ),
    "ko": _pattern(
        r"(?:저는|나는|저도)\s?(?:단지 |그저 )?(?:인공지능|AI|(?:대규모 |거대 )?언어 ?모델)"
        r"(?:입니다|이므로|이기|이라|로서|이에요|일 뿐)"
        r"|(?:인공지능|AI|언어 ?모델)(?:으?로서),? ?(?:저는|나는|제가|개인적)",
        r"(?:정말 |대단히 |매우 )?(?:죄송(?:합니다|하지만|해요|한데)|미안(?:합니다|하지만|해요)"
        r"|유감(?:스럽게도|이지만)|안타깝게도)(?:[^.\n]|(?<=니다)\. ){0,40}?"
        r"(?:도와|도움|제공|답변|대답|답해|처리|수행|생성|작성|응할|응답|지원|접근|열어|완료|이행)[^.\n]{0,10}?"
        r"(?:수 ?(?:는 ?|가 ?)?없|드리지 못|어렵습니다|불가능|못합니다)"
        r"|(?:그|이|해당|그런|이런) ?요청(?:은|을|에)[^.\n]{0,20}?(?:수 ?없|드릴 수 없|어렵습니다)",
    ),
    "es": _pattern(
        r"\bcomo (?:un |una )?(?:simple )?(?:modelo de lenguaje|inteligencia artificial|ia\b(?! de))(?:,| no| que"
        r"| creado| desarrollado)"
        r"|\b(?:yo )?soy (?:solo |sólo |simplemente )?(?:un|una) (?:modelo de lenguaje|inteligencia artificial|ia\b"
        r"|chatbot|asistente de ia)",
        r"(?:lo siento|lo lamento|disculpa|disculpe|perd[oó]n|lamentablemente|desafortunadamente|por desgracia)[^.!?\n]{0,30}?"
        r"\bno (?:puedo|podr[ée]|me es posible|soy capaz de|estoy en condiciones de) "
        r"(?:ayudar|asistir|cumplir|proporcionar|responder|generar|crear|escribir|completar|acceder|abrir|ver"
        r"|hacer eso|continuar|ofrecer)"
        r"|no (?:puedo|me es posible) (?:ayudarte|ayudarle|ayudar con|asistir|cumplir|proporcionar|responder a esa"
        r"|generar|acceder|ofrecer)",
    ),
    "fr": _pattern(
        r"\ben tant qu(?:e |')(?:simple )?(?:modèle de langage|modèle linguistique|intelligence artificielle|ia\b|assistant ia)"
        r"|\bje (?:ne )?suis (?:qu')?(?:un |une )?(?:simple )?(?:modèle de langage|intelligence artificielle|ia\b"
        r"|chatbot|assistant ia)",
        r"(?:(?:je suis |je suis vraiment )?(?:désolé|navré)e?|pardon|excusez-moi|malheureusement|je regrette)[^.!?\n]{0,30}?"
        r"\bje ne (?:peux|pourrai|suis) (?:malheureusement )?pas (?:en mesure (?:de |d'))?(?:vous |t'|te )?"
        r"(?:aider|assister|répondre|fournir|générer|créer|écrire|accéder|ouvrir|voir|traiter|satisfaire|donner suite"
        r"|accomplir|continuer)"
        r"|je ne (?:peux|suis) pas (?:en mesure (?:de |d'))?(?:vous |t'|te )?(?:aider|assister|fournir|générer"
        r"|accéder|répondre à cette)",
    ),
    "de": _pattern(
        r"\bals (?:ein |eine )?(?:reines? |großes )?(?:ki|künstliche intelligenz|sprachmodell|ki-(?:sprach)?modell"
        r"|ki-assistent)\b"
        r"(?=,? (?:kann|habe|bin|besitze|verfüge|ist es|darf|fühle)\b)"
        r"|\bich bin (?:nur |lediglich )?(?:ein |eine )(?:ki\b|künstliche intelligenz|sprachmodell"
        r"|großes sprachmodell|ki-|chatbot)",
        r"(?:es tut mir (?:sehr |wirklich )?leid|tut mir leid|entschuldigung|entschuldige|verzeihung|leider)[^.!?\n]{0,30}?"
        r"\b(?:kann|darf|könnte) ich (?:dir |ihnen |dies[e]?[rnms]? |das |damit |dabei |hierbei |dazu |darauf )?[^.!?\n]{0,50}?"
        r"\bnicht (?:helfen|weiterhelfen|behilflich|beantworten|unterstützen|erfüllen|bereitstellen|erstellen|öffnen"
        r"|zugreifen|nachkommen|liefern)"
        r"|(?:es tut mir leid|tut mir leid|entschuldigung)[^.!?\n]{0,10}?\bich kann [^.!?\n]{0,50}?"
        r"nicht (?:helfen|weiterhelfen|behilflich|beantworten|unterstützen|erfüllen|bereitstellen|erstellen|öffnen"
        r"|zugreifen|nachkommen|liefern)"
        r"|ich kann (?:dir |ihnen )?(?:dabei|damit|hierbei|bei dieser anfrage) (?:leider )?nicht (?:helfen"
        r"|weiterhelfen|behilflich)",
    ),
    "pt": _pattern(
        r"\bcomo (?:um |uma )?(?:simples )?(?:modelo de linguagem|inteligência artificial|ia\b)(?:,| não| que| criado"
        r"| desenvolvido)"
        r"|\b(?:eu )?sou (?:apenas |só )?(?:um|uma) (?:modelo de linguagem|inteligência artificial|ia\b|chatbot"
        r"|assistente de ia)",
        r"(?:desculpe?(?:-me)?|sinto muito|lamento|infelizmente|peço desculpas?|perdão)[^.!?\n]{0,30}?"
        r"\bnão (?:posso|consigo|poderei|sou capaz de|é possível) "
        r"(?:ajudar|ajudá|auxiliar|atender|cumprir|fornecer|responder|gerar|criar|escrever|completar|acessar|aceder"
        r"|abrir|ver|fazer isso|continuar)"
        r"|não (?:posso|consigo) (?:ajudar|ajudá-l[oa]|atender|fornecer|responder a ess|gerar|acessar|aceder)",
    ),
    "ar": _pattern(
        r"(?:بصفتي|باعتباري|كوني|كنموذج|أنا (?:مجرد )?)\s?(?:نموذجًا? لغوي|نموذج لغ|ذكاء\S* (?:ا)?صطناعي|لغوي\S* )"
        r"|أنا (?:مجرد )?(?:نموذج لغ|ذكاء اصطناعي|روبوت محادثة)",
        r"(?:أنا )?(?:آسفة?|أعتذر|عذرًا|عذراً|عذرا|المعذرة|للأسف|مع الأسف|نأسف)[^.!؟\n]{0,30}?"
        r"(?:لا (?:أستطيع|يمكنني|أقدر|يمكننا)|لن (?:أتمكن|أستطيع)|غير قادرة?) (?:من |على )?\S*"
        r"(?:مساعد|تقديم|إجاب|تلبي|توفير|إنشاء|كتاب|الوصول|فتح|القيام|أن أساعد|المتابعة)"
        r"|لا (?:أستطيع|يمكنني) (?:مساعدت|تقديم|تلبية|الإجابة|المساعدة)",
    ),
    "hi": _pattern(
        r"(?:एक )?(?:एआई|AI|कृत्रिम बुद्धिमत्ता|भाषा मॉडल|ए\.?आई\.?)(?: भाषा मॉडल| मॉडल| सहायक)? (?:के रूप में"
        r"|होने के नाते|हूँ|हूं)",
        r"(?:मुझे (?:खेद|अफ़?सोस|दुख) है|क्षमा (?:करें|कीजिए)|माफ़? ?(?:करें|कीजिए)|मैं (?:क्षमा|माफ़?ी) (?:चाहता"
        r"|चाहती)|दुर्भाग्य(?:वश| से)|खेद है)"
        r"[^।.!?\n]{0,60}?(?:नहीं (?:कर सकत|दे सकत|बना सकत|लिख सकत|खोल सकत|देख सकत|बता सकत)|(?:करने|देने"
        r"|मदद) में असमर्थ|असमर्थ हूँ|असमर्थ हूं)"
        r"|मैं (?:इस|इसमें|आपकी|यह|ऐसा)[^।.!?\n]{0,40}?(?:मदद|सहायता|अनुरोध)[^।.!?\n]{0,20}?नहीं (?:कर|दे) सकत",
    ),
    "th": _pattern(
        r"(?:ในฐานะ(?:ที่)?(?:เป็น)?|(?:ฉัน|ผม|ดิฉัน|เรา)(?:เป็น|คือ)(?:เพียง)?)\s?(?:AI|เอไอ|ปัญญาประดิษฐ์|โมเดลภาษา"
        r"|แบบจำลองภาษา|แชทบอท)",
        r"(?:ต้อง)?(?:ขออภัย|ขอโทษ|เสียใจ|น่าเสียดาย)[^\n]{0,40}?"
        r"(?:(?:ไม่สามารถ|ไม่อาจ)(?:จะ)?(?:ช่วย|ให้|ตอบ|ทำ|สร้าง|เข้าถึง|ดำเนินการ|เปิด|เขียน|แสดง)|ช่วยไม่ได้|ตอบไม่ได้)"
        r"|(?:ฉัน|ผม|ดิฉัน|เรา)ไม่สามารถ(?:ช่วย|ให้|ตอบ|ทำ|สร้าง|เข้าถึง|ดำเนินการ)",
    ),
    "ru": _pattern(
        r"\b(?:как|будучи) (?:искусственн\w+ интеллект\w*|языков\w+ модел\w+|ии\b|нейросет\w+),? (?:я|не|у меня)"
        r"|\bя (?:всего лишь |только |просто |— )?(?:языковая модель|искусственный интеллект|ии\b|нейросеть|чат-бот"
        r"|большая языковая модель)",
        r"(?:извини(?:те)?|прости(?:те)?|приношу (?:свои )?извинения|к сожалению|мне (?:очень )?жаль|сожалею)[^.!?\n]{0,30}?"
        r"\b(?:не (?:могу|смогу|в состоянии|имею возможности)|не способ\w+) "
        r"(?:вам |тебе |с этим |этого |в этом )?(?:помочь|помогать|выполнить|предоставить|ответить|создать|написать"
        r"|открыть|получить доступ|обсуждать|продолжить|сделать)"
        r"|я не могу (?:вам |тебе |с этим |в этом )?(?:помочь|выполнить (?:этот|эту|данн|ваш)|предоставить|обсуждать)",
    ),
}
