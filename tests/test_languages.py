"""wsgikit.media.html: the language of a page, its texts, and its forms of numbers and dates."""

import ast
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import reduce
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from hypothesis import given
from hypothesis import strategies as st
from webob import Request

from tests import catalogues
from wsgikit.media import problem, respond
from wsgikit.media.html import HTML, HTMLRenderer
from wsgikit.media.html.languages import Language, _forms, choose, offered
from wsgikit.media.html.messages import GAP, TEXTS, translate
from wsgikit.model import Field, Unfit
from wsgikit.model_collection import browsing, flashes, importing
from wsgikit.model_collection.wording import Wording

ROOT = catalogues.ROOT
TAGS = ("en", "de", "ja", "pt-BR")


# -- which language ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("de", ("de", "de")),
        ("de-CH", ("de", "de-CH")),
        ("DE-ch;q=0.9", ("de", "DE-ch")),
        ("en;q=0.5, ja;q=0.8, de;q=0.7", ("ja", "ja")),
        ("en, de", ("en", "en")),
        ("de;q=0, en", ("en", "en")),
        ("pt-BR-x-old", ("pt-BR", "pt-BR-x-old")),
        ("fr, de;q=0.1", ("de", "de")),
        ("fr-CA, pt", ("en", "fr-CA")),
        ("", None),
        ("*", None),
        ("*;q=0.5, ja;q=0.1", ("ja", "ja")),
        ("nonsense!, \N{SNOWMAN}, ;q=1, de;q=2, ja ; q=1.000", ("ja", "ja")),
        ("a" * 600 + ", de", None),
    ],
)
def test_a_language_is_chosen_by_what_is_accepted(
    header: str, expected: tuple[str, str] | None
) -> None:
    assert choose(header, TAGS) == expected


@given(st.text())
def test_no_header_breaks_a_page(header: str) -> None:
    found = choose(header, TAGS)
    assert found is None or found[0] in TAGS
    Language("en", found and found[1])


def test_german_and_japanese_are_shipped() -> None:
    assert offered() == ("en", "de", "ja")


def render(renderer: HTMLRenderer, accepted: str | None = None, **context: Any) -> str:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    environ = {"wsgikit.action": "list", "wsgikit.context": {"title": "people", **context}}
    return renderer(None, Request.blank("/", environ=environ, headers=headers)).decode()


@pytest.mark.parametrize(
    ("languages", "accepted", "tag", "text"),
    [
        (None, None, "en", "Nothing here yet."),
        (None, "de-AT", "de", "Hier ist noch nichts."),
        (None, "ja,en;q=0.5", "ja", "まだ何もありません。"),
        (None, "fr", "en", "Nothing here yet."),
        ("de", "en", "de", "Hier ist noch nichts."),
        ("de-CH", None, "de-CH", "Hier ist noch nichts."),
        ("fr", "de", "fr", "Nothing here yet."),
        (("ja", "en"), "de", "ja", "まだ何もありません。"),
        (("ja", "en"), "en-GB", "en", "Nothing here yet."),
        (("ja", "en"), None, "ja", "まだ何もありません。"),
    ],
)
def test_pages_are_in_the_language_of_the_visitor_or_of_the_project(
    languages: Any, accepted: str | None, tag: str, text: str
) -> None:
    page = render(HTMLRenderer(languages=languages), accepted)
    assert f'<html lang="{tag}">' in page
    assert text in page


def test_right_to_left_languages_say_so() -> None:
    assert '<html lang="ar" dir="rtl">' in render(HTMLRenderer(languages="ar"))


def test_no_languages_at_all_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="give at least one"):
        HTML(languages=())


def test_the_answer_says_its_language_and_that_it_was_chosen() -> None:
    request = Request.blank("/", headers={"Accept-Language": "de", "Accept": "text/html"})
    answer = respond({}, request, HTML())
    assert (answer.headers["Content-Language"], answer.headers["Vary"]) == ("de", "Accept-Language")
    fixed = respond({}, request, HTML(languages="ja"))
    assert (fixed.headers["Content-Language"], fixed.headers.get("Vary")) == ("ja", None)


