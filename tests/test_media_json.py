"""wsgikit.media.json: what is written, what is read, and that both encoders agree."""

import json
import math
import runpy
import subprocess
import sys
import tracemalloc
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any
from uuid import UUID
from wsgiref.validate import validator

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.sql.elements import quoted_name
from webob import Request, Response
from webob.dec import wsgify
from webob.exc import HTTPRequestEntityTooLarge

import wsgikit.media.json
from wsgikit.media import ParseError, Rows, accepted, parse_body, respond
from wsgikit.media.json import JSON, JSONParser, JSONRenderer, decode, encode, encode_lines

with_json = wsgikit.media.json._writer(None)
with_msgspec = wsgikit.media.json._writer(msgspec)

both = pytest.mark.parametrize("write", [with_json, with_msgspec], ids=["json", "msgspec"])


class Colour(Enum):
    RED = "red"
    NOTHING = float("nan")


class Size(IntEnum):
    SMALL = 1


class Mood(str, Enum):  # noqa: UP042 -- the kind that str() does not write as text
    GOOD = "good"


class Text(str):
    __slots__ = ()


class Money(float):
    pass


@dataclass
class Page:
    data: Any
    next: str | None = None
    prev: str | None = None
    count: Any = None


@dataclass
class CountedPage(Page):
    count_exact: bool | None = None


@dataclass
class Point:
    x: int


Pair = namedtuple("Pair", "a b")


@wsgify
def echo(request: Request) -> Response:
    return respond(parse_body(request, JSON), request, JSON)


def send(body: bytes, **environ: str) -> Response:
    request = Request.blank("/", method="POST", content_type="application/json", body=body)
    request.environ.update(environ)
    response = request.get_response(validator(echo))
    assert response.body is not None  # WebOb closes what it has read
    return response


# -- writing ---------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (-5, "-5"),
        (2**64, "18446744073709551616"),
        (-(10**30), "-1" + "0" * 30),
        (Size.SMALL, "1"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (5e-324, "5e-324"),
        (math.nan, '"NaN"'),
        (math.inf, '"Infinity"'),
        ([1, {"a": (-math.inf, "b", None)}], '[1,{"a":["-Infinity","b",null]}]'),
        ([math.nan, date(2026, 5, 1)], '["NaN","2026-05-01"]'),
        (Money(2.5), "2.5"),
        (Money("nan"), '"NaN"'),
        ("Zo\xeb \U0001f600 \u2028", '"Zo\xeb \U0001f600 \u2028"'),
        ('"\\/\b\f\n\r\t\0\x1f\x7f', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"'),
        ("\ud800", '"\\ud800"'),
        ({"\udfff": 1}, '{"\\udfff":1}'),
        (Text("a"), '"a"'),
        (Mood.GOOD, '"good"'),
        (Colour.RED, '"red"'),
        ([Colour.NOTHING], '["NaN"]'),
        (quoted_name("a", None), '"a"'),
        ({quoted_name("a", None): 1}, '{"a":1}'),
        ({1: 2, None: 3, False: 4, 1.5: 5}, '{"1":2,"null":3,"false":4,"1.5":5}'),
        (Decimal("1.10"), '"1.10"'),
        (Decimal("1E+2"), '"1E+2"'),
        (Decimal("NaN"), '"NaN"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"\xff\xfe+", '"//4r"'),
        (bytearray(b"a"), '"YQ=="'),
        (memoryview(b"a"), '"YQ=="'),
        (date(1, 2, 3), '"0001-02-03"'),
        (datetime(2026, 5, 1, 12), '"2026-05-01T12:00:00"'),
        (datetime(2026, 5, 1, 12, 0, 0, 10), '"2026-05-01T12:00:00.000010"'),
        (datetime(2026, 5, 1, tzinfo=UTC), '"2026-05-01T00:00:00+00:00"'),
        (time(1, 2, 3), '"01:02:03"'),
        (time(1, 2, tzinfo=timezone(timedelta(hours=2))), '"01:02:00+02:00"'),
        ((1, "a"), '[1,"a"]'),
        (Pair(1, 2), "[1,2]"),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (UserDict(a=UserDict(b=1)), '{"a":{"b":1}}'),
        (Page([{"id": 1}]), '{"data":[{"id":1}],"next":null,"prev":null}'),
        (Page([], "/n", "/p", 3), '{"data":[],"next":"/n","prev":"/p","count":3}'),
        (
            CountedPage([], count=3, count_exact=False),
            '{"data":[],"next":null,"prev":null,"count":3,"count_exact":false}',
        ),
        (CountedPage([], count_exact=True), '{"data":[],"next":null,"prev":null}'),
        (Page([math.nan], count=0), '{"data":["NaN"],"next":null,"prev":null,"count":0}'),
    ],
)
def test_each_type_has_one_form(write: Callable[[Any], bytes], value: Any, expected: str) -> None:
    assert write(value) == expected.encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (timedelta(), "PT0S"),
        (timedelta(days=1), "P1D"),
        (timedelta(days=400, hours=2), "P400DT2H"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(seconds=-1), "-PT1S"),
        (timedelta(days=-1, hours=-2, minutes=-3, seconds=-4.5), "-P1DT2H3M4.5S"),
        (timedelta(microseconds=1), "PT0.000001S"),
        (timedelta(microseconds=-100), "-PT0.0001S"),
        (timedelta.max, "P999999999DT23H59M59.999999S"),
        (timedelta.min, "-P999999999D"),
    ],
)
def test_a_timedelta_is_an_iso_8601_duration(value: timedelta, expected: str) -> None:
    assert encode({"a": value}) == f'{{"a":"{expected}"}}'.encode()


