"""The catalogues of translated texts: ``make translations`` brings them up to date.

It collects the texts of templates and code, merges them into each
``wsgikit/templates/locale/*/LC_MESSAGES/wsgikit.po``, and compiles those.  A translator fills in
what is new, and runs it again.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from wsgikit.media.html.languages import BUILT_IN
from wsgikit.media.html.loading import TEXT_ATTRIBUTES
from wsgikit.media.html.messages import TEXTS

ROOT = BUILT_IN.parent
CODE = ROOT / "media" / "html"
FILES = sorted((BUILT_IN / "locale").glob("*/LC_MESSAGES/wsgikit.po"))

KEYWORDS = {"_": None, "N_": None, "gettext": None, "words": None, "ngettext": (1, 2)}
OPTIONS = {"include_attrs": " ".join(sorted(TEXT_ATTRIBUTES))}
#: The version control knows when, and by whom.
MADE = datetime(2026, 1, 1, tzinfo=UTC)
NOISE = tuple(
    f'"{name}: '.encode()
    for name in (
        *("Report-Msgid-Bugs-To", "POT-Creation-Date", "PO-Revision-Date", "Last-Translator"),
        *("Language-Team", "Generated-By", "Project-Id-Version"),
    )
)


def collect() -> Catalog:
    """Give all texts that can be translated, without translations."""
    catalog = Catalog(project="wsgikit", fuzzy=False)
    for path, method in sources():
        with path.open("rb") as file:
            place = str(path.relative_to(ROOT.parent))
            for _, text, comments, _ in extract(method, file, KEYWORDS, options=OPTIONS):
                catalog.add(text, locations=[(place, None)], auto_comments=comments)
    place = str((CODE / "messages.py").relative_to(ROOT.parent))
    for text in TEXTS:
        catalog.add(text, locations=[(place, None)])
    return catalog


def sources() -> Iterator[tuple[Path, Any]]:
    """Give the files that hold texts, and what reads them."""
    yield from ((path, "genshi") for path in sorted(BUILT_IN.glob("*.html")))
    yield from ((path, "python") for path in sorted(CODE.glob("*.py")))


def read(path: Path) -> Catalog:
    """Read a catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def merged(catalog: Catalog) -> Catalog:
    """Give a catalogue with the texts that there are now; no translation is guessed."""
    catalog.update(collect(), no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    catalog.fuzzy = False
    catalog.creation_date = catalog.revision_date = MADE
    return catalog


def as_text(catalog: Catalog) -> bytes:
    """Write a catalogue for people."""
    out = BytesIO()
    write_po(out, catalog, width=100, sort_output=True, include_lineno=False)
    return b"".join(line for line in out.getvalue().splitlines(True) if not line.startswith(NOISE))


def as_program(catalog: Catalog) -> bytes:
    """Write a catalogue for programs."""
    out = BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def missing(catalog: Catalog) -> list[Any]:
    """List the texts that have no translation."""
    return [m.id for m in catalog if m.id and not all(_strings(m.string))]


def _strings(string: Any) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, list | tuple) else (string,)


def main() -> int:
    """Update and compile every catalogue; say what is missing."""
    for path in FILES:
        catalog = merged(read(path))
        path.write_bytes(as_text(catalog))
        path.with_suffix(".mo").write_bytes(as_program(catalog))
        print(f"{path.relative_to(ROOT.parent)}: {len(catalog)} texts")
        for text in missing(catalog):
            print(f"  not translated: {text!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