def test_a_problem_is_told_in_the_language_of_the_visitor() -> None:
    from webob.exc import HTTPNotFound

    request = Request.blank("/", headers={"Accept-Language": "de", "Accept": "text/html"})
    answer = problem(request, HTTPNotFound("There is no such row."), [HTML()])
    assert answer.headers["Content-Language"] == "de"
    assert answer.headers.getall("Vary") == ["Accept, Accept-Language"]
    assert '<h1 dir="auto">Nicht gefunden</h1>' in answer.text
    assert "Es gibt keine solche Zeile." in answer.text


# -- numbers and dates -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("", 1234567, "1234567"),
        ("en", 1234567, "1,234,567"),
        ("en", 12345, "12,345"),
        ("en", 2024, "2024"),
        ("en", -12345.5, "-12,345.5"),
        ("de", -12345.5, "-12.345,5"),
        (
            "de-CH",
            1234567.25,
            "1\N{RIGHT SINGLE QUOTATION MARK}234\N{RIGHT SINGLE QUOTATION MARK}567.25",
        ),
        ("hi", 123456789, "12,34,56,789"),
        ("fr", 0.5, "0,5"),
        ("en", Decimal("1234567890123456789.10"), "1,234,567,890,123,456,789.10"),
        ("en", 1e300, "1e+300"),
        ("en", float("nan"), "nan"),
        ("en", "0012345", "0,012,345"),
    ],
)
def test_numbers_are_written_with_every_digit(form: str, value: Any, expected: str) -> None:
    assert Language("en", form).number(value) == expected


MOMENT = datetime(2026, 5, 1, 15, 30, 5)


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("", MOMENT, "2026-05-01 15:30:05"),
        ("", date(2026, 5, 1), "2026-05-01"),
        ("", time(15, 30), "15:30:00"),
        ("en-GB", date(2026, 5, 1), "1 May 2026"),
        ("en-GB", MOMENT, "1 May 2026, 15:30:05"),
        ("de", MOMENT, "01.05.2026, 15:30:05"),
        ("de", MOMENT.replace(second=0), "01.05.2026, 15:30"),
        ("de", MOMENT.replace(microsecond=1500), "01.05.2026, 15:30:05.001500"),
        ("ja", MOMENT, "2026/05/01 15:30:05"),
        ("ja", time(9, 5), "9:05"),
        ("de", MOMENT.replace(tzinfo=UTC), "01.05.2026, 15:30:05 +00:00"),
        ("de", MOMENT.replace(tzinfo=timezone(timedelta(hours=-9))), "01.05.2026, 15:30:05 -09:00"),
        ("no-SUCH", date(2026, 5, 1), "1. mai 2026"),
        ("xx-YY", date(2026, 5, 1), "2026-05-01"),
    ],
)
def test_dates_are_written_with_every_digit(form: str, value: Any, expected: str) -> None:
    assert Language("en", form).moment(value) == expected


def test_a_date_that_is_written_for_people_can_be_read_by_programs() -> None:
    fields = (Field("day", "date"), Field("at", "datetime"))
    rows = [{"day": date(2026, 5, 1), "at": MOMENT}]
    page = render(HTMLRenderer(), "de", meta=fields, data=rows)
    assert '<time datetime="2026-05-01">01.05.2026</time>' in page
    assert '<time datetime="2026-05-01T15:30:05">01.05.2026, 15:30:05</time>' in page
    assert "<time" not in render(HTMLRenderer(), None, meta=fields, data=rows)


def test_keys_and_references_are_no_quantities() -> None:
    fields = (Field("id", "integer"), Field("size", "integer"))
    page = render(
        HTMLRenderer(), "en", meta=fields, data=[{"id": 12345, "size": 12345}], primary="id"
    )
    assert (page.count(">12345<"), page.count(">12,345<")) == (1, 1)