@both
@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        frozenset(),
        iter([1]),
        object(),
        1j,
        Point(1),
        [{"a": [Point(1)]}],
        {(1, 2): 3},
        {b"a": 1},
        {date(2026, 1, 1): 1},
        {"a": {UUID(int=1): 2}},
    ],
)
def test_what_has_no_json_form_is_a_type_error(write: Callable[[Any], bytes], value: Any) -> None:
    with pytest.raises(TypeError):
        write(value)


def test_a_value_that_is_rendered_stays_as_it_was() -> None:
    value = {"data": [{"a": math.nan, "b": [math.inf]}]}
    encode(value)
    assert math.isnan(value["data"][0]["a"])  # type: ignore[arg-type]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    st.floats(min_value=-1e17, max_value=1e17),
    st.floats(min_value=-1e-3, max_value=1e-3),
    st.text(),
    st.text(st.characters()),  # with lone surrogates
    st.text().map(Text),
    st.text().map(lambda text: quoted_name(text, None)),
    st.floats().map(Money),
    st.sampled_from([*Size, *Mood, *Colour]),
    st.decimals(),
    st.uuids(),
    st.binary(),
    st.binary().map(bytearray),
    st.binary().map(memoryview),
    st.dates(),
    st.times(),
    st.times(timezones=st.timezones()),
    st.datetimes(),
    st.datetimes(timezones=st.timezones() | st.just(UTC)),
    st.timedeltas(),
)
keys = st.one_of(st.text(), st.text(st.characters()), st.text().map(Text), st.sampled_from(Mood))
odd_keys = st.one_of(keys, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(children),
        st.lists(children).map(tuple),
        st.tuples(children, children).map(lambda pair: Pair(*pair)),
        st.dictionaries(keys, children),
        st.dictionaries(odd_keys, children),
        st.dictionaries(keys, children).map(OrderedDict),
        st.dictionaries(keys, children).map(UserDict),
        st.builds(Page, st.lists(children), st.none() | st.text(), st.none() | st.text(), children),
    )


