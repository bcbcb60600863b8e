"""Words and signs that teachers write around tasks, in the languages that most replies are in."""

from __future__ import annotations

import re

from selfinstruct.languages.no_input import says_no_input as says_no_input

FIELDS = {  # the headings of the three fields
    "instruction": (
        "instruction instructions task question prompt request "  # English
        "指令 指示 任务 任務 问题 問題 题目 題目 "  # Chinese, and Japanese as far as they share words
        "命令 タスク 質問 "  # Japanese
        "instrucción instrucciones tarea pregunta "  # Spanish
        "निर्देश कार्य प्रश्न "  # Hindi
        "التعليمات تعليمات التعليمة تعليمة المهمة مهمة السؤال سؤال "  # Arabic
        "instruction consigne tâche question "  # French
        "instrução instruções tarefa pergunta "  # Portuguese
        "инструкция задание задача вопрос "  # Russian
        "anweisung instruktion aufgabe frage aufforderung "  # German
        "지시 지시문 지시사항 지침 명령 과제 질문 "  # Korean
        "คำสั่ง คำแนะนำ โจทย์ คำถาม "  # Thai
        "নির্দেশ নির্দেশনা প্রশ্ন "  # Bengali
        "istruzione istruzioni compito domanda "  # Italian
        "instructie opdracht vraag instrukcja zadanie pytanie talimat görev soru "  # Dutch, Polish, Turkish
        "instruksi perintah tugas pertanyaan chỉ_dẫn hướng_dẫn yêu_cầu câu_hỏi інструкція завдання"  # Indonesian, Vietnamese, Ukrainian
    ),
    "input": (
        "input inputs context "
        "输入 輸入 输入内容 "
        "入力 インプット "
        "entrada contexto "
        "इनपुट निवेश संदर्भ "
        "المدخلات مدخلات المدخل مدخل الإدخال إدخال "
        "entrée entrées contexte "
        "вход ввод входные_данные контекст "
        "eingabe kontext "
        "입력 입력값 "
        "อินพุต ข้อมูลนำเข้า ข้อมูลเข้า ข้อมูลป้อนเข้า "
        "ইনপুট "
        "ingresso contesto "
        "invoer wejście dane_wejściowe girdi giriş "
        "masukan đầu_vào вхід вхідні_дані"
    ),
    "output": (
        "output outputs response answer solution completion result reply "
        "输出 輸出 回答 答案 回复 答复 响应 解答 答 "
        "出力 アウトプット 応答 回答 答え 解答 "
        "salida respuesta solución "
        "आउटपुट उत्तर जवाब प्रतिक्रिया "
        "المخرجات مخرجات المخرج مخرج الإخراج إخراج الناتج الإجابة إجابة الجواب جواب الرد "
        "sortie réponse solution "
        "saída resposta solução "
        "вывод выход выходные_данные ответ решение "
        "ausgabe antwort lösung "
        "출력 응답 답변 정답 답 "
        "เอาต์พุต ผลลัพธ์ คำตอบ ข้อมูลส่งออก "
        "আউটপুট উত্তর "
        "uscita risposta soluzione "
        "uitvoer antwoord wyjście odpowiedź çıktı yanıt cevap "
        "keluaran jawaban đầu_ra câu_trả_lời trả_lời вихід відповідь"
    ),
}
ITEMS = (  # words before the number of an item
    "task item example exercise problem entry pair no nr number "
    "任务 任務 示例 例子 例 タスク 例題 tarea ejemplo ejercicio कार्य उदाहरण المهمة مهمة مثال tâche exemple exercice "
    "tarefa exemplo exercício задание задача пример aufgabe beispiel übung 과제 예시 문제 ตัวอย่าง งาน ข้อ উদাহরণ compito esempio "
    "opdracht voorbeeld zadanie przykład görev örnek tugas contoh bài_tập ví_dụ завдання приклад"
)


def field_of(word: str) -> str:
    """Return the field that a heading word names. Case does not matter."""
    return _FIELD[" ".join(word.casefold().split())]


def pattern(words: str) -> str:
    """Return a regular expression for any of the words. The longest come first, and `_` stands for a space."""
    ordered = sorted(set(words.split()), key=len, reverse=True)
    return "|".join(re.escape(word).replace("_", r"[ \t]+") for word in ordered)


_FIELD = {word.replace("_", " ").casefold(): field for field, words in FIELDS.items() for word in words.split()}

# A closing line of a chat speaks of the list or offers more. A line that only says goodbye may belong to an e-mail.
_LIST = r"tasks?|examples?|list|items?|exercises?|instructions?|format|dataset|batch|set"
CHAT_ABOUT_THE_LIST = re.compile(
    rf"(?:.*\b(?:let me know|would you like|do you want|shall i|feel free|(?:i )?hope|if you(?:'d| would| want| need|['’]d)|happy to|i can"
    rf"|these|here (?:are|is)|that(?:'s| is)|end of)\b.*\b(?:{_LIST}|more|another|additional|further|continue|generate|adjust)\b.*"
    r"|.*\b(?:lass(?:en sie)? (?:es )?mich wissen|ich hoffe|möchtest du|möchten sie|sag bescheid)\b.*"
    r"\b(?:aufgaben?|beispiele?|liste|weitere|mehr)\b.*"
    r"|.*\b(?:espero que|av[íi]same|hazme saber|quieres que|si (?:necesitas|quieres|deseas))\b.*\b(?:tareas?|ejemplos?|lista|más)\b.*"
    r"|.*\b(?:n['’]hésite[zs]?|j['’]espère|dites-moi|si vous (?:voulez|souhaitez|avez besoin))\b.*\b(?:tâches?|exemples?|liste|d['’]autres|plus)\b.*"
    r"|.*\b(?:espero que|avise|me diga|se (?:precisar|quiser|desejar))\b.*\b(?:tarefas?|exemplos?|lista|mais)\b.*"
    r"|.*(?:надеюсь|дайте знать|если (?:вам|нужн|хотите)|сообщите).*(?:задани|задач|пример|список|ещё|еще|больше).*"
    r"|.*(?:希望|如果|需要|请告诉|请随时).*(?:任务|更多|列表|示例|继续).*|.*(?:さらに|他に|もっと|以上).*(?:タスク|例|必要|です).*"
    r"|.*(?:더|추가).*(?:필요|원하|과제|예시).*)",
    re.IGNORECASE | re.DOTALL,
)
CHAT = re.compile(
    r"(?:please )?(?:let me know|feel free|i hope|hope (?:this|that|these)|would you like|do you want|shall i|happy to|if you(?:'d| would| want| need|['’]d)"
    r"|lass(?:en sie)? (?:es )?mich|ich hoffe|espero que|av[íi]same|n['’]hésite|j['’]espère|надеюсь|дайте знать|希望|如果您|请告诉我|ご希望|お知らせ).*",
    re.IGNORECASE | re.DOTALL,
)