def test_without_babel_texts_are_translated_and_forms_are_iso(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _forms.cache_clear()
    monkeypatch.setitem(sys.modules, "babel", None)
    language = HTMLRenderer(languages="de")._languages.of(Request.blank("/"))
    assert language.gettext("Search") == "Suchen"
    assert language.moment(MOMENT) == "2026-05-01 15:30:05"
    assert language.number(1234567) == "1234567"
    _forms.cache_clear()


# -- texts -------------------------------------------------------------------------------------


GERMAN = HTMLRenderer(languages="de")._languages.of(Request.blank("/"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A value is required.", "Ein Wert ist erforderlich."),
        (
            "Must be a whole number, not 'x, not y'.",
            "Muss eine ganze Zahl sein, nicht 'x, nicht y'.".replace("x, nicht y", "x, not y"),
        ),
        (
            "Must have at most 250 characters, not 300.",
            "Darf höchstens 250 Zeichen haben, nicht 300.",
        ),
        ("Line 3: 2 cells, where the header has 4.", "Zeile 3: 2 Zellen, wo die Kopfzeile 4 hat."),
        (
            "Line 3: The quotes that begin here are never closed.",
            "Zeile 3: Die Anführungszeichen, die hier beginnen, werden nie geschlossen.",
        ),
        (Wording("{count} rows were deleted.", count=12345), "12.345 Zeilen wurden gelöscht."),
        (Wording("{column} is {value}", column="Land", value=Wording("yes")), "Land ist ja"),
        (Wording("{column} is {value}", column="Preis", value=Decimal("9.50")), "Preis ist 9,50"),
        (
            Wording("{column} is {value}", column="Tag", value=date(2026, 5, 1)),
            "Tag ist 01.05.2026",
        ),
        ("What nobody knows.", "What nobody knows."),
        ("", ""),
        (7, "7"),
    ],
)
def test_texts_of_code_are_translated(text: Any, expected: str) -> None:
    assert translate(GERMAN, text) == expected


def test_texts_of_code_stay_as_they_are_in_english() -> None:
    english = Language("en")
    assert translate(english, "Must be a number, not 'x'.") == "Must be a number, not 'x'."
    assert (
        translate(english, Wording("{count} rows were deleted.", count=3)) == "3 rows were deleted."
    )


@pytest.mark.parametrize("kind", ["integer", "date", "uuid", "boolean"])
def test_what_a_field_refuses_is_told_in_german(kind: str) -> None:
    with pytest.raises(Unfit) as refused:
        Field("f", kind).check("{x} nonsense")
    told = translate(GERMAN, refused.value.detail)
    assert told.startswith("Muss ")
    assert "'{x} nonsense'" in told


def skeleton(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "{}", text)


#: Who is told by these reads English: programs, and people who program.
FOR_PROGRAMS = (
    *("describing.py", "schema.py", "patches.py"),
    *("idempotency.py", "preferences.py", "preconditions.py"),
)
TOLD_TO_PROGRAMS = {
    "A collection has no versions; it is always there.",
    "A filter without a value selects nothing to write to.",
    "A query has at most {} conditions.",
    'A query is a JSON object, such as {"age__gte": 18}.',
    "A write of many rows takes a filter, q and limit=all only.",
    "An object is merged into one row at a time.",
    "At most {} chosen rows are exported at once.",
    "Belongs in the URL.",
    "Give a filter; or limit=all, if all rows are meant.",
    "Give {} once, as text.",
    "Has no place where all rows are asked for (limit=all).",
    "Is nested more than {} levels deep.",
    "Is no condition; write it at the top of the document.",
    'Must be a list of at least one value, such as ["a", "b"].',
    "Must be a list of conditions, such as [{...}, {...}].",
    "Must be a single value, such as text or a number.",
    "Must be an object, from field names to values.",
    'Must hold conditions, each an object such as {"age__gte": 18}.',
    "One row takes no parameters but fields, embed and format.",
    "Say with If-Match which version you mean.",
    "Send a form, with a file.",
    "Send a form, with action, and id or all.",
    "Send the _version that the confirmation shows.",
    "The action must be one of {}.",
    "The body must be an object, from field names to values.",
    "The data is not base64.",
    "The form has more than one _version.",
    "The patch must leave an object.",
    'The query must be an object, such as {"age__gte": 18}.',
    "The query string has over {} parameters.",
    "This store cannot undo anything; there are no dry runs.",
    "This store takes one new row at a time.",
    "This store writes one row at a time.",
    "This transaction is over.",
    "This transaction only reads.",
    "There is either such a row, or there is none.",
}


def sentences() -> Iterator[tuple[str, str]]:
    """The sentences in the code of models and collections: where they are, and with gaps."""
    folders = [ROOT / "model", ROOT / "sql", ROOT / "model_collection"]
    paths = [
        ROOT / "query.py",
        *(path for folder in folders for path in sorted(folder.glob("*.py"))),
    ]
    for path in paths:
        if path.name not in FOR_PROGRAMS:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for text in texts(tree):
                if re.match("[A-Z{].* .*[.]$", text, re.DOTALL):
                    yield path.name, text


def texts(tree: ast.AST) -> Iterator[str]:
    """The string literals of a module without its docstrings; f-strings with gaps."""
    nodes = [*ast.walk(tree)]
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    parts |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.value


def test_every_sentence_that_people_are_told_is_in_the_catalogues() -> None:
    """A new one goes into `TEXTS`, or into the list above; then: make translations."""
    known = {skeleton(text) for text in {*TEXTS, *TOLD_TO_PROGRAMS}}
    unknown = {(name, text) for name, text in sentences() if skeleton(text) not in known}
    assert unknown == set()


def test_every_wording_of_collections_is_in_the_catalogues() -> None:
    tables = [browsing._ASKS, browsing._NULLS, flashes.MESSAGES, importing.DUPLICATES]
    wordings = {str(getattr(text, "template", text)) for table in tables for text in table.values()}
    for path in (ROOT / "model_collection").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name("Wording"), args=[ast.Constant(value), *_]):
                    wordings.add(value)
    # A sign of comparison is the same everywhere.
    assert {
        w for w in wordings if w not in TEXTS and re.search("[a-z]{2}", GAP.sub("", w))
    } == set()