@given(st.recursive(scalars, containers, max_leaves=30))
@example([[[[[[[[[1e16]]]]]]]]])
@example([{"good": 1}, {Mood.GOOD: 2}])
@example([{"good": 1}, {Text("good"): 2}])
@example([{"1": 1}, {1: 2}])
def test_msgspec_writes_what_the_standard_library_writes(value: Any) -> None:
    try:
        expected = with_json(value)
    except ValueError:  # an infinite float as a key
        with pytest.raises(ValueError, match="not JSON compliant"):
            with_msgspec(value)
    else:
        assert with_msgspec(value) == expected


rows = st.lists(
    st.fixed_dictionaries({"id": st.integers(), "name": st.text(), "score": st.floats(0.001, 1e9)}),
    max_size=5,
)


@given(rows)
def test_rows_of_ordinary_values_are_left_to_msgspec(rows: list[dict[str, Any]]) -> None:
    page = {"data": rows, "next": None, "prev": None}
    assert wsgikit.media.json._alike(page)
    assert with_msgspec(page) == with_json(page)
    assert json.loads(with_msgspec(page)) == page


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_what_is_written_is_read_as_the_same_value(value: Any) -> None:
    assert decode(encode(value)) == value


lines_with_json = wsgikit.media.json._writer(None, lines=True)
lines_with_msgspec = wsgikit.media.json._writer(msgspec, lines=True)


@given(st.lists(st.recursive(scalars, containers, max_leaves=5), max_size=5) | rows)
@example([])
@example(["\ud800", 1])
def test_lines_are_what_each_value_alone_is(values: list[Any]) -> None:
    try:
        expected = b"".join(with_json(value) + b"\n" for value in values)
    except ValueError:  # an infinite float as a key
        return
    assert lines_with_json(values) == lines_with_msgspec(values) == expected
    assert encode_lines(values) == expected


def test_without_msgspec_the_standard_library_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    module = runpy.run_path(wsgikit.media.json.__file__)
    assert module["msgspec"] is None
    assert module["encode"]([1e16]) == b"[1e+16]"


def test_a_renderer_can_be_given_an_encoder() -> None:
    request = Request.blank("/")
    assert JSONRenderer()([1e16], request) == b"[1e+16]"
    assert JSONRenderer(_encode=with_json)([1e16], request) == b"[1e+16]"


# -- streaming -------------------------------------------------------------------------------


def stream(value: Any, renderer: JSONRenderer | None = None) -> list[bytes]:
    chunks = (renderer or JSONRenderer())(value, Request.blank("/"))
    assert isinstance(chunks, Iterator)
    return [*chunks]


