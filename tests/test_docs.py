"""The documentation: every Python block of it runs, and every page opens with a short program."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from sqlalchemy import Engine

from tests.test_imports import MODULES, is_part

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,})(?P<language>.*)$")
LONGEST_PROGRAM = 15

# Pages that are not about one module.
PROSE = {"index", "why", "tutorial", "composing", "deployment", "lineage"}


def blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """The fenced blocks of a page: line number of the first line, language, text."""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened is None:
            opened = FENCE.match(line)
            lines = []
        elif line.strip().startswith(opened["fence"]) and not line.strip().strip(":`"):
            yield number - len(lines), opened["language"].strip(), dedent("\n".join(lines)) + "\n"
            opened = None
        else:
            lines.append(line)
    assert opened is None, f"{page.name}: the last block has no end"


def programs(page: Path) -> list[tuple[int, str]]:
    return [(line, text) for line, language, text in blocks(page) if language == "python"]


@pytest.fixture
def playground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", [page for page in PAGES if programs(page)], ids=lambda p: p.stem)
@pytest.mark.usefixtures("playground")
def test_the_python_blocks_of_a_page_run_from_top_to_bottom(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one namespace, which is not ``__main__``, so that no server is started."""
    module = ModuleType("page_" + re.sub(r"\W", "_", page.stem))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    try:
        for line, text in programs(page):
            # Empty lines in front, so that a traceback names the line of the page.
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), module.__dict__)
    finally:
        for value in vars(module).values():
            if isinstance(value, Engine):
                value.dispose()


@pytest.mark.parametrize(
    "page", [page for page in PAGES[1:] if page.stem not in PROSE], ids=lambda p: p.stem
)
def test_a_modules_page_opens_with_a_program_that_fits_the_eye(page: Path) -> None:
    _, language, text = next(blocks(page))
    assert language in {"python", "console"}  # the command line's page opens with commands
    assert len(text.splitlines()) <= LONGEST_PROGRAM


def test_every_module_has_a_page() -> None:
    whole = {name for name in MODULES if not is_part(name)}
    modules = {name.removeprefix("wsgikit.") for name in whole} - {"wsgikit", "__main__"}
    assert modules == {page.stem for page in PAGES[1:]} - PROSE
