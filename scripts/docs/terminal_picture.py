"""Run a command in a terminal of 80 columns and draw what it shows as an SVG picture.

    python scripts/docs/terminal_picture.py docs/images/demo.svg -- selfinstruct generate runs/demo --num 25 --teacher local

A line that is drawn over, such as a progress bar, is shown as it was at the end. The picture loads no font from elsewhere.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 80
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def shown(command: list[str]) -> str:
    """Run the command and return what its terminal shows at the end, with the codes of colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    received = b""
    try:
        while piece := os.read(ours, 65536):
            received += piece
    except OSError:  # the command has ended
        pass
    if process.wait():
        sys.exit(f"{shlex.join(command)}: exit status {process.returncode}\n{received.decode()}")
    text = re.sub(r"\x1b\[[0-9;]*[A-LN-Za-ln-z]", "", received.decode())  # codes that move the cursor or erase
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "\n".join(lines).rstrip()


def main() -> None:
    """Write the picture."""
    out, _, *command = sys.argv[1:]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {shlex.join(command)}\n{shown(command)}"))
    svg = console.export_svg(title="selfinstruct")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: (?:Fira Code|arial)[^;]*;", f"font-family: {FONT};", svg)
    assert not re.search(r"(?:url\(|href=|src=)[\"']?http", svg), "the picture would load something"
    Path(out).write_text(re.sub(r"<!-- .*?-->\s*", "", svg), encoding="utf-8")


if __name__ == "__main__":
    main()
