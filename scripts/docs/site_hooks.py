"""Copy the files that pages link to from outside of docs/ into the site, so that these links work offline.

A page links to `../data/bench/rouge.png` or `../selfinstruct/pipeline.py`, as a reader of the plain file needs it. mkdocs
allows links inside docs/ only. In the site, such a file is at `source/data/bench/rouge.png`.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?<=\]\()\.\./([^)#\s]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each file that a page links to. Raise FileNotFoundError if it does not exist."""
    root = Path(config.docs_dir).parent
    for page in files.documentation_pages():
        for linked in LINK.findall(page.content_string):
            path = root / linked
            if not path.is_file():
                raise FileNotFoundError(f"docs/{page.src_uri}: ../{linked} is not a file. Fix: correct the link.")
            if files.get_file_from_path(place(linked)) is None:
                files.append(File.generated(config, place(linked), content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Point the links at the copies."""
    return LINK.sub(lambda found: place(found[1]), markdown)


def place(linked: str) -> str:
    """Return a copy's path in the site. mkdocs ignores hidden folders, and would build Markdown as a page of the site."""
    suffix = ".txt" if PurePosixPath(linked).suffix in (".md", "") else ""
    return f"source/{linked.lstrip('.')}{suffix}"
