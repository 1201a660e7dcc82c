"""Files as spreadsheets save them."""

import codecs
from collections.abc import Iterator
from typing import Any

import pytest

from wsgikit.media import ParseError
from wsgikit.model import Exact, Field
from wsgikit.model_collection.spreadsheets import (
    fitted,
    has_decimal_comma,
    in_utf8,
    mistakes,
    separator_of,
    without_empty_end,
)

FIELDS = [
    Field("id", "integer"),
    Field("name", label="Full name", required=True),
    Field("height", "float"),
    Field("price", "decimal"),
    Field("day", "date"),
    Field("seen", "datetime"),
    Field("note", "text"),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_is_utf_8_or_says_what_it_is(encoding: str) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    assert in_utf8(mark + "name\nZoë".encode(encoding)).decode() == "name\nZoë"


@pytest.mark.parametrize("data", ["a\nZoë".encode("latin-1"), b"\xff\xfea\0\0\xd8", b"\xff\xfea"])
def test_what_cannot_be_told_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError, match=r"^Line [12]: This is not UTF-8\. "):
        in_utf8(data)


@pytest.mark.parametrize(
    ("head", "separator"),
    [
        ("id,name", ","),
        ("id;name", ";"),
        ("\ufeffID;Full name;x,y,z", ";"),
        ("id\tname", "\t"),
        ("id | name", "|"),
        ("name", ","),
        ("", ","),
        ("what;else;is", ";"),
        ("what else", ","),
        ('"id;name",name,x', ","),
    ],
)
def test_the_separator_is_that_which_finds_columns(head: str, separator: str) -> None:
    assert separator_of(f"{head}\n1,2;3\n".encode(), FIELDS) == separator


def test_a_name_with_a_separator_is_one_name() -> None:
    assert separator_of(b'"a,b"\n1\n', [Field("a,b")]) == ","


def test_empty_lines_at_the_end_are_rows_of_one_column_only() -> None:
    assert without_empty_end(b"a,b\r\n1,2\r\n\r\n\n", ",") == b"a,b\r\n1,2"
    assert without_empty_end(b"a\n1\n\n", ",") == b"a\n1\n\n"


def fit(*, local: bool = True, **row: str | None) -> dict[str, Any]:
    texts = {name: None if text is None else Exact(text) for name, text in row.items()}
    [found] = fitted([texts], FIELDS, dates=local, comma=local)
    assert all(value is None or type(value) is Exact for value in found.values())
    return dict(found)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("height", "1,5", "1.5"),
        ("height", "-1.234.567,50", "-1234567.50"),
        ("price", "0,10", "0.10"),
        ("price", "1.234", "1234"),
        ("price", "38.7", "38.7"),
        ("height", " 1,5 ", "1.5"),
        ("id", "1.500", "1500"),
        ("price", "12.34,5", "12.34,5"),
        ("price", "1,234,567", "1,234,567"),
        ("height", None, None),
        ("height", "", ""),
        ("id", "1,5", "1.5"),
        ("note", "1,5", "1,5"),
        ("day", "1.5.2026", "2026-05-01"),
        ("day", "2026-05-01", "2026-05-01"),
        ("day", "05/01/2026", "05/01/2026"),
        ("day", None, None),
        ("seen", "01.05.2026 9:30", "2026-05-01T09:30"),
        ("seen", "01.05.2026 09:30:15", "2026-05-01T09:30:15"),
        ("seen", "01.05.2026", "2026-05-01"),
    ],
)
def test_values_are_read_as_where_the_decimal_sign_is_a_comma(
    name: str, text: str | None, value: str | None
) -> None:
    assert fit(**{name: text}) == {name: value}
    assert fit(local=False, **{name: text}) == {name: text}


@pytest.mark.parametrize(
    ("texts", "comma"),
    [
        (["1", "2,5", "x"], True),
        ([None, "1.234,5"], True),
        ([" 1,5 "], True),
        (["1.234", "38.704", "", "1,2,3"], False),
        ([], False),
    ],
)
def test_one_decimal_comma_tells_for_the_whole_file(texts: list[Any], comma: bool) -> None:
    assert has_decimal_comma([{"Height": text} for text in texts], FIELDS) is comma
    assert has_decimal_comma([{"note": text} for text in texts], FIELDS) is False


def test_what_cannot_be_read_tells_nothing() -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield {"height": "1.5"}
        raise ParseError("Line 3: Not CSV.")

    assert has_decimal_comma(rows(), FIELDS) is False


def test_columns_are_known_by_their_labels_too() -> None:
    assert fit(**{"FULL NAME": "Ada", " Height": "1"}) == {"name": "Ada", "height": "1"}
    # Not if two are meant.
    assert fit(**{"Full name": "Ada", "name": "x"}) == {"Full name": "Ada", "name": "x"}
    assert fit(**{"Full name": "Ada", "NAME": "x"}) == {"Full name": "Ada", "NAME": "x"}
    assert [*fitted([], FIELDS)] == []


def test_a_column_that_two_fields_are_called_is_neither() -> None:
    fields = [Field("a", label="Name"), Field("b", label="Name")]
    [row] = fitted([{"name": "x"}], fields)
    assert row == {"name": "x"}


def test_what_is_wrong_with_columns_is_said_once() -> None:
    def codes(*names: str, all_new: bool = True) -> list[tuple[str, str]]:
        return [(e.field, e.code) for e in mistakes(names, FIELDS, all_new=all_new)]

    assert codes("id", "name") == []
    assert codes("id", "x") == [("x", "unknown"), ("name", "required")]
    assert codes("id", all_new=False) == []
