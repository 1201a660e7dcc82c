"""Fields, keys, whole rows, and the model in memory."""

import json
import re
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wsgikit.model
from wsgikit.model import (
    DEFAULT,
    ConflictError,
    DeniedError,
    Exact,
    Field,
    LimitError,
    MemoryModel,
    NotFoundError,
    Reference,
    RetryError,
    Row,
    StoreError,
    Text,
    UnavailableError,
    Unfit,
    ValidationError,
    VersionError,
    changed_row,
    clean,
    clean_changes,
    decode_key,
    encode_key,
    immutable,
    make_page,
    new_row,
    read_position,
    replacement,
    to_text,
    version_of,
)
from wsgikit.query import Cursor, Query, QueryError, describe_ordering, encode_cursor


def test_every_public_name_is_there() -> None:
    assert all(hasattr(wsgikit.model, name) for name in wsgikit.model.__all__)
    assert wsgikit.model.__all__ == sorted(set(wsgikit.model.__all__), key=by_case)


def by_case(name: str) -> tuple[bool, bool, str]:
    """Constants, classes, functions."""
    return name[0].islower(), not name.isupper(), name


# -- fields --------------------------------------------------------------------------------

UNICODE = st.text(st.characters(codec="utf-8"))
FIELDS = {
    "text": Field("f", "text"),
    "integer": Field("f", "integer"),
    "float": Field("f", "float", nonfinite=frozenset({"Infinity", "-Infinity"})),
    "decimal": Field("f", "decimal", nonfinite=frozenset({"NaN"})),
    "boolean": Field("f", "boolean"),
    "date": Field("f", "date"),
    "datetime": Field("f", "datetime"),
    "moment": Field("f", "datetime", timezone=True),
    "time": Field("f", "time"),
    "interval": Field("f", "interval"),
    "uuid": Field("f", "uuid"),
    "binary": Field("f", "binary"),
    "enum": Field("f", "enum", choices=("red", "blue")),
    "json": Field("f", "json"),
    "array": Field("f", "array", items=Field("i", "integer")),
    "other": Field("f", "other"),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": UNICODE,
    "integer": st.integers(),
    "float": st.floats(allow_nan=False),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes(),
    "moment": st.datetimes(timezones=st.just(UTC)),
    "time": st.times(),
    "interval": st.timedeltas(),
    "uuid": st.uuids(),
    "binary": st.binary(),
    "enum": st.sampled_from(["red", "blue"]),
    "json": st.recursive(
        st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | UNICODE,
        lambda inner: st.lists(inner) | st.dictionaries(UNICODE, inner),
        max_leaves=5,
    ).filter(lambda value: not isinstance(value, str)),
    "array": st.lists(st.integers()),
    "other": UNICODE.filter(lambda text: not text.lstrip("-").isdigit()) | st.integers(),
}