@both
@given(
    rows=st.lists(st.dictionaries(st.text(), scalars, max_size=3) | scalars, max_size=3)
    | st.integers(95, 205).map(lambda count: [{"id": 1}] * count),
    before=st.dictionaries(st.text().filter("data".__ne__), st.text() | st.just({"data": []})),
    after=st.dictionaries(st.text().filter("data".__ne__), st.text() | st.just({"data": []})),
)
@example(rows=[], before={}, after={})
@example(rows=[1], before={"{": "}"}, after={"{": "]}"})
def test_a_stream_is_byte_for_byte_the_whole(
    write: Callable[[Any], bytes], rows: list[Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    renderer = JSONRenderer(_encode=write)
    whole = renderer({**before, "data": rows, **after}, Request.blank("/"))
    assert b"".join(stream({**before, "data": iter(rows), **after}, renderer)) == whole
    assert b"".join(stream(Page(iter(rows), count=3), renderer)) == write(Page(rows, count=3))


def test_a_stream_goes_out_in_chunks_and_closes_its_rows() -> None:
    rows = Rows(({"id": number, "name": "x" * 100} for number in range(5000)), texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    chunks = stream({"data": rows, "next": None, "prev": None})
    assert closed == [True]
    assert all(2**16 <= len(chunk) < 2**17 for chunk in chunks[:-1])
    assert len(json.loads(b"".join(chunks))["data"]) == 5000


def test_a_row_without_a_json_form_ends_the_stream_and_closes_its_rows() -> None:
    rows = Rows([{"a": object()}], texts=False)
    closed = []
    rows.close = lambda: closed.append(True)  # type: ignore[method-assign]
    with pytest.raises(TypeError, match="object has no text or JSON form"):
        respond({"data": rows}, Request.blank("/"), JSON)
    assert closed == [True]


def test_a_million_bytes_of_rows_are_never_held_at_once() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        return ({"id": number, "name": "x" * 100} for number in range(50_000))

    chunks = iter(respond({"data": rows()}, Request.blank("/"), JSON).app_iter)
    tracemalloc.start()
    try:
        assert sum(len(chunk) for chunk in chunks) > 5_000_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


# -- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 2.5, true, null, "b"]}', {"a": [1, 2.5, True, None, "b"]}),
        (b" \t\r\n7 ", 7),
        (b'"\xc3\xab"', "\xeb"),
        (b'"\\u00eb\\ud83d\\ude00\\n"', "\xeb\U0001f600\n"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\u0000"', "\0"),
        (b"-0", 0),
        (b"-0.0e-400", -0.0),
        (b"1" * 4300, int("1" * 4300)),
        (b"-" + b"1" * 4300, -int("1" * 4300)),
        (b"[" * 64 + b"]" * 64, None),
        (b"[" + b"[]," * 100 + b"0]", None),
        (b'["' + b"[" * 100 + b'"]', ["[" * 100]),
        (b'["\\"' + b"[" * 100 + b'\\\\"]', ['"' + "[" * 100 + "\\"]),
    ],
)
def test_json_is_read(body: bytes, value: Any) -> None:
    expected = json.loads(body) if value is None else value
    assert decode(body) == expected


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty"),
        (b"   ", "line 1, column 4: Expecting value"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,}', "Not JSON at line 1, column"),
        (b'{\n "a": x}', "line 2, column 7: Expecting value"),
        (b"[1] [2]", "line 1, column 5: Extra data"),
        (b"01", "line 1, column 2: Extra data"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'"a\nb"', "line 1, column 3: Invalid control character"),
        (b'"a', "line 1, column 1: Unterminated string"),
        (b"// a\n1", "line 1, column 1"),
        (b"\xef\xbb\xbf1", "BOM"),
        (b'"\xff"', "not UTF-8 at byte 2"),
        ('"a"'.encode("utf-16"), "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8 at byte 2"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"1e400", "1e400 is too large"),
        (b"1e-400", "1e-400 is too small"),
        (b"-1" + b"0" * 400 + b".5", "is too large"),
        (b'{"a": 1, "b": 2, "a": 1}', "'a' stands more than once"),
        (b'[{"a": {"b": 1, "\\u0062": 2}}]', "'b' stands more than once"),
        (b'"\\ud800"', "Half a surrogate pair at line 1, column 2"),
        (b'["a",\n "\\\\\\ude00"]', "line 2, column 5"),
        (b'{"\\uD83D\\uD83D\\uDE00": 1}', "line 1, column 3"),
        (b'"\\ud83d\\\\ude00"', "line 1, column 2"),
        (b"1" * 4301, "more than 4300 digits"),
        (b"[0." + b"1" * 4300 + b"]", "more than 4300 digits"),
        (b"[" * 65 + b"]" * 65, "More than 64 levels deep at line 1, column 65"),
        (b"[" * 100_000, "More than 64 levels deep"),
        (b'{"a":' * 100_000, "More than 64 levels deep"),
        (b'[["",' * 33, "More than 64 levels deep at line 1, column 161"),
        (b"\0", "line 1, column 1"),
    ],
)
def test_json_with_no_or_several_readings_is_400(body: bytes, sentence: str) -> None:
    response = send(body)
    assert response.status_int == 400
    with pytest.raises(ParseError) as caught:
        decode(body)
    assert sentence in str(caught.value)


