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
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from selfinstruct.errors import PromptError

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\n]+?)\s*\}\}")
_SECTION = re.compile(r"^===\s*([a-z_]+)\s*$")
_HEADER = ("name", "notation", "about")

# The sections a prompt may have, and the placeholders that each of them may use.
PLACEHOLDERS = {
    "system": frozenset({"count"}),
    "user": frozenset({"count", "examples", "next", "lead"}),
    "ask": frozenset[str](),
    "template": frozenset({"instruction"}),
    "solve_system": frozenset[str](),
    "solve": frozenset({"instruction", "input"}),
    "solve_without_input": frozenset({"instruction"}),
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

    def has(self, section: str) -> bool:
        """Whether the file has this section."""
        return section in self.sections

    def require(self, *sections: str) -> None:
        """Raise PromptError unless the file has all of these sections."""
        for section in sections:
            if section not in self.sections:
                have = ", ".join(self.sections)
                raise PromptError(f"prompt {self.name!r} has no section {section!r} (it has: {have}); the method needs it")

    def fill(self, section: str, **values: object) -> str:
        """The section's text with its placeholders replaced in one pass; raises PromptError if it is missing."""
        self.require(section)
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), self.sections[section])


def folder() -> Path:
    """Where the prompts that come with this package are."""
    here = Path(__file__).parent
    inside = here / "bundled" / "prompts"
    return inside if inside.exists() else here.parent / "prompts"


def available() -> dict[str, PromptFile]:
    """The prompts that come with this package, by name."""
    return {path.stem: load(path) for path in sorted(folder().glob("*.txt"))}


def load(name_or_path: str | Path) -> PromptFile:
    """A bundled prompt by its name, or any prompt file by its path; raises PromptError with file and line."""
    path = Path(name_or_path)
    if path.suffix != ".txt" and len(path.parts) == 1 and not path.exists():
        path = folder() / f"{name_or_path}.txt"
        if not path.exists():
            names = ", ".join(sorted(file.stem for file in folder().glob("*.txt")))
            raise PromptError(f"no prompt is named {str(name_or_path)!r}; there are: {names}, or give the path of a file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    prompt = _parse(path, text.replace("\r\n", "\n"))
    bundled = folder() / f"{prompt.name}.txt"
    if path.parent != folder() and bundled.exists() and bundled.read_text(encoding="utf-8") != prompt.text:
        return replace(prompt, name=path.name)  # a changed copy must not go by the name of what it was copied from
    return prompt


def _parse(path: Path, text: str) -> PromptFile:
    header: dict[str, str] = {}
    bodies: dict[str, list[str]] = {}
    section: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if start := _SECTION.match(line):
            section = start[1]
            _check_section(path, number, section, bodies)
            bodies[section] = []
        elif section is not None:
            _check_placeholders(path, number, section, line)
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
    return PromptFile(header.get("name", path.stem), header["notation"], about, fingerprint, sections, text)


def _read_header(path: Path, number: int, line: str, header: dict[str, str]) -> None:
    name, colon, value = line.partition(":")
    if not colon or name.strip() not in _HEADER:
        known = ", ".join(_HEADER)
        raise PromptError(f"{path}:{number}: a header line is `name: value` with a name of {known}; mend {line[:60]!r}")
    header[name.strip()] = value.strip()


def _check_section(path: Path, number: int, section: str, bodies: dict[str, list[str]]) -> None:
    if section not in PLACEHOLDERS:
        raise PromptError(f"{path}:{number}: unknown section {section!r}; there are: {', '.join(PLACEHOLDERS)}")
    if section in bodies:
        raise PromptError(f"{path}:{number}: section {section!r} is there twice; keep one")


def _check_placeholders(path: Path, number: int, section: str, line: str) -> None:
    for match in _PLACEHOLDER.finditer(line):
        if match[1] not in PLACEHOLDERS[section]:
            known = ", ".join(sorted(PLACEHOLDERS[section])) or "none"
            raise PromptError(f"{path}:{number}: unknown placeholder {match[0]!r}; section {section!r} knows: {known}")