@pytest.mark.parametrize("name", FIELDS)
@given(st.data())
def test_a_value_comes_back_from_its_text(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    field = FIELDS[name]
    text = to_text(value)
    assert text is not None
    assert field.read(text) == value
    assert field.check(value) == value
    # As browsers send it (HTML, "constructing the entry list").
    assert field.same(value, Text(re.sub("\r\n|\r|\n", "\r\n", text)))


@pytest.mark.parametrize("name", FIELDS)
@given(st.data())
def test_a_value_comes_back_from_what_json_spells(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    spelled = value if isinstance(value, bool | int | float | dict | list) else to_text(value)
    if spelled in (float("inf"), float("-inf")):
        spelled = to_text(value)
    assert FIELDS[name].check(spelled) == value
    assert FIELDS[name].same(value, spelled)


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        (Field("f"), Text("a\r\nb\rc"), "a\nb\nc"),
        (Field("f"), Text(""), None),
        (Field("f"), "", ""),
        (Field("f", "integer"), 7.0, 7),
        (Field("f", "integer"), Text(" +7 "), 7),
        (Field("f", "float"), 7, 7.0),
        (Field("f", "float"), Text("1e3"), 1000.0),
        (Field("f", "float", nonfinite=frozenset({"NaN"})), "NaN", float("nan")),
        (Field("f", "decimal"), 1.1, Decimal("1.1")),
        (Field("f", "decimal"), 7, Decimal(7)),
        (Field("f", "decimal"), Text(" 1.10 "), Decimal("1.10")),
        (Field("f", "decimal", precision=4, scale=2), "12.500", Decimal("12.500")),
        (Field("f", "decimal", nonfinite=frozenset({"NaN"})), "NaN", Decimal("NaN")),
        (Field("f", "decimal", nonfinite=frozenset({"NaN"})), Decimal("NaN"), Decimal("NaN")),
        (Field("f", "boolean"), Text("on"), True),
        (Field("f", "boolean"), Text("No"), False),
        (Field("f", "datetime"), "2026-02-28 12:30", datetime(2026, 2, 28, 12, 30)),
        (Field("f", "datetime", timezone=True), "2026-02-28T12:30Z",
         datetime(2026, 2, 28, 12, 30, tzinfo=UTC)),
        (Field("f", "time"), "12:30", time(12, 30)),
        (Field("f", "interval"), "-PT90M", timedelta(minutes=-90)),
        (Field("f", "interval"), "P1DT2H3M4.5S",
         timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=500)),
        (Field("f", "uuid"), "00000000-0000-0000-0000-00000000000A", UUID(int=10)),
        (Field("f", "binary"), "AAE=", b"\0\1"),
        (Field("f", "json"), Text('{"a": [0.1, 1e5]}'), {"a": [0.1, 1e5]}),
        (Field("f", "json"), Text("[" * 60 + "]" * 60), json.loads("[" * 60 + "]" * 60)),
        (Field("f"), "\0", "\0"),
        (Field("f", "array"), Text("[1]"), [1]),
        (Field("f", "array", items=Field("i", "date")), ["2026-01-01"], [date(2026, 1, 1)]),
        (Field("f", "other"), Text("5"), 5),
        (Field("f", "other"), Text("05"), "05"),
    ],
)  # fmt: skip
def test_other_spellings_are_understood(field: Field, given: Any, stored: Any) -> None:
    value = field.check(given)
    assert type(value) is type(stored)
    assert repr(value) == repr(stored)


