"""Filters on texts of other languages and scripts: limits, refusals, signs at the end, loops, and "no input"."""

# ruff: noqa: RUF001, E501 (letters and signs of other scripts are meant, and wide letters count twice)
from __future__ import annotations

from dataclasses import replace

import pytest
from language_texts import TASKS

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext
from selfinstruct.languages.codes import canonical
from selfinstruct.records import Example, Rejection

CONTEXT = FilterContext(frozenset({"说明原因", "name a river"}), {})


def verdict(name: str, code: str, instruction: str = "", output: str = "", input: str = "") -> Rejection | None:
    function = plugins.find("filter", name)
    found: Rejection | None = function(Example(instruction, input, output), replace(CONTEXT, language=canonical(code)))
    return found


SHORT = [
    ("de", "Erkläre mir Photosynthese"), ("de", "Photosynthese erklären"), ("fi", "Selitä fotosynteesi"), ("tr", "Fotosentezi açıkla"),
    ("ru", "Объясни фотосинтез"), ("ko", "광합성을 설명하세요"), ("ar", "اشرح التمثيل الضوئي"), ("hi", "प्रकाश संश्लेषण समझाइए"),
    ("zh", "解释光合作用"), ("ja", "光合成とは？"), ("th", "อธิบายการสังเคราะห์แสง"), ("km", "ពន្យល់ពីរស្មីសំយោគ"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "instruction"), SHORT)
def test_a_short_instruction_is_long_enough_in_its_language(code: str, instruction: str) -> None:
    assert verdict("word_count", code, instruction) is None


@pytest.mark.parametrize(
    ("code", "instruction"), [("de", "Mach das"), ("zh", "说明吧"), ("ru", "Да или нет"), ("en", "Erkläre mir Photosynthese")]
)
def test_a_too_short_instruction_is_rejected(code: str, instruction: str) -> None:
    assert verdict("word_count", code, instruction)


@pytest.mark.parametrize("code", TASKS)
def test_the_upper_limit_is_as_many_words_as_in_english(code: str) -> None:
    text = " ".join(TASKS[code])  # about 45 words in English
    assert verdict("word_count", code, text) is None
    assert verdict("word_count", code, " ".join([text] * 2)) is None
    assert verdict("word_count", code, " ".join([text] * 8))


LOOPS = {
    "zh": "首先，我们需要准备好所有的材料，然后按照步骤进行操作。",
    "ja": "まず材料をすべて用意して、それから手順どおりに進めていきます。",
    "th": "ขั้นแรกให้เตรียมส่วนผสมทั้งหมดแล้วทำตามขั้นตอนที่บอกไว้ ",
    "ko": "먼저 모든 재료를 준비한 다음 순서대로 진행하세요. ",
    "ar": "أولا نجهز جميع المكونات ثم نتبع الخطوات المذكورة. ",
    "hi": "सबसे पहले सारी सामग्री तैयार करें फिर बताए गए तरीके से आगे बढ़ें। ",
    "km": "ដំបូងត្រូវរៀបចំគ្រឿងផ្សំទាំងអស់ រួចធ្វើតាមជំហានដែលបានប្រាប់។ ",
    "de": "Zuerst bereiten wir alle Zutaten vor und folgen dann den Schritten. ",
}


@pytest.mark.parametrize("code", LOOPS)
def test_a_loop_is_rejected_and_prose_is_not(code: str) -> None:
    found = verdict("repetition", code, output=LOOPS[code] * 20)
    assert found and isinstance(found.value, float) and found.value > 0.8
    assert verdict("repetition", code, output=LOOPS[code]) is None


@pytest.mark.parametrize("code", TASKS)
def test_long_prose_is_not_a_loop(code: str) -> None:
    assert (
        verdict("repetition", code, output="\n".join(text for texts in TASKS.values() for text in (*texts, *TASKS[code])))
        is not None
    )
    assert verdict("repetition", code, output="".join(TASKS[code])) is None


