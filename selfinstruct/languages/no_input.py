"""The spellings of "no input" in the languages that most replies are in."""

# ruff: noqa: RUF001 (letters and signs of other scripts are meant)

from __future__ import annotations

import re

_NONE = (
    r"none|nil|null|empty|not? (?:applicable|available|needed|required|provided|given|necessary|specified)"
    r"|none (?:is |was )?(?:needed|required|provided|given|necessary|specified)|n/?a|n\.a\.?"
    r"|(?:there (?:is|was) )?no[ _-]?(?:additional |specific |further |extra |other |separate )?(?:input|context|text|data)s?"
    r"(?: (?:is |was )?(?:needed|required|provided|given|necessary|specified|here))?"
    r"|(?:the )?input (?:is )?(?:empty|none|blank|not (?:needed|required|applicable))"
    r"|(?:keine?|ohne) (?:eingabe|angaben?)(?: (?:nötig|erforderlich|notwendig))?|keine|nicht (?:nötig|erforderlich"
    r"|zutreffend)|leer"
    r"|ninguna?|sin entrada|no hay entrada|(?:no )?aplica|no aplicable|vac[íi][oa]"
    r"|aucune?(?: entrée)?|pas d['’]entrée|sans entrée|sans objet|néant|vide"
    r"|nenhuma?(?: entrada)?|sem entrada|não (?:se aplica|aplicável|há entrada)|vazi[oa]"
    r"|нет|нет (?:ввода|входных данных)|без (?:ввода|входных данных)|отсутствует|не (?:требуется|применимо)|пусто"
    r"|[无無]|[无無](?:需)?[输輸]入|没有[输輸]入|不需要[输輸]入|不适用|なし|入力なし|無し|ありません|該当なし"
    r"|없음|입력 ?없음|해당 ?없음|ไม่มี(?:ข้อมูล|อินพุต|ข้อมูลนำเข้า)?"
    r"|لا (?:يوجد|شيء|مدخلات|إدخال)|لا يوجد (?:إدخال|مدخلات|مدخل)|بدون (?:إدخال|مدخلات)|فارغ"
    r"|कोई (?:इनपुट )?नहीं|कोई इनपुट आवश्यक नहीं|खाली|रिक्त|নেই|কোনো ইনপুট নেই"
    r"|nessuno?(?: input)?|geen(?: invoer)?|brak(?: danych)?|yok|girdi yok|tidak ada(?: masukan)?|không(?: có)?|немає"
)
_NO_INPUT = re.compile(
    rf"[\s\u200b\ufeff*_`\"'“”]*(?:&lt;|[<(\[【（{{]|<<)?[\s*_`]*(?:{_NONE}|[-–—−]{{1,3}}|∅)[\s*_`]*(?:&gt;|[>)\]】）}}]|>>)?[.!。]?"
    r"[\s\u200b\ufeff*_`\"'“”]*",
    re.IGNORECASE,
)


def says_no_input(text: str) -> bool:
    """Return True if a text only says that a task has no input, such as `<noinput>`, "N/A" or "keine Eingabe"."""
    return len(text) <= 60 and bool(_NO_INPUT.fullmatch(text))