@pytest.mark.parametrize(
    ("field", "given", "code"),
    [
        (Field("f", nullable=False), None, "required"),
        (Field("f", nullable=False), Text(""), "required"),
        (Field("f"), 7, "type"),
        (Field("f", length=2), "abc", "length"),
        (Field("f", "integer"), "7", "type"),
        (Field("f", "integer"), True, "type"),
        (Field("f", "integer"), 7.5, "type"),
        (Field("f", "integer"), 1e300, "type"),
        (Field("f", "integer"), Text("7.5"), "type"),
        (Field("f", "integer"), Text("9" * 5000), "type"),
        (Field("f", "integer", maximum=5), 6, "range"),
        (Field("f", "integer", minimum=5), 4, "range"),
        (Field("f", "float"), "1", "type"),
        (Field("f", "float"), True, "type"),
        (Field("f", "float"), 10**400, "range"),
        (Field("f", "float"), float("inf"), "range"),
        (Field("f", "float"), Text("x"), "type"),
        (Field("f", "decimal"), "x", "type"),
        (Field("f", "decimal"), True, "type"),
        (Field("f", "decimal"), Decimal("Infinity"), "range"),
        (Field("f", "decimal"), float("nan"), "range"),
        (Field("f", "decimal"), float("-inf"), "range"),
        (Field("f"), 10**4000, "type"),
        (Field("f", "decimal"), "9" * 5000, "type"),
        (Field("f", "decimal"), "1e99999", "range"),
        (Field("f", "decimal", precision=4, scale=2), "1.234", "range"),
        (Field("f", "decimal", precision=4, scale=2), "123", "range"),
        (Field("f", "decimal", precision=4), "12345", "range"),
        (Field("f", "decimal", digits=4), "1.2345", "range"),
        (Field("f", "decimal", digits=4), "1e400", "range"),  # as a float, infinity
        (Field("f", "decimal", digits=4), "1e-400", "range"),
        (Field("f", "decimal", minimum=0), "-1", "range"),
        (Field("f", "boolean"), 1, "type"),
        (Field("f", "boolean"), Text("maybe"), "type"),
        (Field("f", "date"), "2026-02-30", "range"),
        (Field("f", "date"), "20260228", "type"),
        (Field("f", "date"), datetime(2026, 1, 1), "type"),
        (Field("f", "datetime"), "2026-02-28", "type"),
        (Field("f", "datetime"), "2026-02-28T25:00:00", "range"),
        (Field("f", "datetime"), "2026-02-28T12:00:00.1234567", "type"),
        (Field("f", "datetime"), "2026-02-28T12:00:00Z", "type"),
        (Field("f", "datetime", timezone=True), "2026-02-28T12:00:00", "type"),
        (Field("f", "time"), "noon", "type"),
        (Field("f", "interval"), "P1Y", "type"),
        (Field("f", "interval"), "P", "type"),
        (Field("f", "interval"), "P999999999DT999999999H", "range"),
        (Field("f", "uuid"), "x", "type"),
        (Field("f", "uuid"), "x" * 36, "type"),
        (Field("f", "binary"), "é", "type"),
        (Field("f", "binary"), "AAE", "type"),
        (Field("f", "binary"), 7, "type"),
        (Field("f", "binary", length=1), b"ab", "length"),
        (Field("f", "enum", choices=("a",)), "b", "choice"),
        (Field("f", "enum", choices=("a",)), 7, "type"),
        (Field("f", "json"), Text("{"), "type"),
        (Field("f", "json"), Text("NaN"), "type"),
        (Field("f", "json"), Text("1e999"), "type"),
        (Field("f", "json"), Text("0e9999999999999999999999"), "type"),
        (Field("f", "json"), Text("12345678901234567890.123"), "type"),
        (Field("f", "json"), Text('{"a": 1, "a": 2}'), "type"),
        (Field("f", "json"), Text(r'"\ud800"'), "type"),
        (Field("f", "json"), Text("[" * 61 + "]" * 61), "type"),
        (Field("f", "json"), Text("[" * 100_000), "type"),
        (Field("f", "json"), float("nan"), "type"),
        (Field("f", "json"), [b"bytes"], "type"),
        (Field("f"), "\ud800", "type"),
        (Field("f", nul=False), "\0", "type"),
        (Field("f", "float"), Text("1e999"), "range"),
        (Field("f", "float"), Text("9" * 5000), "type"),
        (Field("f", "array"), {"a": 1}, "type"),
        (Field("f", "array"), [1], "type"),
        (Field("f", "array", items=Field("i", "integer")), ["x" * 100], "type"),
        (Field("f", "other"), [1], "type"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_code(field: Field, given: Any, code: str) -> None:
    if field.kind == "array" and given == [1]:
        given = 1
    with pytest.raises(Unfit) as caught:
        field.check(given)
    assert caught.value.code == code
    assert caught.value.detail == str(caught.value)


@pytest.mark.parametrize(
    ("stored", "given", "same"),
    [
        (None, Text(""), True),
        ("", Text(""), True),
        ("a\nb", Text("a\r\nb"), True),
        (None, None, True),
        (None, "", False),
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        (1, "1", True),  # what a cell that does not fit its column looks like is no reason
        ("1", 1, False),
        (float("nan"), "NaN", True),
        (b"\0", "AA==", True),
        (Decimal("1.10"), "1.10", True),
        (Decimal("1.10"), "1.1", False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, True),
        ([1], "[1]", False),
        ("abc", {"a": 1}, False),
    ],
)
def test_what_was_shown_is_recognised(stored: Any, given: Any, same: bool) -> None:
    assert Field("f", "other").same(stored, given) is same


def test_a_field_says_its_name_to_people() -> None:
    assert Field("office_number").label == "Office number"
    assert Field("_").label == "_"
    assert Field("x", label="Ex").label == "Ex"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'colour' is not one of text, integer"):
        Field("x", "colour")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (timedelta(), "PT0S"),
        (timedelta(days=-1), "-P1D"),
        (timedelta(hours=1, microseconds=5), "PT1H0.000005S"),
        (float("-inf"), "-Infinity"),
        (Decimal("Infinity"), "Infinity"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"é": [b"\0"]}, '{"é": ["AA=="]}'),
    ],
)
def test_values_are_written(value: Any, text: str | None) -> None:
    assert to_text(value) == text