@pytest.mark.parametrize("path", catalogues.FILES, ids=lambda path: path.parent.parent.name)
def test_a_catalogue_is_complete_and_current(path: Path) -> None:
    catalog = catalogues.merged(catalogues.read(path))
    assert catalogues.missing(catalog) == []
    assert path.read_bytes() == catalogues.as_text(catalog), "run: make translations"
    compiled = path.with_suffix(".mo").read_bytes()
    assert compiled_texts(compiled) == compiled_texts(catalogues.as_program(catalog))


def compiled_texts(program: bytes) -> Any:
    found = GNUTranslations(BytesIO(program))._catalog  # type: ignore[attr-defined]
    return {id: text for id, text in found.items() if id}


@pytest.mark.parametrize("path", catalogues.FILES, ids=lambda path: path.parent.parent.name)
def test_a_translation_has_the_gaps_of_its_text(path: Path) -> None:
    for message in catalogues.read(path):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = reduce(set.union, (set(GAP.findall(text)) for text in ids))
        assert all(set(GAP.findall(text)) == wanted for text in strings), message.id


# -- a project's own ---------------------------------------------------------------------------


def catalogue_of(directory: Path, tag: str, **texts: str) -> None:
    catalog = Catalog(locale=tag.replace("-", "_"))
    for id, string in texts.items():
        catalog.add(id.replace("_", " "), string)
    path = directory / "locale" / tag.replace("-", "_") / "LC_MESSAGES" / "messages.mo"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, catalog)


PAGE = (
    '<html xmlns:py="http://genshi.edgewall.org/"><p title="Our word">Our text</p>'
    "<b>${_('Our text')}</b><i>${_('Search')}</i></html>"
)


def test_a_project_translates_its_own_templates_and_other_languages(tmp_path: Path) -> None:
    (tmp_path / "list.html").write_text(PAGE)
    catalogue_of(tmp_path, "de", Our_text="Unser Text", Search="Finden", Our_word="Unser Wort")
    catalogue_of(tmp_path, "pt-BR", Our_text="Nosso texto")
    renderer = HTMLRenderer(tmp_path)
    german = '<p title="Unser Wort">Unser Text</p><b>Unser Text</b><i>Finden</i>'
    assert german in render(renderer, "de")
    assert '<p title="Our word">Nosso texto</p>' in render(renderer, "pt-BR,pt")
    assert '<p title="Our word">Our text</p><b>Our text</b><i>Search</i>' in render(renderer, "fr")


def test_a_part_of_a_language_falls_back_to_the_whole(tmp_path: Path) -> None:
    catalogue_of(tmp_path, "de-AT", Search="Suachn")
    language = HTMLRenderer(tmp_path, languages="de-AT")._languages.of(Request.blank("/"))
    assert (language.gettext("Search"), language.gettext("Save")) == ("Suachn", "Speichern")