def test_the_body_is_limited() -> None:
    assert send(b" " * 2**20).status_int == 400
    assert send(b" " * 2**20 + b"1").status_int == 413
    assert send(b"[1]", CONTENT_LENGTH="9999999").status_int == 413
    assert send(b"[1]", CONTENT_LENGTH="4").status_int == 400


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json-patch+json"])
def test_patches_are_read_for_patch_alone(kind: str) -> None:
    assert send(b"[]", CONTENT_TYPE=kind, REQUEST_METHOD="PATCH").json == []
    response = send(b"[]", CONTENT_TYPE=kind)
    assert response.status_int == 415
    assert response.headers["Accept-Post"] == "application/json"


def test_another_type_is_415_that_names_those_of_the_method() -> None:
    response = send(b"{}", CONTENT_TYPE="text/json", REQUEST_METHOD="PATCH")
    assert response.headers["Accept-Patch"] == (
        "application/json, application/merge-patch+json, application/json-patch+json"
    )
    assert accepted(JSON, "QUERY") == ("application/json",)


def test_the_limits_are_arguments() -> None:
    parser = JSONParser(limit=6, max_depth=2, max_digits=3)

    def parse(body: bytes) -> Any:
        return parser(Request.blank("/", method="POST", body=body))

    assert parse(b"[[12]]") == [[12]]
    with pytest.raises(ParseError, match="More than 2 levels"):
        parse(b"[[[]]]")
    with pytest.raises(ParseError, match="more than 3 digits"):
        parse(b"1234")
    with pytest.raises(HTTPRequestEntityTooLarge):
        parse(b"1234567")


def test_the_limits_of_the_interpreter_are_no_errors_of_ours() -> None:
    with pytest.raises(ParseError, match="too many digits"):
        decode(b"1" * 5000, max_digits=10_000)
    with pytest.raises(ParseError, match="too many levels"):
        decode(b"[" * 100_000, max_depth=1_000_000)
    with pytest.raises(ParseError, match="too many digits"):
        decode(b'{"a": 0e9999999999999999999999}')


def test_a_name_that_is_there_twice_among_many_is_soon_found() -> None:
    """A body of 1 MiB has room for this many names; comparing each with each takes minutes."""
    names = ",".join(f'"{number}":1' for number in range(90_000))
    with pytest.raises(ParseError, match="'89999' stands more than once"):
        decode(f'{{{names},"89999":2}}'.encode())


@given(st.binary() | st.text(st.characters(codec="utf-8")).map(str.encode))
def test_any_body_gets_an_answer(body: bytes) -> None:
    assert send(body).status_int in (200, 400)


symbols = rb'[ ] { } : , " \ \u u d800 \udc00 1 - e 9 . null NaN "a"'.split()
pieces = st.sampled_from([*symbols, b" ", b"\n", b"\xc3", b"\xa9"])


@given(st.lists(pieces, max_size=200).map(b"".join))
def test_anything_near_json_gets_an_answer(body: bytes) -> None:
    assert send(body).status_int in (200, 400)


def test_importing_it_loads_neither_sqlalchemy_nor_genshi() -> None:
    code = "import sys, wsgikit.media.json; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    for module in ("sqlalchemy", "genshi", "multipart", "wsgikit.media.forms"):
        assert f"'{module}'" not in run.stdout


@pytest.mark.parametrize("text", ["123456789012345678.55", "0.1000000000000000000001"])
def test_a_number_that_a_float_would_change_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="has too many digits; send it as text"):
        decode(f'{{"a": {text}}}'.encode())


@pytest.mark.parametrize("text", ["0.1", "1.10", "1e22", "0.30000000000000004", "5e-324"])
def test_a_number_that_a_float_keeps_is_taken(text: str) -> None:
    assert decode(text.encode()) == float(text)