# -- whole rows ----------------------------------------------------------------------------

PEOPLE = (
    Field("id", "integer", required=False, has_default=True, nullable=False),
    Field("name", nullable=False, required=True, length=10),
    Field("age", "integer"),
    Field("seen", "datetime", writable=False),
    Field("tag", has_default=True, default="new", nullable=False),
)


def errors_of(caught: pytest.ExceptionInfo[Any]) -> dict[str, str]:
    return {error.field: error.code for error in caught.value.errors}


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        clean(PEOPLE, {"age": "x", "seen": "2026-01-01T00:00:00", "zip": 1, "tag": None})
    assert errors_of(caught) == {
        "zip": "unknown",
        "name": "required",
        "age": "type",
        "seen": "read_only",
        "tag": "required",
    }
    assert "age: Must be a whole number" in str(caught.value)


def test_a_new_row_keeps_what_was_given() -> None:
    assert clean(PEOPLE, {"name": "Ada", "age": None}) == {"name": "Ada", "age": None}


def test_an_empty_input_of_a_new_row_means_the_default() -> None:
    assert clean(PEOPLE, {"name": Text("Ada"), "tag": Text(""), "age": Text("")}) == {
        "name": "Ada",
        "age": None,
    }


def test_a_change_is_only_what_differs() -> None:
    row = {"id": 1, "name": "Ada", "age": "unknown", "seen": None, "tag": "x"}
    assert clean(PEOPLE, dict(row), current=row) == {}
    assert clean(PEOPLE, {"name": "Bob", "age": "unknown"}, current=row) == {"name": "Bob"}
    assert clean(PEOPLE, {"tag": DEFAULT}, current=row) == {"tag": DEFAULT}
    assert repr(DEFAULT) == "DEFAULT"


def test_another_spelling_of_the_stored_value_is_no_change() -> None:
    row = {"id": 1, "name": "Ada", "age": 7, "seen": None, "tag": "x"}
    assert clean(PEOPLE, {"age": Text("+7")}, current=row) == {}


def test_a_replacement_completes_what_is_missing() -> None:
    assert replacement(PEOPLE[1:], {"name": "Ada"}) == {
        "name": "Ada",
        "age": None,
        "tag": DEFAULT,
    }


def test_a_replacement_tells_of_missing_and_wrong_values_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        replacement(PEOPLE[1:], {"age": "x"})
    assert errors_of(caught) == {"name": "required", "age": "type"}
    with pytest.raises(ValidationError) as caught:
        replacement(PEOPLE[1:], {"age": 7})
    assert errors_of(caught) == {"name": "required"}


def test_changes_of_many_rows_are_checked_without_any_of_them() -> None:
    fields = [immutable(PEOPLE[0]), *PEOPLE[1:]]
    changes = {"age": Text("+7"), "tag": DEFAULT, "name": "Ada"}
    assert clean_changes(fields, changes) == {"age": 7, "tag": DEFAULT, "name": "Ada"}
    assert clean_changes(fields, {}) == {}
    with pytest.raises(ValidationError) as caught:
        clean_changes(fields, {"id": 1, "name": None, "age": "x", "nosuch": 1})
    assert errors_of(caught) == {
        "id": "read_only", "name": "required", "age": "type", "nosuch": "unknown",
    }  # fmt: skip


def test_a_new_row_is_completed_with_what_is_constant() -> None:
    row = new_row(PEOPLE, {"name": "Ada", "tag": DEFAULT})
    assert row == {"id": None, "name": "Ada", "age": None, "seen": None, "tag": "new"}
    assert [*row] == [field.name for field in PEOPLE]
    with pytest.raises(ValidationError) as caught:
        new_row([Field("a", nullable=False), Field("b"), Field("c", nullable=False)], {"c": "x"})
    assert errors_of(caught) == {"a": "required"}


def test_a_changed_row_keeps_what_is_not_changed() -> None:
    row = new_row(PEOPLE, {"name": "Ada", "tag": "x"})
    changed = changed_row(PEOPLE, row, {"age": 7, "tag": DEFAULT})
    assert changed == {**row, "age": 7, "tag": "new"}
    assert row["tag"] == "x"


