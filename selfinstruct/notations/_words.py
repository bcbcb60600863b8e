"""Words and signs that teachers write around tasks, in the languages that most replies are in."""

from __future__ import annotations

import re
from collections.abc import Iterable

FIELDS = {  # for each language: the headings of the instruction, the input and the output
    "English": (
        "instruction instructions task question prompt request",
        "input inputs context",
        "output outputs response answer solution completion result reply",
    ),
    "Chinese": (
        "指令 指示 任务 任務 问题 問題 题目 題目",
        "输入 輸入 输入内容 上下文",
        "输出 輸出 回答 答案 回复 答复 响应 解答 答",
    ),
    "Japanese": ("指示 命令 タスク 課題 質問 問題", "入力 インプット 文脈", "出力 アウトプット 応答 回答 答え 解答"),
    "Korean": ("지시 지시문 지시사항 지침 명령 과제 질문", "입력 입력값", "출력 응답 답변 정답 답"),
    "Spanish": ("instrucción instrucciones tarea pregunta", "entrada contexto", "salida respuesta solución"),
    "Portuguese": ("instrução instruções tarefa pergunta", "entrada contexto", "saída resposta solução"),
    "French": ("instruction instructions consigne tâche question", "entrée entrées contexte", "sortie réponse solution"),
    "German": ("anweisung instruktion aufgabe frage aufforderung", "eingabe kontext", "ausgabe antwort lösung"),
    "Italian": ("istruzione istruzioni compito domanda", "input ingresso contesto", "output uscita risposta soluzione"),
    "Dutch": ("instructie opdracht vraag", "invoer input context", "uitvoer output antwoord"),
    "Russian": (
        "инструкция задание задача вопрос",
        "вход ввод входные_данные контекст",
        "вывод выход выходные_данные ответ решение",
    ),
    "Ukrainian": ("інструкція завдання", "вхід вхідні_дані", "вихід відповідь"),
    "Polish": ("instrukcja zadanie pytanie polecenie", "wejście dane_wejściowe", "wyjście odpowiedź"),
    "Turkish": ("talimat görev soru", "girdi giriş", "çıktı yanıt cevap"),
    "Arabic": (
        "التعليمات تعليمات التعليمة تعليمة المهمة مهمة السؤال سؤال",
        "المدخلات مدخلات المدخل مدخل الإدخال إدخال",
        "المخرجات مخرجات المخرج مخرج الإخراج إخراج الناتج الإجابة إجابة الجواب جواب الرد",
    ),
    "Hindi": ("निर्देश कार्य प्रश्न", "इनपुट निवेश संदर्भ", "आउटपुट उत्तर जवाब प्रतिक्रिया"),
    "Bengali": ("নির্দেশ নির্দেশনা প্রশ্ন", "ইনপুট", "আউটপুট উত্তর"),
    "Thai": ("คำสั่ง คำแนะนำ โจทย์ คำถาม", "อินพุต ข้อมูลนำเข้า ข้อมูลเข้า ข้อมูลป้อนเข้า", "เอาต์พุต ผลลัพธ์ คำตอบ ข้อมูลส่งออก"),
    "Indonesian": ("instruksi perintah tugas pertanyaan", "masukan input konteks", "keluaran jawaban output"),
    "Vietnamese": ("chỉ_dẫn hướng_dẫn yêu_cầu câu_hỏi", "đầu_vào", "đầu_ra câu_trả_lời trả_lời"),
}
ITEMS = (  # words before the number of an item
    "task item example exercise problem entry pair no nr number "
    "任务 任務 示例 例子 例 タスク 例題 tarea ejemplo ejercicio कार्य उदाहरण المهمة مهمة مثال tâche exemple exercice "
    "tarefa exemplo exercício задание задача пример aufgabe beispiel übung 과제 예시 문제 ตัวอย่าง งาน ข้อ উদাহরণ compito esempio "
    "opdracht voorbeeld zadanie przykład görev örnek tugas contoh bài_tập ví_dụ завдання приклад"
)


def field_of(word: str) -> str:
    """Return the field that a heading word names, or "". Case does not matter."""
    return _FIELD.get(" ".join(word.casefold().split()), "")


def pattern(words: str) -> str:
    """Return a regular expression for any of the words. The longest come first, and `_` stands for a space."""
    ordered = sorted(set(words.split()), key=len, reverse=True)
    return "|".join(re.escape(word).replace("_", r"[ \t]+") for word in ordered)


_FIELD = {
    word.replace("_", " ").casefold(): field
    for row in FIELDS.values()
    for field, words in zip(("instruction", "input", "output"), row, strict=True)
    for word in words.split()
}
HEADINGS = pattern(" ".join(" ".join(row) for row in FIELDS.values()))


def of_one_language(words: Iterable[str]) -> bool:
    """Return True if a language has all of these heading words, in lower case."""
    return any(set(words) <= {word.replace("_", " ") for word in " ".join(row).split()} for row in FIELDS.values())
