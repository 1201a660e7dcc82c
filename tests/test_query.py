"""The query string, and the cursors of pages."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgikit.query import (
    MAX_LIMIT,
    Cursor,
    Query,
    QueryError,
    decode_cursor,
    describe_ordering,
    encode_cursor,
    parse_query,
)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("limit=20", Query(limit=20)),
        ("limit=007", Query(limit=7)),
        ("limit=", Query()),
        ("limit=" + "9" * 5000, Query(limit=MAX_LIMIT)),
        ("cursor=abc", Query(cursor="abc")),
        ("cursor=&limit=5", Query(limit=5)),
        ("format=json", Query()),
        ("sort=&q=", Query()),
    ],
)
def test_query_strings_are_read(text: str, query: Query) -> None:
    assert parse_query(text) == query


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A3", "limit"),  # an Arabic digit is a digit, but not of ours
        ("limit=1&limit=2", "limit"),
        ("nosuch=1", "nosuch"),
        ("=1", "(empty)"),
        ("sort=name", "sort"),
        ("limit=%zz", ""),
        ("limit=%ff", ""),
        ("&".join(f"a{n}=1" for n in range(1001)), ""),
    ],
)
def test_what_cannot_be_answered_names_the_parameter(text: str, parameter: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert caught.value.parameter == parameter
    assert caught.value.detail in str(caught.value)


def test_a_limit_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not -5"):
        Query(limit=-5)


parts = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8")),
    st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2),
)


@given(st.lists(parts, min_size=1, max_size=3), st.booleans())
def test_a_cursor_comes_back_as_it_was(position: list[object], backward: bool) -> None:
    cursor = Cursor(tuple(position), backward)  # type: ignore[arg-type]
    text = encode_cursor(cursor, "people by id")
    assert decode_cursor(text, "people by id", len(position)) == cursor
    assert text.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_ordering_is_refused() -> None:
    text = encode_cursor(Cursor((1,)), describe_ordering("people", ["id"]))
    with pytest.raises(QueryError, match="another filter or order"):
        decode_cursor(text, describe_ordering("people", ["name"]), 1)


def cursor_of(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "!!!!",
        "a" * 70_000,
        base64.urlsafe_b64encode(b"[" * 10_000).decode().rstrip("="),
        base64.urlsafe_b64encode(b"\xff\xff\xff").decode(),
        cursor_of(7),
        cursor_of([0, [1]]),
        cursor_of([2, [1], "96a9b1a7"]),
        cursor_of([0, [1], "wrong"]),
        encode_cursor(Cursor((1, 2)), "o"),
        encode_cursor(Cursor((["a"],)), "o"),
        encode_cursor(Cursor(({"a": 1},)), "o"),  # type: ignore[arg-type]
        cursor_of([0, ["\ud800"], format(0, "08x")]),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        decode_cursor(text, "o", 1)
    assert caught.value.parameter == "cursor"


@pytest.mark.parametrize("data", ["text", {"a": 1}, ["\ud800"], "\ud800"])
def test_a_forged_position_is_refused(data: object) -> None:
    mark = json.loads(base64.urlsafe_b64decode(encode_cursor(Cursor((1,)), "o") + "=="))[2]
    for position in (data, [data], [[data]]):
        if position == ["text"]:
            continue
        with pytest.raises(QueryError):
            decode_cursor(cursor_of([0, position, mark]), "o", 1)
    with pytest.raises(QueryError):
        decode_cursor(cursor_of([5, [1], mark]), "o", 1)
