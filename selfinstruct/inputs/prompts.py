"""Read prompt files: data, not code.

A prompt file is a header of `name: value` lines, followed by sections that each start with a line `=== section`:

    name: list
    notation: numbered
    about: one line for `selfinstruct list`

    === user
    Write {{count}} new tasks ...
    {{examples}}

A placeholder is a lower-case name in double braces. Single braces, `%`, `$` and JSON need no escape. The values put in are
not searched for placeholders, so that text from seeds or teachers cannot act as a template.

A `{{steering}}` stands for what a run is steered to, in the words of the sections `domain`, `topic` and `language`. Beside it,
a section may have two placeholders for rules that must agree with these words: `{{language}}` is the name of the language, and
`{{subject}}` is the section `any_subject`, or `one_subject` if there is a domain or a topic. A request for an answer has
`{{answer_language}}`, in the words of that section. `{{steering}}` and `{{answer_language}}` at the beginning of a line are
removed with the line break if they are empty. The method decides which other sections and placeholders a prompt may have (see
`PromptFile.check`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from selfinstruct import packaged
from selfinstruct.errors import PromptError
from selfinstruct.names import advice, matching
from selfinstruct.packaged import folder
from selfinstruct.text import read_text

_STEERING = re.compile(r"\{\{\s*steering\s*\}\}")
_LANGUAGE = re.compile(r"\{\{\s*(?:steering|language)\s*\}\}")
_REMOVED_IF_EMPTY = {  # with their lines, and with the blank line above an answer's language
    "steering": re.compile(r"(?:\A\{\{\s*steering\s*\}\}\n?|\n\{\{\s*steering\s*\}\})"),
    "answer_language": re.compile(r"(?:\A\{\{\s*answer_language\s*\}\}\n?|\n{1,2}\{\{\s*answer_language\s*\}\})"),
}
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\n]+?)\s*\}\}")
_SECTION = re.compile(r"^===\s*([a-z_]+)\s*$")
TEMPLATE = "template"  # the section with a model's chat template, to which no text can be added
_HEADER = ("name", "notation", "about")

# The sections that any prompt may have for steering, each with its placeholders.
STEERING = {
    "domain": frozenset({"domain"}),
    "topic": frozenset({"topic", "about"}),
    "language": frozenset({"language"}),
    "answer_language": frozenset({"language"}),
    "any_subject": frozenset[str](),
    "one_subject": frozenset[str](),
}
_BESIDE_STEERING = frozenset({"subject", "language"})  # placeholders that a section with `steering` may have
_USUAL_WORDS = {  # of sections that a prompt may leave out
    "language": "Write in {{language}}.",
    "answer_language": "Answer in {{language}} unless the task asks for another language.",
}


@dataclass(frozen=True)
class PromptFile:
    """A prompt as read from its file. `digest` is the SHA-256 (hex) of the file's text."""

    name: str
    notation: str
    about: str
    digest: str
    sections: dict[str, str]
    text: str
    path: str = field(default="", compare=False)

    def has(self, section: str) -> bool:
        """Return whether the file has this section."""
        return section in self.sections

    @property
    def can_steer(self) -> bool:
        """True if a section has the placeholder for the domain, the topic and the language."""
        return any(_STEERING.search(body) for body in self.sections.values())

    def names_language(self, section: str) -> bool:
        """Return True if a section has a place for the language."""
        return bool(_LANGUAGE.search(self.sections.get(section, "")))

    def require(self, *sections: str) -> None:
        """Raise PromptError unless the file has all of these sections. The words for the language may be left out."""
        for section in sections:
            if section not in self.sections and section not in _USUAL_WORDS:
                sections_here = ", ".join(self.sections)
                raise PromptError(
                    f"prompt {self.name!r}: has no section {section!r}, which the method needs (it has: {sections_here}). "
                    "Fix: add the section."
                )

    def fill(self, section: str, **values: object) -> str:
        """Return the text of a section with its placeholders replaced by `values` in one pass.

        Raises: PromptError when the section is missing or has a placeholder without a value.
        """
        self.require(section)
        text = self.sections.get(section) or _USUAL_WORDS[section]
        for name, line in _REMOVED_IF_EMPTY.items():
            if not values.get(name):
                text = line.sub("", text)
                values = {**values, name: ""}
        try:
            return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)
        except KeyError as error:
            known = ", ".join(sorted(name for name in values if name not in _REMOVED_IF_EMPTY or values[name])) or "none"
            raise PromptError(
                f"prompt {self.name!r}: unknown placeholder {error} in section {section!r} (the method knows: {known}). "
                "Fix: rename it."
            ) from None

    def check(self, known: Mapping[str, frozenset[str]]) -> None:
        """Raise PromptError, with file and line, for an unknown section or placeholder.

        `known` has the placeholders of each section that the method uses.
        """
        steered = {name: names | _BESIDE_STEERING if "steering" in names else names for name, names in known.items()}
        sections = {**steered, **STEERING}
        section = ""
        for number, line in enumerate(self.text.split("\n"), 1):
            if start := _SECTION.match(line):
                section = start[1]
                if section not in sections:
                    raise PromptError(
                        f"{self.path}:{number}: unknown section {section!r} (the method knows: {', '.join(sections)}). "
                        "Fix: rename it."
                    )
            elif section:
                for match in _PLACEHOLDER.finditer(line):
                    if match[1] == "subject":
                        self.require("any_subject", "one_subject")
                    if match[1] not in sections[section]:
                        allowed = ", ".join(sorted(sections[section])) or "none"
                        raise PromptError(
                            f"{self.path}:{number}: unknown placeholder {match[0]!r} (section {section!r} knows: {allowed}). "
                            "Fix: rename it."
                        )