REFUSALS = {
    "en": ["I'm sorry, but I can't help with that.", "As an AI language model, I have no feelings."],
    "zh": ["很抱歉，我无法帮助您完成这个请求。", "对不起，我不能提供这类信息。", "作为一个人工智能语言模型，我没有个人观点。", "抱歉，我無法協助處理這項要求。"],
    "ja": ["申し訳ございませんが、そのご要望にはお応えできません。", "すみませんが、それはお手伝いできません。", "私はAIですので、個人的な意見はありません。", "AI言語モデルとして、私は感情を持ちません。"],
    "ko": ["죄송합니다. 그 요청은 도와드릴 수 없습니다.", "죄송하지만 그 내용은 제공할 수 없습니다.", "저는 인공지능이기 때문에 감정이 없습니다.", "AI 언어 모델로서 저는 개인적인 의견이 없습니다."],
    "es": ["Lo siento, pero no puedo ayudarte con eso.", "Lamentablemente, no puedo proporcionar esa información.", "Como modelo de lenguaje, no tengo opiniones."],
    "fr": ["Je suis désolé, mais je ne peux pas vous aider avec cela.", "Désolée, je ne peux pas répondre à cette demande.", "En tant que modèle de langage, je n’ai pas d’opinion."],
    "de": ["Es tut mir leid, aber dabei kann ich dir nicht helfen.", "Leider kann ich diese Anfrage nicht beantworten.", "Als KI habe ich keine Gefühle.", "Tut mir leid, ich kann Ihnen damit nicht weiterhelfen."],
    "pt": ["Desculpe, mas não posso ajudar com isso.", "Infelizmente, não consigo fornecer essa informação.", "Como um modelo de linguagem, não tenho opiniões."],
    "ar": ["عذرًا، لا أستطيع مساعدتك في ذلك.", "آسف، لا يمكنني تقديم هذه المعلومات.", "بصفتي نموذجًا لغويًا، ليس لدي مشاعر."],
    "hi": ["मुझे खेद है, लेकिन मैं इसमें आपकी मदद नहीं कर सकता।", "क्षमा करें, मैं यह जानकारी नहीं दे सकता।", "एक एआई भाषा मॉडल के रूप में, मेरी कोई राय नहीं है।"],
    "th": ["ขออภัยครับ ผมไม่สามารถช่วยเรื่องนี้ได้", "ขอโทษค่ะ ดิฉันไม่สามารถให้ข้อมูลนี้ได้", "ในฐานะโมเดลภาษา ฉันไม่มีความรู้สึก"],
    "ru": ["Извините, но я не могу помочь с этим.", "К сожалению, я не могу предоставить эту информацию.", "Как языковая модель, я не имею собственного мнения."],
}  # fmt: skip
NEAR_MISSES = {
    "zh": ["很抱歉，您的包裹因为下雨迟到了两天。", "人工智能是计算机科学的一个分支。", "我不能吃花生，因为我过敏。"],
    "ja": ["申し訳ございません。荷物の到着が二日遅れております。", "人工知能は計算機科学の一分野です。"],
    "ko": ["죄송합니다. 내일 모임에는 갈 수 없습니다.", "죄송합니다. 비 때문에 배송이 이틀 늦어졌습니다.", "인공지능은 컴퓨터 과학의 한 분야입니다."],
    "es": ["Lo siento, no puedo ir a tu fiesta el sábado.", "La inteligencia artificial es una rama de la informática."],
    "fr": ["Je suis désolé d’apprendre que tu es malade.", "Malheureusement, je ne peux pas venir samedi."],
    "de": ["Es tut mir leid, dass du krank bist.", "Leider kann ich am Samstag nicht zu deiner Feier kommen."],
    "pt": ["Desculpe, não posso ir à sua festa no sábado.", "A inteligência artificial é um ramo da informática."],
    "ar": ["عذرًا على التأخير، وصل الطرد اليوم.", "الذكاء الاصطناعي فرع من علوم الحاسوب."],
    "hi": ["मुझे खेद है कि आप बीमार हैं।", "कृत्रिम बुद्धिमत्ता कंप्यूटर विज्ञान की एक शाखा है।"],
    "th": ["ขอโทษค่ะ วันเสาร์นี้ไม่สามารถไปงานเลี้ยงได้", "ขอโทษที่มาสายครับ รถติดมาก", "ปัญญาประดิษฐ์เป็นสาขาหนึ่งของวิทยาการคอมพิวเตอร์"],
    "ru": ["Извините, я не могу прийти на ваш праздник в субботу.", "Искусственный интеллект — это раздел информатики."],
}  # fmt: skip