def test_rows_share_nothing_with_the_values_that_they_were_made_of() -> None:
    field = Field("data", "json", default=[0])
    given: Row = {"data": [1]}
    for row in (new_row([field], given), changed_row([field], {"data": []}, given),
                new_row([field], {})):  # fmt: skip
        row["data"].append(2)
    assert (given, field.default) == ({"data": [1]}, [0])


rows = st.dictionaries(UNICODE, st.one_of(st.none(), *VALUES.values()), max_size=3)


@given(rows, rows)
def test_versions_differ_exactly_when_rows_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = repr(list(one.items())) == repr(list(other.items()))
    assert (version_of(one) == version_of(other)) is same
    assert version_of(one) == version_of(dict(one))
    assert len(version_of(one)) == 22


def test_a_number_and_its_text_are_different_versions() -> None:
    assert version_of({"a": 1}) != version_of({"a": "1"})
    assert version_of({"a": "\ud800"}) != version_of({"a": "x"})


@pytest.mark.parametrize(
    ("field", "value", "holds"),
    [
        (Field("f", "integer"), 7, True),
        (Field("f", "integer"), "7", False),
        (Field("f", "integer", maximum=5), 7, False),
        (Field("f", length=1), "long", True),
        (Field("f", nullable=True), None, False),
        (Field("f", "float"), float("nan"), True),
        (Field("f", "float"), float("inf"), True),
        (Field("f", "decimal"), Decimal("NaN"), True),
        (Field("f", "decimal"), "NaN", False),
    ],
)
def test_a_field_knows_its_values(field: Field, value: Any, holds: bool) -> None:
    assert field.holds(value) is holds


def test_a_text_of_a_file_is_taken_as_it_is() -> None:
    text = Field("f", nullable=False)
    assert text.check(Exact("a\r\nb")) == "a\r\nb"
    assert text.check(Exact("")) == ""
    assert type(text.check(Exact("a"))) is str
    assert Field("f", "integer").check(Exact("7")) == 7
    assert text.same("a\r\nb", Exact("a\r\nb"))
    assert not text.same("a\nb", Exact("a\r\nb"))
    assert not text.same(None, Exact(""))
    assert Field("f", "integer").same(7, Exact("7"))


def test_a_store_that_is_away_says_when_to_try_again() -> None:
    assert UnavailableError("Away.").retry_after == 5
    assert RetryError("Busy.", 1).retry_after == 1
    assert str(LimitError(7)) == "This would change more than 7 rows; nothing was changed."


# -- keys ----------------------------------------------------------------------------------

TEXT = Field("t")
NUMBER = Field("n", "integer")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ((7,), "7"),
        ((-7,), "-7"),
        (("a b/c~é",), "a~20b~2Fc~7E~C3~A9"),
        (("a", 1), "a,1"),
        ((",", 1), "~2C,1"),
        (("", 1), ",1"),
        (("",), "~"),
        ((".",), "~2E"),
        (("..",), "~2E~2E"),
        (("...",), "..."),
        ((UUID(int=1),), "00000000-0000-0000-0000-000000000001"),
        ((None,), None),
        (("\ud800",), None),
    ],
)
def test_keys_are_spelled(key: tuple[Any, ...], text: str | None) -> None:
    assert encode_key(key) == text


@given(UNICODE, st.integers())
def test_a_composite_key_comes_back(text: str, number: int) -> None:
    id = encode_key((text, number))
    assert id is not None
    assert decode_key(id, [TEXT, NUMBER]) == (text, number)


@given(UNICODE)
def test_a_text_key_comes_back_and_is_safe_in_a_url(text: str) -> None:
    id = encode_key((text,))
    assert id not in ("", ".", "..", None)
    assert id is not None
    assert decode_key(id, [TEXT]) == (text,)
    assert all(c.isascii() and (c.isalnum() or c in "-._~") for c in id)


