"""Prompt files: data, not code.

A prompt file is a header of `name: value` lines, then sections, each begun by a line `=== section`:

    name: list
    notation: numbered
    about: one line for `selfinstruct list`

    === user
    Write {{count}} new tasks ...
    {{examples}}

A placeholder is a lower-case name in double braces. Single braces, `%`, `$` and JSON need no escape, because nothing
else is ever interpreted; the values put in are not looked into, so text from seeds or teachers cannot act as a template.
A `{{steering}}` at the beginning of a line goes away, with the line's break, where there is nothing to steer to. The sections
`domain`, `topic` and `language` say in the prompt's own words what stands there otherwise. Which other sections and
placeholders there may be is the method's to say (see `check`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from selfinstruct.errors import PromptError
from selfinstruct.packaged import folder

_STEERING = re.compile(r"\{\{\s*steering\s*\}\}")
_STEERING_LINE = re.compile(r"(?:\A\{\{\s*steering\s*\}\}\n?|\n\{\{\s*steering\s*\}\})")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\n]+?)\s*\}\}")
_SECTION = re.compile(r"^===\s*([a-z_]+)\s*$")
_HEADER = ("name", "notation", "about")

# What any prompt may say of where a run is steered to, and the placeholders of each.
STEERING = {
    "domain": frozenset({"domain"}),
    "topic": frozenset({"topic", "about"}),
    "language": frozenset({"language"}),
}


@dataclass(frozen=True)
class PromptFile:
    """A prompt as read from its file; `digest` is the SHA-256 (hex) of the file's text."""

    name: str
    notation: str
    about: str
    digest: str
    sections: dict[str, str]
    text: str
    path: str = field(default="", compare=False)

    def has(self, section: str) -> bool:
        """Whether the file has this section."""
        return section in self.sections

    @property
    def can_steer(self) -> bool:
        """Whether a section has a place for the domain, the topic and the language."""
        return any(_STEERING.search(body) for body in self.sections.values())

    def require(self, *sections: str) -> None:
        """Raise PromptError unless the file has all of these sections."""
        for section in sections:
            if section not in self.sections:
                have = ", ".join(self.sections)
                raise PromptError(f"prompt {self.name!r} has no section {section!r} (it has: {have}); the method needs it")

    def fill(self, section: str, **values: object) -> str:
        """The section's text with its placeholders replaced in one pass; raises PromptError if it is missing."""
        self.require(section)
        text = self.sections[section]
        if not values.get("steering"):
            text = _STEERING_LINE.sub("", text)
            values = {**values, "steering": ""}
        try:
            return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)
        except KeyError as error:
            known = ", ".join(sorted(values)) or "none"
            raise PromptError(
                f"prompt {self.name!r}: the method knows no placeholder {error} in section {section!r}; it knows: {known}"
            ) from None

    def check(self, known: Mapping[str, frozenset[str]]) -> None:
        """Raise PromptError, with file and line, for a section or a placeholder that is not known.

        `known` are the method's sections with the placeholders of each.
        """
        sections = {**known, **STEERING}
        section = ""
        for number, line in enumerate(self.text.split("\n"), 1):
            if start := _SECTION.match(line):
                section = start[1]
                if section not in sections:
                    raise PromptError(
                        f"{self.path}:{number}: unknown section {section!r} (the method knows: {', '.join(sections)}); rename it"
                    )
            elif section:
                for match in _PLACEHOLDER.finditer(line):
                    if match[1] not in sections[section]:
                        may = ", ".join(sorted(sections[section])) or "none"
                        raise PromptError(
                            f"{self.path}:{number}: unknown placeholder {match[0]!r}; section {section!r} knows: {may}"
                        )


def available() -> dict[str, PromptFile]:
    """The prompts that come with this package, by name."""
    return {path.stem: load(path) for path in sorted(folder("prompts").glob("*.txt"))}


def load(name_or_path: str | Path) -> PromptFile:
    """A bundled prompt by its name, or any prompt file by its path; raises PromptError with file and line."""
    path = Path(name_or_path)
    if path.suffix != ".txt" and len(path.parts) == 1 and not path.is_file():
        path = folder("prompts") / f"{name_or_path}.txt"
        if not path.exists():
            names = ", ".join(sorted(file.stem for file in folder("prompts").glob("*.txt")))
            raise PromptError(f"no prompt is named {str(name_or_path)!r}; there are: {names}, or give the path of a file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    prompt = _parse(path, text.replace("\r\n", "\n"))
    bundled = folder("prompts") / f"{prompt.name}.txt"
    if path.parent != folder("prompts") and bundled.exists() and bundled.read_text(encoding="utf-8") != prompt.text:
        return replace(prompt, name=path.name)  # a changed copy must not go by the name of what it was copied from
    return prompt


def _parse(path: Path, text: str) -> PromptFile:
    header: dict[str, str] = {}
    bodies: dict[str, list[str]] = {}
    section: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if start := _SECTION.match(line):
            section = start[1]
            if section in bodies:
                raise PromptError(f"{path}:{number}: section {section!r} is there twice; keep one")
            bodies[section] = []
        elif section is not None:
            bodies[section].append(line)
        elif line.strip():
            _read_header(path, number, line, header)
    if "notation" not in header:
        raise PromptError(f"{path}: the header names no notation; add a line such as `notation: numbered`")
    if not bodies:
        raise PromptError(f"{path}: has no sections; begin one with a line such as `=== user`")
    sections = {name: "\n".join(lines).strip("\n") for name, lines in bodies.items()}
    about = header.get("about", "")
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return PromptFile(header.get("name", path.stem), header["notation"], about, fingerprint, sections, text, str(path))


def _read_header(path: Path, number: int, line: str, header: dict[str, str]) -> None:
    name, colon, value = line.partition(":")
    if not colon or name.strip() not in _HEADER:
        known = ", ".join(_HEADER)
        raise PromptError(f"{path}:{number}: a header line is `name: value` with a name of {known}; mend {line[:60]!r}")
    header[name.strip()] = value.strip()