@pytest.mark.parametrize(("code", "output"), [(code, text) for code, texts in REFUSALS.items() for text in texts])
def test_a_refusal_is_rejected_in_its_language(code: str, output: str) -> None:
    assert verdict("refusal", code, output=output)
    assert code == "en" or verdict("refusal", "en", output=output) is None  # as before: a translation into it may be one


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_in_english_is_rejected_in_every_language(code: str) -> None:
    assert verdict("refusal", code, output=REFUSALS["en"][0])
    assert verdict("refusal", code, output=TASKS[code][1]) is None


@pytest.mark.parametrize(("code", "output"), [(code, text) for code, texts in NEAR_MISSES.items() for text in texts])
def test_an_apology_or_a_text_about_ai_is_not_a_refusal(code: str, output: str) -> None:
    assert verdict("refusal", code, output=output) is None


@pytest.mark.parametrize("text", ["列表如下：", "項目︰"[:-1] + "：", "ዝርዝሩ፥"])
def test_a_colon_of_another_script_announces_something(text: str) -> None:
    assert verdict("trailing_colon", "zh", output=text) and verdict("truncated_output", "zh", output=text)


@pytest.mark.parametrize("text", ["第一，第二，", "りんご、みかん、", "أولا، ثانيا،", "մեկ՝"])
def test_a_comma_of_another_script_does_not_end_a_text(text: str) -> None:
    assert verdict("truncated_output", "zh", output=text)


@pytest.mark.parametrize(
    "text", ["好的。", "はい！", "نعم؟", "ٹھیک ہے۔", "ठीक है।", "ဟုတ်ကဲ့။", "ទេ។", "ได้ครับ", "「はい」", "是……", "أجل؛"]
)
def test_an_end_mark_of_another_script_is_an_end(text: str) -> None:
    assert verdict("truncated_output", "zh", output=text) is None and verdict("trailing_colon", "zh", output=text) is None
    assert verdict("empty_output", "zh", output=text) is None


@pytest.mark.parametrize("text", ["。", "、、、", "。。。", "……", "،", "।", "：", "۔"])
def test_signs_alone_are_an_empty_output(text: str) -> None:
    assert verdict("empty_output", "zh", output=text)


@pytest.mark.parametrize("text", ["：请解释原因。", "、说明", "،اشرح", "。好"])
def test_a_sign_that_cannot_begin_a_sentence_is_rejected(text: str) -> None:
    assert verdict("punctuation_start", "zh", text)


@pytest.mark.parametrize(
    "text",
    [
        "「春」を説明して。",
        "《红楼梦》的作者是谁？",
        "¿Qué es esto?",
        "«Привет» — что это?",
        "“你好”是什么意思？",
        "【写作】写一首诗",
    ],
)
def test_brackets_and_quotation_marks_may_begin_a_sentence(text: str) -> None:
    assert verdict("punctuation_start", "zh", text) is None


def test_a_seed_with_another_end_mark_is_an_echo() -> None:
    assert (
        verdict("seed_echo", "zh", "说明原因。")
        and verdict("seed_echo", "zh", "说明原因？")
        and verdict("seed_echo", "zh", "说明原因")
    )
    assert verdict("seed_echo", "zh", "说明其原因。") is None


@pytest.mark.parametrize(
    ("code", "input"),
    [("zh", "无"), ("zh", "<无输入>"), ("ja", "なし"), ("ko", "없음"), ("es", "Ninguna."), ("fr", "Aucune entrée"), ("de", "Keine Eingabe"),
     ("pt", "Nenhuma"), ("ar", "لا يوجد"), ("hi", "कोई इनपुट नहीं"), ("th", "ไม่มี"), ("ru", "Нет"), ("zh", "N/A")],
)  # fmt: skip
def test_an_input_that_says_there_is_none_is_rejected(code: str, input: str) -> None:
    assert verdict("no_input_spelling", code, input=input)
    assert (
        verdict("no_input_spelling", code, input="") is None and verdict("no_input_spelling", code, input=TASKS[code][1]) is None
    )