@given(st.text(alphabet="aA0~2Ef.,-é%", max_size=6))
def test_a_row_has_exactly_one_url(text: str) -> None:
    try:
        key = decode_key(text, [TEXT])
    except NotFoundError:
        return
    assert encode_key(key) == text


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", [TEXT]),
        (".", [TEXT]),
        ("~41", [TEXT]),
        ("~2f", [TEXT]),
        ("~2", [TEXT]),
        ("~FF", [TEXT]),
        ("a b", [TEXT]),
        ("é", [TEXT]),
        ("a,b", [TEXT]),
        ("a", [TEXT, TEXT]),
        ("007", [NUMBER]),
        ("+7", [NUMBER]),
        ("7.0", [NUMBER]),
        ("x", [NUMBER]),
        ("9" * 5000, [NUMBER]),
    ],
)
def test_what_names_no_row_is_not_found(text: str, fields: list[Field]) -> None:
    with pytest.raises(NotFoundError):
        decode_key(text, fields)


# -- the model in memory ---------------------------------------------------------------------


@pytest.fixture
def people() -> MemoryModel:
    return MemoryModel(PEOPLE, name="people", page_size=2, max_page_size=3)


def test_rows_are_created_changed_and_removed(people: MemoryModel) -> None:
    ada = people.create({"name": "Ada"})
    assert ada == {"id": 1, "name": "Ada", "age": None, "seen": None, "tag": "new"}
    assert people.retrieve(1) == people.retrieve((1,)) == ada
    changed = people.update(1, {"age": 36, "tag": "old"}, version_of(ada))
    assert changed == {**ada, "age": 36, "tag": "old"}
    assert people.update(1, {"tag": DEFAULT})["tag"] == "new"
    people.delete(1)
    with pytest.raises(NotFoundError):
        people.retrieve(1)
    with pytest.raises(NotFoundError):
        people.delete(1)


def test_a_given_key_is_kept_and_counting_goes_on_after_it(people: MemoryModel) -> None:
    assert people.create({"id": 10, "name": "Ada"})["id"] == 10
    assert people.create({"name": "Bob"})["id"] == 11
    with pytest.raises(ConflictError) as caught:
        people.create({"id": 10, "name": "Eve"})
    assert errors_of(caught) == {"id": "unique"}
    with pytest.raises(ValidationError) as refused:
        people.update(10, {"id": 12})
    assert errors_of(refused) == {"id": "read_only"}


def test_a_stale_version_is_refused_with_the_row_as_it_is(people: MemoryModel) -> None:
    ada = people.create({"name": "Ada"})
    people.update(1, {"age": 36})
    for write in (lambda: people.update(1, {"age": 37}, version_of(ada)),
                  lambda: people.delete(1, version_of(ada))):  # fmt: skip
        with pytest.raises(VersionError) as caught:
            write()
        assert caught.value.row["age"] == 36


def test_text_and_composite_keys() -> None:
    model = MemoryModel([Field("a"), Field("b", "integer")], key=("a", "b"))
    model.create({"a": "x", "b": 1})
    assert model.retrieve(("x", 1)) == {"a": "x", "b": 1}
    assert MemoryModel([Field("a")], key="a").key == ("a",)


def walk(model: MemoryModel, limit: int | None) -> list[list[int]]:
    pages, query = [], Query(limit=limit)
    while True:
        page = model.list(query)
        pages.append([row["id"] for row in page.data])
        if page.next is None:
            return pages
        query = Query(limit=limit, cursor=page.next)


def test_pages_go_forwards_and_backwards(people: MemoryModel) -> None:
    for name in "abcdefg":
        people.create({"name": name})
    assert walk(people, None) == [[1, 2], [3, 4], [5, 6], [7]]
    assert walk(people, 100) == [[1, 2, 3], [4, 5, 6], [7]]
    third = people.list(Query(cursor=people.list(Query(cursor=people.list(Query()).next)).next))
    assert [row["id"] for row in third.data] == [5, 6]
    second = people.list(Query(cursor=third.prev))
    assert [row["id"] for row in second.data] == [3, 4]
    first = people.list(Query(cursor=second.prev))
    assert [row["id"] for row in first.data] == [1, 2]
    assert first.prev is None
    assert first.next is not None
    assert [row["id"] for row in people.stream(Query())] == [1, 2, 3, 4, 5, 6, 7]


