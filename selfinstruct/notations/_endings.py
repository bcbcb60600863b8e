"""The end of a list: the last separator, and what a teacher adds in the tone of a chat."""

from __future__ import annotations

import re

from selfinstruct.notations._marks import fences, separator, strip

# For each language: how a closing line begins, and a later word that shows that it speaks of the list. Without such a word the
# line may also be the end of an e-mail that is an output.
_CLOSINGS = (
    (
        r"(?:please )?(?:let me know|feel free|would you like|do you want|shall i|should i|i hope|hope (?:this|that|these|you)"
        r"|happy to|i(?:['’]m| am| would be|['’]d be) (?:happy|glad)|i can|if you(?:['’]d| would| want| need|['’]re)"
        r"|these (?:are|tasks|examples|cover)"
        r"|(?:that|this)(?:['’]s| is| completes| concludes)|here (?:is|are)|end of|enjoy)",
        r"\b(?:tasks|examples|list|exercises|instructions|dataset|batch|this format|more task|another task"
        r"|me to (?:\w+ )?(?:continue|change|adjust|generate|create|write|add|modify|make|revise|expand))\b",
    ),
    (
        r"lass(?:en sie)? (?:es )?mich|ich hoffe|möchtest du|möchten sie|sag(?:en sie)? (?:mir )?(?:gern )?bescheid"
        r"|gerne? |wenn (?:du|sie)|das (?:sind|waren)|soll ich",
        r"\b(?:aufgaben|beispiele|liste|anweisungen)\b",
    ),
    (
        r"espero que|av[íi]same|hazme saber|¿?(?:quieres|desea[s]?|te gustaría)"
        r"|si (?:necesitas|quieres|deseas|necesita|desea)|no dudes|estas son|aquí tienes",
        r"\b(?:tareas|ejemplos|lista|instrucciones)\b",
    ),
    (
        r"n['’]hésite|j['’]espère|dites-moi|dis-moi|si (?:vous|tu) |voulez-vous|souhaitez-vous|voici|voilà",
        r"\b(?:tâches|exemples|liste|instructions|consignes)\b",
    ),
    (
        r"espero que|avise|me (?:diga|avise)|se (?:precisar|quiser|desejar|você)"
        r"|você gostaria|gostaria|fique à vontade|estas são|aqui estão",
        r"\b(?:tarefas|exemplos|lista|instruções)\b",
    ),
    (
        r"надеюсь|дайте знать|если (?:вам|нужн|хотите|вы)|сообщите|хотите|вот |это (?:все|были)",
        r"(?:задани[яй]|задач[иу]?|примеры|примеров|список)\b",
    ),
    (
        r"spero che|fammi sapere|fatemi sapere|se (?:vuoi|desideri|hai bisogno)|vuoi",
        r"\b(?:compiti|esempi|elenco|lista|istruzioni)\b",
    ),
    (r"laat (?:het )?me|ik hoop|als je|wil je", r"\b(?:taken|voorbeelden|lijst|opdrachten)\b"),
    (r"希望|如果|若|需要|请告诉我|請告訴我|请随时|以上(?:是|就是)|您(?:需要|希望)", r"任务|任務|示例|列表|例子|指令|题目|題目"),
    (r"以上|さらに|他に|もっと|ご希望|お知らせ|必要(?:で|な|が)|いかが", r"タスク|リスト|課題|例題|指示"),
    (r"더 |추가|필요하|원하|이상|도움이", r"과제|예시|작업|지시|목록"),
    (r"आशा|कृपया|यदि|अगर|क्या आप|मुझे बताएं", r"कार्य|उदाहरण|सूची|निर्देश"),
    (r"آمل|أتمنى|إذا|هل (?:تريد|ترغب)|أخبرني|لا تتردد", r"مهام|المهام|أمثلة|الأمثلة|قائمة|القائمة|تعليمات"),
    (r"หวังว่า|หาก|ถ้า|คุณต้องการ|ต้องการ|แจ้ง|บอก", r"งาน|ตัวอย่าง|รายการ|โจทย์|คำสั่ง"),
)
_CHAT = re.compile("(?:" + "|".join(begin for begin, _ in _CLOSINGS) + ")", re.IGNORECASE)
_ABOUT_THE_LIST = re.compile("|".join(f"(?:{begin}).*(?:{subject})" for begin, subject in _CLOSINGS), re.IGNORECASE)
_OPENING = re.compile(
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|here (?:is|are|you)|here['’]s"
    r"|below (?:is|are)|gern|natürlich|klar|hier (?:ist|sind)"
    r"|claro|por supuesto|aquí|bien sûr|voici|claro|aqui|конечно|вот|当然"
    r"|好的|以下|はい|もちろん|물론|네|다음|ज़रूर|बिल्कुल|यहाँ|بالتأكيد|إليك|แน่นอน)(?!\w)",
    re.IGNORECASE,
)
LONGEST_CHAT = 300  # characters of one line


def opens_a_chat(text: str) -> bool:
    """Return True if a text may be an opening line of a chat, such as "Sure! Here are the tasks:"."""
    return bool(_OPENING.match(text))


def end_list(lines: list[str], kind: str) -> str:
    """Remove from the last field of a list what belongs to the end of the list, in place.

    Args:
        lines: The lines of the field.
        kind: The separator of the reply, or "" if its tasks have none.

    Returns:
        The reason why the end of the field is not certain, or "".
    """
    if _without_chat(lines, kind):
        return ""
    if lines and _is_chat(lines[-1], _CHAT) and len(lines) > 1:
        return "its last line could be the end of the chat"
    inside = {number for first, last in fences(lines) for number in range(first + 1, last)}
    places = [number for number, line in enumerate(lines) if kind and separator(line) == kind and number not in inside]
    if not places:
        return ""
    if places[-1] < len(lines) - 1:
        return "text after the last separator could be part of it"
    trim(lines, kind)
    return "a separator at its end could be part of its text" if len(places) > 1 and _ends_in(lines, kind) else ""


def trim(lines: list[str], kind: str = "") -> None:
    """Remove empty lines at the end of a field, and one separator of a kind with the empty lines before it."""
    while lines and not strip(lines[-1]):
        lines.pop()
    if kind and _ends_in(lines, kind):
        lines.pop()
        trim(lines)


def _ends_in(lines: list[str], kind: str) -> bool:
    return bool(lines) and separator(lines[-1]) == kind


def _without_chat(lines: list[str], kind: str) -> bool:
    """Remove closing lines that speak of the list. Return True if there was one."""
    found = False
    while True:
        trim(lines)
        before = lines[-2] if len(lines) > 1 else "."
        rule = separator(before)
        sign = _CHAT if rule and rule == kind else _ABOUT_THE_LIST
        if not lines or not (rule or not strip(before)) or not _is_chat(lines[-1], sign):
            return found
        found = True
        lines.pop()
        trim(lines)
        trim(lines, separator(lines[-1]) if lines else "")


def _is_chat(line: str, sign: re.Pattern[str]) -> bool:
    return len(line) <= LONGEST_CHAT and bool(sign.match(strip(line).lstrip("*_(> ")))