def available() -> dict[str, PromptFile]:
    """Return the prompts that come with this package, by name."""
    return {name: load(folder("prompts") / f"{name}.txt") for name in packaged.prompts()}


def load(name_or_path: str | Path) -> PromptFile:
    """Load a bundled prompt by its name, or any prompt file by its path.

    Raises: PromptError, with file and line, when the file cannot be read or is not a prompt.
    """
    path = Path(name_or_path)
    if path.suffix != ".txt" and len(path.parts) == 1 and not path.is_file():
        name = matching(path.name, packaged.prompts())
        if name is None:
            fix = advice(path.name, packaged.prompts(), otherwise="give a file")
            raise PromptError(f"no prompt is named {path.name!r}. Fix: {fix}.")
        path = folder("prompts") / f"{name}.txt"
    prompt = _parse(path, read_text(path, PromptError))
    bundled = folder("prompts") / f"{prompt.name}.txt"
    if path.parent != folder("prompts") and bundled.exists() and bundled.read_text(encoding="utf-8") != prompt.text:
        return replace(prompt, name=path.name)  # a changed copy must not be recorded under the name of the original
    return prompt


def _parse(path: Path, text: str) -> PromptFile:
    header: dict[str, str] = {}
    bodies: dict[str, list[str]] = {}
    section: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if start := _SECTION.match(line):
            section = start[1]
            if section in bodies:
                raise PromptError(f"{path}:{number}: section {section!r} is repeated. Fix: keep one of them.")
            bodies[section] = []
        elif section is not None:
            bodies[section].append(line)
        elif line.strip():
            _read_header(path, number, line, header)
    if "notation" not in header:
        raise PromptError(f"{path}: the header has no notation. Fix: add a line such as `notation: numbered`.")
    if not bodies:
        raise PromptError(f"{path}: has no sections. Fix: add a line such as `=== user`, followed by text.")
    sections = {name: "\n".join(lines).strip("\n") for name, lines in bodies.items()}
    about = header.get("about", "")
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return PromptFile(header.get("name", path.stem), header["notation"], about, fingerprint, sections, text, str(path))


def _read_header(path: Path, number: int, line: str, header: dict[str, str]) -> None:
    name, colon, value = line.partition(":")
    if not colon or name.strip() not in _HEADER:
        known = ", ".join(_HEADER)
        raise PromptError(
            f"{path}:{number}: a header line must be `name: value` with a name from {known} (got {line[:60]!r}). "
            "Fix: correct the line, or move it below a section."
        )
    header[name.strip()] = value.strip()