def test_a_page_beyond_the_end_is_empty(people: MemoryModel) -> None:
    for name in "abc":
        people.create({"name": name})
    cursor = people.list(Query()).next
    people.delete(3)
    page = people.list(Query(cursor=cursor))
    assert (page.data, page.next, page.prev) == ((), None, None)


def test_a_cursor_of_another_model_is_refused(people: MemoryModel) -> None:
    for name in "abc":
        people.create({"name": name})
    cursor = people.list(Query()).next
    other = MemoryModel(PEOPLE, name="others")
    with pytest.raises(QueryError):
        other.list(Query(cursor=cursor))


def test_keys_of_every_kind_travel_in_cursors() -> None:
    model = MemoryModel([Field("d", "date")], key="d", page_size=1)
    days = [date(2026, 1, day) for day in (1, 2, 3)]
    for day in days:
        model.create({"d": day})
    first = model.list(Query())
    second = model.list(Query(cursor=first.next))
    assert [row["d"] for row in second.data] == [days[1]]


moments = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63),
    UNICODE,
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.times(),
    st.times(timezones=st.just(UTC)),
    st.timedeltas(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.floats(allow_nan=False),
)


@given(moments)
def test_a_position_keeps_the_types_of_its_values(value: Any) -> None:
    rows = [{"k": value}, {"k": value}]
    cursor = make_page(rows, 1, None, "o", ["k"]).next
    position = read_position(cursor, "o", 1)
    assert position is not None
    assert position.position == (value,)
    assert type(position.position[0]) is type(value)


def test_a_value_of_another_type_travels_as_its_text() -> None:
    cursor = make_page([{"k": {"a": 1}}] * 2, 1, None, "o", ["k"]).next
    assert read_position(cursor, "o", 1) == Cursor(("{'a': 1}",))


@pytest.mark.parametrize("part", [["date", "x"], ["x", "y"], 2**64, 1e999])
def test_a_position_that_is_no_key_is_refused(part: Any) -> None:
    with pytest.raises(QueryError):
        read_position(encode_cursor(Cursor((part,)), "o"), "o", 1)


@pytest.mark.parametrize("part", ["a", None])
def test_a_position_of_another_type_is_refused(people: MemoryModel, part: Any) -> None:
    people.create({"name": "a"})
    ordering = describe_ordering("people", ["id"])
    with pytest.raises(QueryError):
        people.list(Query(cursor=encode_cursor(Cursor((part,)), ordering)))


def test_a_key_is_never_null() -> None:
    model = MemoryModel([Field("a"), Field("b")], key=("a", "b"))
    with pytest.raises(ValidationError) as caught:
        model.create({"b": "x"})
    assert errors_of(caught) == {"a": "required"}


def test_a_key_is_of_one_type(people: MemoryModel) -> None:
    people.create({"name": "a"})
    for key in (True, 1.0):
        with pytest.raises(NotFoundError):
            people.retrieve(key)


def test_rows_are_copies() -> None:
    model = MemoryModel([Field("id", "integer"), Field("data", "json")])
    given_data = {"a": [1]}
    model.create({"data": given_data})["data"]["a"].append(2)
    given_data["a"].append(3)
    model.retrieve(1)["data"]["a"].append(4)
    assert model.retrieve(1)["data"] == {"a": [1]}


def test_options_name_fields() -> None:
    options: list[dict[str, Any]] = [{"label": "x"}, {"search": ["name", "x"]},
                                     {"references": {"x": None}}]  # fmt: skip
    for option in options:
        with pytest.raises(ValueError, match=r"people has no field 'x'; it has \['age', 'id'"):
            MemoryModel(PEOPLE, name="people", **option)


def test_the_first_text_is_the_label_and_all_texts_are_searched() -> None:
    model = MemoryModel(
        [Field("code"), Field("size", "integer"), Field("a"), Field("b")], key="code"
    )
    assert model.label == "a"
    assert model.search == ("code", "a", "b")
    country = Field("country", references=Reference("countries", "code"))
    assert MemoryModel([Field("id", "integer"), country, Field("city")]).label == "city"
    model = MemoryModel(PEOPLE, label="id", search=())
    assert (model.label, model.search) == ("id", ())
    assert MemoryModel([Field("id", "integer")]).label is None


