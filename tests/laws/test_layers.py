"""The layout of `docs/architecture.md`: one table of layers, and no cycle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import selfinstruct

PACKAGE = Path(selfinstruct.__file__).parent
# A module imports only from rows above its own, or from its own package. Lazy imports and imports for types count too.
LAYERS = (
    "errors layout names packaged event_loop text",
    "records atomic_write languages",
    "plugins journal rouge tables",
    "recipe contracts",
    "inputs curate methods notations filters repairs exports teachers",
    "client",
    "rundir",
    "generate judge dedup",
    "pipeline",
    "run",
    "report review",
    "cli",
)
LAYER = {name: number for number, row in enumerate(LAYERS) for name in row.split()}
AT_THE_TOP = 12  # modules, besides __init__ and __main__
LINES = 300  # without docstrings. A longer module usually holds two subjects.
STATEMENTS = 60  # lines of a function's body


def modules() -> Iterator[tuple[str, Path]]:
    """Each module of the package by its dotted name below `selfinstruct`. A package's own module is `name.__init__`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, wherever in the file."""
    known = {name for name, _ in modules()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("selfinstruct.") for alias in node.names if alias.name.startswith("selfinstruct.")
            )
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "selfinstruct":
            module = str(node.module).removeprefix("selfinstruct").removeprefix(".")
            for alias in node.names:
                name = f"{module}.{alias.name}".removeprefix(".")
                yield name if name in known else f"{module}.__init__" if f"{module}.__init__" in known else module


def test_every_module_imports_only_layers_below_its_own() -> None:
    wrong = []
    for name, path in modules():
        here = name.partition(".")[0]
        if here in ("__init__", "__main__"):
            continue
        for other in imports(path):
            there = other.partition(".")[0]
            if there != here and LAYER[there] >= LAYER[here]:
                wrong.append(f"{name} (layer {LAYER[here]}) imports {other} (layer {LAYER[there]})")
    assert wrong == []


def test_no_module_imports_itself_through_others() -> None:
    graph = {name: set(imports(path)) for name, path in modules() if name != "__init__"}
    done: set[str] = set()

    def cycle_from(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name not in done:
            for other in sorted(graph.get(name, ())):
                if found := cycle_from(other, [*trail, name]):
                    return found
        done.add(name)
        return []

    assert [cycle for name in graph if (cycle := cycle_from(name, []))] == []


def test_few_modules_lie_at_the_top() -> None:
    top = [path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")]
    assert len(top) <= AT_THE_TOP, top


def lines_of_docstrings(tree: ast.Module) -> int:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)]
    return sum((docstring.end_lineno or 0) - docstring.lineno + 1 for docstring in first)


def test_modules_and_functions_are_short() -> None:
    long = []
    for name, path in modules():
        text = path.read_text()
        tree = ast.parse(text)
        long += [name] if text.count("\n") - lines_of_docstrings(tree) > LINES else []
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        long += [f"{name}:{node.name}" for node in functions if (node.end_lineno or 0) - node.body[0].lineno >= STATEMENTS]
    assert long == []