def test_references_can_be_added_later(people: MemoryModel) -> None:
    people.references["age"] = people
    assert people.follow("age") is people
    assert people.follow("name") is None


def test_what_came_out_goes_back_in_with_what_cannot_be_set() -> None:
    fields = [Field("id", "integer"), Field("n", "integer"), Field("sum", writable=False)]
    model = MemoryModel(fields)
    model._rows[(1,)] = {"id": 1, "n": 1, "sum": "one"}
    exported = [*model.stream(Query())]
    written = model.create_many(exported, on_duplicate="merge", returning=True)
    assert (written.count, written.rows) == (0, (exported[0],))
    with pytest.raises(ValidationError) as caught:
        model.create_many([{"id": 1, "sum": "two"}, {"id": 2, "sum": "two"}], on_duplicate="merge")
    assert [(e.row, e.field, e.code) for e in caught.value.errors] == [
        (0, "sum", "read_only"), (1, "sum", "read_only"),
    ]  # fmt: skip


def test_wrong_values_come_before_conflicts(people: MemoryModel) -> None:
    people.create({"id": 1, "name": "Ada"})
    rows: list[Row] = [{"id": 1, "name": "Eve"}, {"id": 2}]
    with pytest.raises(ValidationError) as caught:
        people.create_many(rows)
    assert [(e.row, e.code) for e in caught.value.errors] == [(0, "unique"), (1, "required")]


def test_a_stream_is_of_the_rows_at_one_moment(people: MemoryModel) -> None:
    people.create_many({"name": name} for name in "abc")
    rows = people.stream(Query())
    people.update(1, {"name": "x"})
    people.delete(2)
    people.create({"name": "d"})
    assert [row["name"] for row in rows] == ["a", "b", "c"]


def test_nobody_sees_half_of_a_transaction(people: MemoryModel) -> None:
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.append(len(people.list(Query()).data)))
    with people.transaction() as store:
        store.create({"name": "a"})
        reader.start()
        store.create({"name": "b"})
    reader.join()
    assert seen == [2]


def test_transactions_of_several_models_do_not_wait_for_each_other_forever() -> None:
    one, two = MemoryModel(PEOPLE), MemoryModel(PEOPLE)

    def work(first: MemoryModel, second: MemoryModel) -> None:
        for _ in range(50):
            with first.transaction() as store:
                store.create({"name": "x"})
                store.bind(second).create({"name": "x"})

    threads = [threading.Thread(target=work, args=models) for models in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [len([*model.stream(Query())]) for model in (one, two)] == [100, 100]


def test_what_is_bound_ends_with_its_transaction(people: MemoryModel) -> None:
    with people.transaction() as store:
        bound = store.bind(people)
    for verb in (lambda: bound.create({"name": "a"}), lambda: store.list(Query()),
                 lambda: store.transaction().__enter__()):  # fmt: skip
        with pytest.raises(StoreError, match="This transaction is over"):
            verb()


def test_a_transaction_that_only_reads_stays_so_inside(people: MemoryModel) -> None:
    with people.transaction(read_only=True) as store, store.transaction() as inner:
        with pytest.raises(DeniedError, match="only reads"):
            inner.create({"name": "a"})
        with pytest.raises(DeniedError, match="only reads"):
            inner.bind(MemoryModel(PEOPLE)).create({"name": "a"})


def test_numbers_of_rows_that_were_undone_are_not_given_again(people: MemoryModel) -> None:
    with people.transaction(rollback=True) as store:
        assert store.create({"name": "a"})["id"] == 1
    assert people.create({"name": "b"})["id"] == 2


def test_a_key_must_be_a_field() -> None:
    with pytest.raises(ValueError, match="is not among the fields"):
        MemoryModel([Field("name")])
    with pytest.raises(ValueError, match="is not among the fields"):
        MemoryModel([Field("name")], key=())


def test_threads_do_not_lose_each_others_rows(people: MemoryModel) -> None:
    def work() -> None:
        for _ in range(50):
            people.create({"name": "x"})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(people.stream(Query()))) == 400
