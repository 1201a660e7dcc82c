"""The template language: a table for each part of the grammar, and laws for all of it."""

import re
import time
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from uritemplate import URITemplate

from wsgikit.uri import PatternError, Range, URIPattern, known_ranges

LEAP = date(2024, 2, 29)
UUID_TEXT = "0188a5eb-6a5e-7000-8000-00000000002a"


def urlvars(template: str, path: str, **options: Any) -> dict[str, Any] | None:
    match = URIPattern(template, **options).match(path)
    return None if match is None else match.urlvars


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("", "", {}),
        ("", "/", None),
        ("/", "/", {}),
        ("/index/", "/index/", {}),
        ("/index/", "/index", None),
        ("/index/", "/index/x", None),
        ("/index", "/index\n", None),
        ("/a.b(c)*", "/a.b(c)*", {}),
        ("/a.b", "/axb", None),
        ("/caf%C3%A9", "/café", {}),
        ("/café", "/café", {}),
        ("/100%25", "/100%", {}),
        ("/%7Ba%7D%5B%7C%5D%3F%23", "/{a}[|]?#", {}),
        ("/{a}", "/x", {"a": "x"}),
        ("/{a}", "/", None),
        ("/{a}", "/x/", None),
        ("/{a}", "/x\ny", {"a": "x\ny"}),
        ("/{a}", "/日本 %2F", {"a": "日本 %2F"}),
        ("/{a}/{b}", "/x/y", {"a": "x", "b": "y"}),
        ("/{a.b_1}", "/x", {"a.b_1": "x"}),
        ("{a}", "x", {"a": "x"}),
        ("/{a,b}", "/x,y", {"a": "x", "b": "y"}),
        ("/{a,b}", "/x", None),
        ("/{a:3}", "/abc", {"a": "abc"}),
        ("/{a:3}", "/abcd", None),
        ("/{a:int,b:alpha}", "/1,x", {"a": 1, "b": "x"}),
        ("/{a}.{b}", "/x.y.z", {"a": "x.y", "b": "z"}),
        ("/{a}-{b:int}", "/my-post-7", {"a": "my-post", "b": 7}),
        ("/{a:int}-{b:int}", "/1--2", {"a": 1, "b": -2}),
        ("/{a:digits}{b:alpha}", "/12ab", {"a": "12", "b": "ab"}),
        ("/{a}.html", "/a.html.html", {"a": "a.html"}),
        ("/{a:date}{b:date}", "/2024-02-292024-03-01", {"a": LEAP, "b": date(2024, 3, 1)}),
        ("/{a:date}-{b:date}-{c:date}-{d:date}-{e:int}", "/-" + 4 * "2024-02-29-", None),
    ],
)
def test_literals_and_variables_match(
    template: str, path: str, expected: dict[str, Any] | None
) -> None:
    assert urlvars(template, path) == expected


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("word", ["a_1", "größe", "日本"], ["", "a-b", "a b", "a/b"]),
        ("alpha", ["abcXYZ"], ["", "a1", "é"]),
        ("digits", ["0", "007"], ["", "-1", "٣", "1a"]),
        ("alnum", ["a1B2"], ["", "a_1", "é"]),
        ("segment", ["a.b;c", " ", ".."], ["", "a/b"]),
        ("chunk", ["a-b;c"], ["", "a.b", "a/b"]),
        ("unreserved", ["a-b._~9"], ["", "a,b", "é", "a b"]),
        ("key", ["a,b", "~2F", "-1"], ["", "a;b", "a/b", "é"]),
        ("any", ["a/b", "/", "a\nb"], [""]),
        ("number", ["1", "-2.50", ".5", "007"], ["", "1.", "+1", "1e5", "٣", "-"]),
    ],
)
def test_ranges_of_texts(name: str, good: list[str], bad: list[str]) -> None:
    pattern = URIPattern(f"/{{x:{name}}}")
    assert [pattern.match(f"/{text}") for text in bad] == [None] * len(bad)
    for text in good:
        match = pattern.match(f"/{text}")
        assert match is not None
        assert match.urlvars == {"x": text}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "int",
            [("0", 0), ("7", 7), ("-42", -42), ("9" * 4300, int("9" * 4300))],
            ["", "007", "-0", "+1", "1.0", "1_000", "٣", " 1", "9" * 4301],
        ),
        (
            "float",
            [("0", 0.0), ("1.50", 1.5), ("-2e-7", -2e-7), ("1E5", 1e5), ("1e+16", 1e16)],
            ["", "nan", "inf", "1e999", ".5", "1.", "01", "1_0.0", "٣.٣"],
        ),
        (
            "uuid",
            [(UUID_TEXT, UUID(UUID_TEXT))],
            ["", UUID_TEXT.replace("-", ""), UUID_TEXT.upper()],
        ),
        ("date", [("2024-02-29", date(2024, 2, 29))], ["2023-02-29", "20240229", "2024-W01-1"]),
        ("path", [("a/b", "a/b"), ("a//b/", "a//b/"), ("..a", "..a")], ["", "/a", "..", "a/./b"]),
    ],
)
def test_converting_ranges_yield_the_value(
    name: str, good: list[tuple[str, Any]], bad: list[str]
) -> None:
    pattern = URIPattern(f"/{{x:{name}}}")
    assert [pattern.match(f"/{text}") for text in bad] == [None] * len(bad)
    for text, value in good:
        match = pattern.match(f"/{text}")
        assert match is not None
        assert match.urlvars == {"x": value}
        assert type(match.urlvars["x"]) is type(value)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/a[/{b}]", "/a", {}),
        ("/a[/{b}]", "/a/x", {"b": "x"}),
        ("/a[/{b}]", "/a/", None),
        ("/{y}[/{m}[/{d}]]", "/1", {"y": "1"}),
        ("/{y}[/{m}[/{d}]]", "/1/2/3", {"y": "1", "m": "2", "d": "3"}),
        ("/p/[{id:key}][;{noun}]", "/p/", {}),
        ("/p/[{id:key}][;{noun}]", "/p/1", {"id": "1"}),
        ("/p/[{id:key}][;{noun}]", "/p/;new_form", {"noun": "new_form"}),
        ("/p/[{id:key}][;{noun}]", "/p/1;edit", {"id": "1", "noun": "edit"}),
        ("/{name}[.{format}]", "/report", {"name": "report"}),
        ("/{name}[.{format}]", "/report.pdf", {"name": "report", "format": "pdf"}),
        ("/{name:path}[;{noun}]", "/a/b;edit", {"name": "a/b", "noun": "edit"}),
        ("/index[.html]", "/index.html", {}),
        ("/index[.html]", "/index", {}),
        ("/a[/b]/{c}", "/a/b/c", {"c": "c"}),
        ("/a[/b]/{c}", "/a/b", {"c": "b"}),
        ("/a[{b:int}]x", "/ax", {}),
        ("/[[{a:int}]-]x", "/7-x", {"a": 7}),
    ],
)
def test_optional_parts_match(template: str, path: str, expected: dict[str, Any] | None) -> None:
    assert urlvars(template, path) == expected


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/a{/b}", "/a", {}),
        ("/a{/b}", "/a/x", {"b": "x"}),
        ("/a{/b}", "/a/", {"b": ""}),
        ("/a{/b,c}", "/a/x/y", {"b": "x", "c": "y"}),
        ("/a{/b:int}", "/a/7", {"b": 7}),
        ("/a{/b:int}", "/a/x", None),
        ("/a{/b:2}", "/a/xyz", None),
        ("/a{/b*}", "/a/x//y", {"b": ["x", "", "y"]}),
        ("/a{/b*}/end", "/a/x/end", {"b": ["x"]}),
        ("/a{.b}", "/a.x.y", {"b": "x.y"}),
        ("/a{.b,c}", "/a.x.y", {"b": "x", "c": "y"}),
        ("/a{.b*}", "/a.x.y", {"b": ["x", "y"]}),
        ("/a{;b,c}", "/a;b=1;c", {"b": "1", "c": ""}),
        ("/a{;b,c}", "/a;c=2", {"c": "2"}),
        ("/a{;b}", "/a;bc=2", None),
        ("/a{;b:int}", "/a;b=2", {"b": 2}),
        ("/a{;b:2}", "/a;b=xy", {"b": "xy"}),
        ("/a{;b:2}", "/a;b=xyz", None),
        ("/a{;b*}", "/a;b=x;b;b=y", {"b": ["x", "", "y"]}),
        ("/{+a}", "/x/y;z", {"a": "x/y;z"}),
        ("/{+a}/end", "/x/y/end", {"a": "x/y"}),
        ("/{+a,b}", "/x/y,z", {"a": "x/y", "b": "z"}),
        ("/{+a:2}", "/x/", {"a": "x/"}),
        ("/{+a:int}", "/7", {"a": 7}),
        ("/{+a*}", "/x,y/z", {"a": ["x", "y/z"]}),
        ("/{a*}", "/x,y", {"a": ["x", "y"]}),
        ("/a{?q,r}", "/a", {}),
        ("/a{?q}{&r}{#s}", "/a", {}),
        ("/a?fixed=yes{&q}", "/a", {}),
        ("/a?fixed=yes{&q}", "/a?fixed=yes", None),
    ],
)
def test_rfc_6570_operators_match(
    template: str, path: str, expected: dict[str, Any] | None
) -> None:
    assert urlvars(template, path) == expected


@pytest.mark.parametrize(
    ("template", "path", "args", "names"),
    [
        ("/{}/{:int}", "/x/7", ("x", 7), {}),
        ("/{}/{a}/{}", "/x/y/z", ("x", "z"), {"a": "y"}),
        ("/{}[/{}]", "/x", ("x",), {}),
        ("/[{:int}]-{}", "/-x", (None, "x"), {}),
    ],
)
def test_positional_variables_go_to_urlargs(
    template: str, path: str, args: tuple[Any, ...], names: dict[str, Any]
) -> None:
    pattern = URIPattern(template)
    match = pattern.match(path)
    assert match is not None
    assert (match.urlargs, match.urlvars) == (args, names)
    assert pattern.expand(*args, **names) == path


@pytest.mark.parametrize(
    ("template", "path", "end"),
    [
        ("|", "/x", 0),
        ("|", "", 0),
        ("/blog|", "/blog", 5),
        ("/blog|", "/blog/", 5),
        ("/blog|", "/blog/2024/x", 5),
        ("/blog|", "/blogger", None),
        ("/blog/|", "/blog", None),
        ("/blog/|", "/blog/x", 6),
        ("/{a}|", "/x/y", 2),
        ("/{a:alpha}|", "/x1/y", None),
        ("/a[/{b:int}]|", "/a/x", 2),
        ("/a[/{b:int}]|", "/a/7/x", 4),
        ("/é|", "/é/x", 2),
        ("/a{?q}|", "/a/x", 2),
    ],
)
def test_open_ended_templates_leave_whole_segments(
    template: str, path: str, end: int | None
) -> None:
    pattern = URIPattern(template)
    match = pattern.match(path)
    assert (match and match.end) == end
    assert pattern.open_ended


MALFORMED = [
    ("/{a", 1, "never closed"),
    ("/{a{b}}", 1, "never closed"),
    ("/{", 1, "never closed"),
    ("/a}", 2, "closes nothing"),
    ("/[a", 1, "never closed"),
    ("/[a[b]", 1, "never closed"),
    ("/a]", 2, "closes nothing"),
    ("/[]", 1, "empty"),
    ("/a[b[]]", 4, "empty"),
    ("/a|b", 2, "very end"),
    ("/[a|]", 3, "very end"),
    ("/{a:nope}", 4, "unknown range 'nope'"),
    ("/{a:}", 4, "unknown range ''"),
    ("/{a:0}", 4, "unknown range '0'"),
    ("/{a b}", 2, "a name is made of"),
    ("/{a,}", 4, "a name is made of"),
    ("/{,a}", 2, "reserves the operator ,"),
    ("/{a..b}", 2, "a name is made of"),
    ("/{größe}", 2, "a name is made of"),
    ("/{*}", 2, "a name is made of"),
    ("/{+}", 3, "a name is made of"),
    ("/{/:int}", 3, "a name is made of"),
    ("/{a}/{a}", 6, "two variables 'a'"),
    ("/{a}{?a}", 6, "two variables 'a'"),
    ("/{}/{0}", 5, "two variables '0'"),
    ("/{a*x}", 3, "* can only stand at the end"),
    ("/{a*:3}", 3, "* can only stand at the end"),
    ("/{a:int*}", 4, "neither a range nor a length"),
    ("/{a*,b}", 1, "alone"),
    ("/{+a,b*}", 1, "alone"),
    ("/{=a}", 2, "reserves the operator ="),
    ("/{|a}", 2, "reserves the operator |"),
    ("/{a}{b}", 5, "where 'a' ends and 'b' begins"),
    ("/{a}[{b}]", 6, "where 'a' ends and 'b' begins"),
    ("/[{a}][{b}]", 8, "where 'a' ends and 'b' begins"),
    ("/[{a}]{b}", 7, "where 'a' ends and 'b' begins"),
    ("/{a:int}{b:digits}", 9, "where 'a' ends and 'b' begins"),
    ("/{+a}{b}", 6, "where 'a' ends and 'b' begins"),
    ("/{}{}", 4, "where '0' ends and '1' begins"),
    ("/a{/b*,c}", 7, "where 'b' ends and 'c' begins"),
    ("/a{/b*}{/c*}", 9, "where 'b' ends and 'c' begins"),
    ("/{a}-{b}-{c}-{d}-{e}", 14, "too many variables without a clear end"),
    ("/x" + "[/a]" * 12 + "/a", 42, "too many parts that may be absent"),
    ("/a?b=1", 2, "write {?name}"),
    ("/a?b={b}", 2, "write {?name}"),
    ("/[a?b{&c}]", 3, "write {?name}"),
    ("/a#b", 2, "write {#name}"),
    ("/{?a}/b", 5, "can end a template"),
    ("/{?a}{b}", 5, "can end a template"),
    ("/{?a}[b]", 5, "can end a template"),
    ("/{?a}{?b}", 5, "can end a template"),
    ("/{&a}{?b}", 5, "can end a template"),
    ("/{#a}{&b}", 5, "can end a template"),
    ("/[{?a}]", 2, "optional by itself"),
    ("/{?a:int}", 5, "no range here"),
    ("/%zz", 1, "two hexadecimal digits"),
    ("/100%", 4, "two hexadecimal digits"),
    ("/%ff", 0, "UTF-8"),
]


@pytest.mark.parametrize(("template", "position", "reason"), MALFORMED)
def test_malformed_templates_are_refused_and_shown(
    template: str, position: int, reason: str
) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)) as caught:
        URIPattern(template)
    _, shown, caret = str(caught.value).split("\n")
    assert shown == f"  {template}"
    assert caret == f"  {' ' * position}^"


@pytest.mark.parametrize("char", ["\n", "\x00", "\x7f", "\u2028", "\ud800"])
def test_a_template_with_control_characters_is_refused_and_shown_escaped(char: str) -> None:
    with pytest.raises(PatternError, match="percent-encode") as caught:
        URIPattern(f"/é{char}x")
    _, shown, caret = str(caught.value).split("\n")
    assert shown.isascii()
    assert shown[caret.index("^")] == "\\"


def test_a_template_that_is_not_a_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a template is a str, not bytes"):
        URIPattern(b"/")  # type: ignore[arg-type]


# --- ranges of one's own


REAL = r"[+-]?\d\.\d+E[+-]?\d+"
DECIMAL = (r"\d+(?:\.\d+)?", Decimal, str)
PARITY = (r"[a-z]+", {"odd": 1, "even": 2}.__getitem__, {1: "odd", 2: "even"}.__getitem__)


def test_a_range_can_be_a_regular_expression() -> None:
    pattern = URIPattern("/{x:real}/{y:real}", {"real": REAL})
    match = pattern.match("/1.5E+7/-2.0E0")
    assert match is not None
    assert match.urlvars == {"x": "1.5E+7", "y": "-2.0E0"}
    assert pattern.match("/1.5/2.0E0") is None
    assert pattern.expand(**match.urlvars) == "/1.5E%2B7/-2.0E0"


def test_a_range_can_convert() -> None:
    pattern = URIPattern("/{x:decimal}", {"decimal": DECIMAL})
    assert pattern.expand(x=Decimal("2.50")) == "/2.50"
    match = pattern.match("/2.50")
    assert match is not None
    assert match.urlvars == {"x": Decimal("2.50")}


@pytest.mark.parametrize("error", [ValueError, ArithmeticError])
def test_a_converter_may_refuse_a_text(error: type[Exception]) -> None:
    def convert(text: str) -> str:
        raise error(text)

    pattern = URIPattern("/{x:odd}", {"odd": ("[a-z]+", convert, str)})
    assert pattern.match("/abc") is None
    with pytest.raises(PatternError, match=r"'abc' does not fit \{x\}"):
        pattern.expand(x="abc")


def test_an_unexpected_error_of_a_converter_is_not_hidden() -> None:
    pattern = URIPattern("/{x:parity}", {"parity": PARITY})
    assert pattern.expand(x=1) == "/odd"
    with pytest.raises(KeyError):
        pattern.match("/none")


def test_alternatives_in_a_range_stay_together() -> None:
    pattern = URIPattern("/x{a:choice}y", {"choice": "a|ab|abc"})
    assert pattern.match("/xaby") is not None
    assert pattern.match("/xa") is None


def test_a_range_of_ones_own_may_hide_a_built_in_one() -> None:
    assert urlvars("/{x:int}", "/007", ranges={"int": r"\d+"}) == {"x": "007"}


def test_a_range_of_a_single_class_counts_as_what_it_is() -> None:
    """Like a built-in range, it may be followed by what it cannot hold."""
    pattern = URIPattern("/{a:low}{b:digits}[.{c}]", {"low": "[a-z]+"})
    assert pattern.match("/ab12.c") == ({"a": "ab", "b": "12", "c": "c"}, (), 7)


def test_a_range_that_may_hold_a_slash_keeps_it() -> None:
    pattern = URIPattern("/{a:two}.txt", {"two": "[a-z]+/[a-z]+"})
    assert pattern.expand(a="x/y") == "/x/y.txt"
    assert not pattern.bounded


def test_a_range_that_looks_around_may_hold_anything() -> None:
    pattern = URIPattern("/{a:some}.{b}", {"some": "(?!x).+"})
    assert pattern.match("/y.z") == ({"a": "y", "b": "z"}, (), 4)
    assert pattern.match("/x.z") is None


def test_ranges_can_be_prepared_for_many_patterns() -> None:
    known = known_ranges({"real": REAL})
    assert isinstance(known["real"], Range)
    assert URIPattern("/{x:real}", known).ranges == {"x": "real"}


@pytest.mark.parametrize(
    ("ranges", "reason"),
    [
        ({"a-b": "x"}, "cannot be the name of a range"),
        ({"7": "x"}, "cannot be the name of a range"),
        ({"x": "[a"}, "unterminated character set"),
        ({"x": "a)|(?:b"}, "unbalanced"),
        ({"x": "(?i)a"}, "global flags"),
        ({"x": "(a)"}, r"write \(\?:\.\.\.\) for a group"),
        ({"x": r"\(a(?P<n>b)"}, r"write \(\?:\.\.\.\) for a group"),
        ({"x": "a*"}, "accepts the empty text"),
        ({"x": ("a", int)}, r"a regular expression or \(regex, convert, format\)"),
        ({"x": None}, r"a regular expression or \(regex, convert, format\)"),
        ({"x": (1, int, str)}, r"a regular expression or \(regex, convert, format\)"),
    ],
)
def test_unusable_ranges_are_refused(ranges: dict[str, Any], reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        URIPattern("/", ranges)


def test_a_group_in_a_range_is_shown() -> None:
    with pytest.raises(PatternError) as caught:
        URIPattern("/", {"x": r"\(a(?P<n>b)"})
    assert str(caught.value).endswith("\n  " + r"\(a(?P<n>b)" + "\n     ^")


# --- expanding


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("/{a}", {"a": "x y/"[:3]}, "/x%20y"),
        ("/{a}", {"a": "é?#%&;+"}, "/%C3%A9%3F%23%25%26%3B%2B"),
        ("/{a}", {"a": 7, "other": "ignored"}, "/7"),
        ("/{a}", {"a": 1.5}, "/1.5"),
        ("/{a}", {"a": Decimal("1.50")}, "/1.50"),
        ("/{a}", {"a": UUID(UUID_TEXT)}, f"/{UUID_TEXT}"),
        ("/{a}", {"a": date(2024, 2, 29)}, "/2024-02-29"),
        ("/{a:int}", {"a": -7}, "/-7"),
        ("/{a:float}", {"a": 3}, "/3.0"),
        ("/{a:float}", {"a": 1e-7}, "/1e-07"),
        ("/{a:path}", {"a": "x/y z"}, "/x/y%20z"),
        ("/{a:any}", {"a": "x//y"}, "/x//y"),
        ("/{a:any}", {"a": "/host"}, "/%2Fhost"),
        ("/é b%2F[x]", {}, "/%C3%A9%20b/"),
        ("/a[/{b}]", {}, "/a"),
        ("/a[/{b}]", {"b": None}, "/a"),
        ("/a[/{b}]", {"b": "x"}, "/a/x"),
        ("/a[.html]", {}, "/a"),
        ("/a[/{b}[/{c}]]", {"b": 1, "c": 2}, "/a/1/2"),
        ("/a[x[{b}]]", {"b": 1}, "/ax1"),
        ("/a[x[{b}]]", {}, "/a"),
        ("/a[x{/b}]", {"b": 1}, "/ax/1"),
        ("/a[x{/b}]", {}, "/a"),
        ("/a|", {}, "/a"),
        ("/a{/b,c}", {"b": "x", "c": None}, "/a/x"),
        ("/a{/b*}", {"b": "x"}, "/a/x"),
        ("/a{/b*}", {"b": ["x", None, "y/"[:1]]}, "/a/x/y"),
        ("/a{/b*}", {"b": []}, "/a"),
        ("/a{;b*}", {"b": {"x": 1}}, "/a;x=1"),
        ("/{a:3}", {"a": "abcdef"}, "/abc"),
        ("/{a}", {"a": ["x", 1]}, "/x,1"),
        ("/{+a}", {"a": "x/y"}, "/x/y"),
        ("/{0}", {"0": "x"}, "/x"),
        ("/{}", {"0": "x"}, "/x"),
        ("/a{?q,r}", {"q": "x y", "r": 0}, "/a?q=x%20y&r=0"),
        ("/a{?q}{&r}{#s}", {"q": "", "r": None, "s": "top"}, "/a?q=#top"),
        ("/a{?q*}", {"q": {"x": 1, "y": None}}, "/a?x=1"),
        ("/a{?q*}", {"q": [1, 2]}, "/a?q=1&q=2"),
        ("/a?x=é{&q}", {"q": 1}, "/a?x=%C3%A9&q=1"),
        ("/a?x=é{&q}", {}, "/a?x=%C3%A9"),
    ],
)
def test_expand_writes_an_encoded_path(
    template: str, values: dict[str, Any], expected: str
) -> None:
    assert URIPattern(template).expand(**values) == expected


@pytest.mark.parametrize(
    ("template", "values", "position", "reason"),
    [
        ("/{a}", {}, 2, "no value for {a}"),
        ("/{a}", {"a": None}, 2, "no value for {a}"),
        ("/{}", {}, 2, "no value for {}"),
        ("/x{+a}", {}, 4, "no value for {a}"),
        ("/{a*}", {"a": []}, 2, "no value for {a}"),
        ("/{a}", {"a": ""}, 2, "one segment"),
        ("/{a}", {"a": "x/y"}, 2, "one segment"),
        ("/{a}", {"a": True}, 2, "bool is not a text"),
        ("/{a}", {"a": b"x"}, 2, "bytes is not a text"),
        ("/{a}", {"a": object()}, 2, "object is not a text"),
        ("/{a}", {"a": ["x/y"]}, 0, "no match"),
        ("/{a:2}", {"a": ["x"]}, 2, "only a text has a length"),
        ("/{a}", {"a": "\ud800"}, 2, "cannot be encoded"),
        ("/{a}", {"a": "x" * 80 + "/"}, 2, "xxx... does not fit"),
        ("/{a,b}", {"a": "x,y", "b": "z"}, 2, "one segment"),
        ("/{a:int}", {"a": "7"}, 2, "'7' stands for another value"),
        ("/{a:int}", {"a": 7.0}, 2, "outside the range"),
        ("/{a:int}", {"a": True}, 2, "outside the range"),
        ("/{a:int}", {"a": 10**4300}, 2, "does not fit"),
        ("/{a:float}", {"a": float("nan")}, 2, "outside the range"),
        ("/{a:float}", {"a": "x"}, 2, "does not fit"),
        ("/{a:float}", {"a": 2**53 + 1}, 2, "stands for another value"),
        ("/{a:float}", {"a": 10**400}, 2, "does not fit"),
        ("/{a:uuid}", {"a": UUID_TEXT}, 2, "stands for another value"),
        ("/{a:date}", {"a": "2024-02-29"}, 2, "does not fit"),
        ("/{a:path}", {"a": "x/../y"}, 2, "no . or .. segments"),
        ("/{a:path}", {"a": "/x"}, 2, "outside the range"),
        ("/{a:path}", {"a": 7}, 2, "does not fit"),
        ("/{a:alpha}", {"a": "é"}, 2, "outside the range"),
        ("/a[/{b}-{c}]", {"b": 1}, 9, "'b' can only be written together with 'c'"),
        ("/a[/{b}[/{c}]]", {"c": 1}, 5, "'c' can only be written together with 'b'"),
        ("/{a}.{b}", {"a": "x", "b": "y.z"}, 2, "would be read as"),
        ("/{a}[.{b}]", {"a": "x.y"}, 2, "would be read as"),
        ("/a[x]{b:alpha}", {"b": "xy"}, 6, "would be read as"),
        ("/a{/b,c}", {"c": "x"}, 4, "would be read as"),
        ("/a{/b}", {"b": "x/y"}, 0, "no match"),
        ("/{+a}", {"a": "x?y"}, 3, "would be read as"),
        ("/{+a}", {"a": "%41"}, 3, "would be read as"),
        ("/{+a}", {"a": ""}, 0, "no match"),
        ("/{a}.{b}", {"a": "x" * 4096, "b": "y"}, 0, "no match"),
        ("/a[/{b}]|", {"b": "x/y"}, 5, "one segment"),
        ("/a{?q}", {"q": object()}, 6, "does not fit"),
        ("/a{?q}", {"q": "\ud800"}, 6, "does not fit"),
        ("/a{#q}", {"q": "%41 b\r\n"}, 6, "either encoded or not"),
    ],
)
def test_expand_refuses_missing_and_unfit_values(
    template: str, values: dict[str, Any], position: int, reason: str
) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)) as caught:
        URIPattern(template).expand(**values)
    assert str(caught.value).endswith(f"\n  {template}\n  {' ' * position}^")


def test_too_many_positional_values_are_refused() -> None:
    with pytest.raises(PatternError, match="takes 1 positional values, not 2"):
        URIPattern("/{}").expand("x", "y")


def test_a_str_subclass_is_written_as_its_text() -> None:
    class Loud(str):
        def __str__(self) -> str:
            return self.upper()

    assert URIPattern("/{a}").expand(a=Loud("x")) == "/x"


# RFC 6570 1.2 and 3.2: the variables, and the examples that are templates of paths.
RFC_VALUES: dict[str, Any] = {
    "count": ["one", "two", "three"],
    "dom": ["example", "com"],
    "hello": "Hello World!",
    "half": "50%",
    "var": "value",
    "who": "fred",
    "base": "http://example.com/home/",
    "path": "/foo/bar",
    "list": ["red", "green", "blue"],
    "keys": {"comma": ",", "dot": ".", "semi": ";"},
    "v": "6",
    "x": "1024",
    "y": "768",
    "empty": "",
    "empty_keys": {},
    "undef": None,
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{count}", "one,two,three"),
        ("{count*}", "one,two,three"),
        ("{/count}", "/one,two,three"),
        ("{/count*}", "/one/two/three"),
        ("{;count}", ";count=one,two,three"),
        ("{;count*}", ";count=one;count=two;count=three"),
        ("{?count}", "?count=one,two,three"),
        ("{?count*}", "?count=one&count=two&count=three"),
        ("{&count*}", "&count=one&count=two&count=three"),
        ("{var}", "value"),
        ("'{var}'", "'value'"),
        ("{hello}", "Hello%20World%21"),
        ("{half}", "50%25"),
        ("{x,y}", "1024,768"),
        ("{x,hello,y}", "1024,Hello%20World%21,768"),
        ("{var:3}", "val"),
        ("{var:30}", "value"),
        ("{list}", "red,green,blue"),
        ("{list*}", "red,green,blue"),
        ("{keys}", "comma,%2C,dot,.,semi,%3B"),
        ("{keys*}", "comma=%2C,dot=.,semi=%3B"),
        ("{+var}", "value"),
        ("{+hello}", "Hello%20World!"),
        ("{+half}", "50%25"),
        ("{+base}index", "http://example.com/home/index"),
        ("{+path}/here", "/foo/bar/here"),
        ("{+x,hello,y}", "1024,Hello%20World!,768"),
        ("{+path,x}/here", "/foo/bar,1024/here"),
        ("{+path:6}/here", "/foo/b/here"),
        ("{+list}", "red,green,blue"),
        ("{+list*}", "red,green,blue"),
        ("{+keys}", "comma,,,dot,.,semi,;"),
        ("{+keys*}", "comma=,,dot=.,semi=;"),
        ("{#var}", "#value"),
        ("{#hello}", "#Hello%20World!"),
        ("{#path,x}", "#/foo/bar,1024"),
        ("{#keys*}", "#comma=,,dot=.,semi=;"),
        ("{.who}", ".fred"),
        ("{.half}", ".50%25"),
        ("www{.dom*}", "www.example.com"),
        ("X{.var}", "X.value"),
        ("X{.empty}", "X."),
        ("X{.undef}", "X"),
        ("X{.var:3}", "X.val"),
        ("X{.list}", "X.red,green,blue"),
        ("X{.list*}", "X.red.green.blue"),
        ("X{.keys*}", "X.comma=%2C.dot=..semi=%3B"),
        ("X{.empty_keys}", "X"),
        ("X{.empty_keys*}", "X"),
        ("{/who}", "/fred"),
        ("{/half,who}", "/50%25/fred"),
        ("{/var,empty}", "/value/"),
        ("{/var,undef}", "/value"),
        ("{/var,x}/here", "/value/1024/here"),
        ("{/list}", "/red,green,blue"),
        ("{/list*}", "/red/green/blue"),
        ("{/keys}", "/comma,%2C,dot,.,semi,%3B"),
        ("{/keys*}", "/comma=%2C/dot=./semi=%3B"),
        ("{;who}", ";who=fred"),
        ("{;half}", ";half=50%25"),
        ("{;empty}", ";empty"),
        ("{;v,empty,who}", ";v=6;empty;who=fred"),
        ("{;x,y,undef}", ";x=1024;y=768"),
        ("{;hello:5}", ";hello=Hello"),
        ("{;list}", ";list=red,green,blue"),
        ("{;keys}", ";keys=comma,%2C,dot,.,semi,%3B"),
        ("{;keys*}", ";comma=%2C;dot=.;semi=%3B"),
        ("{?x,y,empty}", "?x=1024&y=768&empty="),
        ("{?x,y,undef}", "?x=1024&y=768"),
        ("{?var:3}", "?var=val"),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{&x,y,empty}", "&x=1024&y=768&empty="),
    ],
)
def test_expansion_agrees_with_the_examples_of_rfc_6570(template: str, expected: str) -> None:
    pattern = URIPattern(template)
    assert pattern.expand(**RFC_VALUES) == expected
    assert pattern.published == template


# --- what is known about a pattern


@pytest.mark.parametrize(
    ("template", "published"),
    [
        ("/blog/{year:int}", "/blog/{year}"),
        ("/p/[{id:key}][;{noun}]", "/p/{id}"),
        ("/a[/{b:int}]", "/a{/b}"),
        ("/a[.{f}]", "/a{.f}"),
        ("/a[/{b}[/{c}]]", "/a"),
        ("/a[/{b}/{c}]", "/a"),
        ("/a[/x/{b}]", "/a"),
        ("/a[/{b*}]", "/a"),
        ("/a[/{+b}]", "/a"),
        ("/a[/{b,c}]", "/a"),
        ("/a[{b:3}]", "/a{b:3}"),
        ("/a[{b}x]", "/a"),
        ("/a[[{b}]-]", "/a"),
        ("/a[{/b}]", "/a{/b}"),
        ("/a[.html]", "/a"),
        ("/{}/{:int}", "/{0}/{1}"),
        ("/é |", "/%C3%A9%20"),
        ("/{a:int,b}{;c*}{?q,r}{&s}{#t}", "/{a,b}{;c*}{?q,r}{&s}{#t}"),
        ("/a?b=ü{&c}", "/a?b=%C3%BC{&c}"),
    ],
)
def test_the_published_template_is_plain_rfc_6570(template: str, published: str) -> None:
    assert URIPattern(template).published == published


@pytest.mark.parametrize(
    ("template", "given", "values", "published"),
    [
        ("/p/[{id:key}][;{noun}]{?q}", (), {}, "/p/"),
        ("/p/[{id:key}][;{noun}]", ("id",), {}, "/p/{id}"),
        ("/p/[{id:key}][;{noun}]", (), {"noun": "edit"}, "/p/;edit"),
        ("/p/[{id:key}][;{noun}]", ("id", "noun"), {}, "/p/{id};{noun}"),
        ("/{view:word}/[{id:key}]", ("id",), {"view": "fred"}, "/fred/{id}"),
        ("/blog/{year:int}[/x/{slug}]", (), {}, "/blog/{year}"),
        ("/blog/{year:int}[/x/{slug}]", ("slug",), {}, "/blog/{year}/x/{slug}"),
        ("/é{/a}{;b}", (), {}, "/%C3%A9"),
        ("/é{/a}{;b}", ("b",), {}, "/%C3%A9{;b}"),
        ("/a[/{b}[/{c}]]", ("c",), {"b": "x y"}, "/a/x%20y/{c}"),
    ],
)
def test_a_path_is_published_with_the_parts_that_are_wanted(
    template: str, given: tuple[str, ...], values: dict[str, str], published: str
) -> None:
    assert URIPattern(template).publish(given, **values) == published


def test_no_path_is_published_with_a_value_that_does_not_fit() -> None:
    with pytest.raises(PatternError, match="does not fit"):
        URIPattern("/{view:word}/").publish(view="a/b")


def test_a_pattern_knows_its_variables() -> None:
    pattern = URIPattern("/{a:int}/{}[/{b}[/{c:word}]]{?q,r}")
    assert pattern.variables == ("a", "b", "c", "q", "r")
    assert pattern.positional == 1
    assert pattern.ranges == {"a": "int", "c": "word"}
    assert pattern.template == "/{a:int}/{}[/{b}[/{c:word}]]{?q,r}"
    assert repr(pattern) == "URIPattern('/{a:int}/{}[/{b}[/{c:word}]]{?q,r}')"


@pytest.mark.parametrize(
    ("template", "segments", "bounded"),
    [
        ("", ("",), True),
        ("/", ("", ""), True),
        ("/a/b", ("", "a", "b"), True),
        ("/a/{b}x/c", ("", "a", None, "c"), True),
        ("/p/[{id:key}][;{noun}]", ("", "p", None), True),
        ("/a[/{b}]", ("", "a"), False),
        ("/a[/{b}]/c", ("", "a"), False),
        ("/a[/{b}]c", ("",), False),
        ("/a[x/b]", ("",), False),
        ("/{a}{/b}", ("", None), False),
        ("/a/{b:path}", ("", "a"), False),
        ("/a|", ("", "a"), False),
        ("/a/|", ("", "a"), False),
        ("/{a}|", ("", None), False),
        ("|", (), False),
    ],
)
def test_a_pattern_knows_the_segments_it_fixes(
    template: str, segments: tuple[str | None, ...], bounded: bool
) -> None:
    pattern = URIPattern(template)
    assert (pattern.segments, pattern.bounded) == (segments, bounded)


# --- time


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/{a}.{b}/x", "/" + "." * 4095),
        ("/{a}.{b}/x", "/" + "." * 100_000),
        ("/{a}.{b}.{c}/x", "/" + "." * 511),
        ("/{a}.{b}.{c}.{d}/x", "/" + "." * 159),
        ("/{a}.{b}[.{c}]/x", "/" + "." * 511),
        ("/a[/{b}[/{c}[/{d}]]]/x", "/a" + "/b" * 50_000),
        ("/x" + "[/a]" * 10 + "/b", "/x" + "/a" * 50_000),
        ("/{a}/{b}/{c}/{d}/x", "/" + "a" * 100_000 + "/b/c/d/y"),
        ("/{a:path}/{b:int}", "/" + "1/" * 2000 + "x"),
        ("/{a:any}/{b:any}/{c:any}/!", "/" + "/" * 500),
        ("{/a*}/x", "/a" * 2000),
        ("{;a*}/{b}/x", ";a=1" * 20_000 + "/b/y"),
        ("/{a:number}/{b:float}", "/" + "1" * 100_000 + "/" + "1" * 4000 + "."),
        ("/[{a}.][{b}.]{c}/x", "/" + "." * 500),
        ("/{a:slug}-{b:slug}-{c:slug}/x", "/" + "-" * 511),
    ],
)
def test_hostile_paths_are_answered_soon(template: str, path: str) -> None:
    pattern = URIPattern(template, {"slug": "[a-z-]+"})
    start = time.process_time()
    assert pattern.match(path) is None
    assert time.process_time() - start < 1


# --- laws


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "segment": TEXTS.filter(lambda text: "/" not in text),
    "chunk": TEXTS.filter(lambda text: not {"/", "."} & set(text)),
    "word": st.from_regex(r"\w{1,6}", fullmatch=True),
    "alpha": st.from_regex("[A-Za-z]{1,6}", fullmatch=True),
    "digits": st.from_regex("[0-9]{1,6}", fullmatch=True),
    "alnum": st.from_regex("[A-Za-z0-9]{1,6}", fullmatch=True),
    "unreserved": st.from_regex(r"[A-Za-z0-9._~\-]{1,6}", fullmatch=True),
    "key": st.from_regex(r"[A-Za-z0-9._~,\-]{1,6}", fullmatch=True),
    "number": st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,3})?", fullmatch=True),
    "any": TEXTS,
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "uuid": st.uuids(),
    "date": st.dates(),
    "path": TEXTS.filter(lambda t: t[0] != "/" and not {".", ".."} & set(t.split("/"))),
}
OPERATOR_VALUES = {
    "/": TEXTS.filter(lambda text: "/" not in text) | st.just(""),
    ".": TEXTS.filter(lambda text: "/" not in text) | st.just(""),
    ";": TEXTS.filter(lambda text: not {"/", ";"} & set(text)) | st.just(""),
}
BOUNDED = sorted(VALUES.keys() - {"any", "path"})


class Drawn:
    """A template and values for it, drawn part by part.

    Every variable has a mark of its own before it and a "/" or the end after it, so that there
    is one way to read any path.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.count = 0
        self.args: list[Any] = []
        self.names: dict[str, Any] = {}
        parts = [self.part(depth=0, given=True) for _ in range(draw(st.integers(0, 4)))]
        if draw(st.booleans()):
            parts.append(f"/end/{self.variable(True, ['any', 'path'])}")
        self.template = "".join(parts) + draw(st.sampled_from(["", "|", "{?query}"]))

    def fresh(self) -> str:
        self.count += 1
        return f"m{self.count}_"

    def variable(self, given: bool, ranges: list[str], positional: bool = False) -> str:
        known = self.draw(st.sampled_from([*ranges, ""]))
        value = self.draw(VALUES[known or "segment"])
        shown = f":{known}" if known else ""
        if positional and given:
            self.args.append(value)
            return f"{{{shown}}}"
        name = self.fresh()
        if given:
            self.names[name] = value
        return f"{{{name}{shown}}}"

    def operator(self, given: bool, depth: int) -> str:
        operator = self.draw(st.sampled_from("/.;" if depth == 0 else ".;"))
        name = self.fresh()
        if given and self.draw(st.booleans()):
            self.names[name] = self.draw(OPERATOR_VALUES[operator])
        return f"{{{operator}{name}}}" + ("/-" if operator == "/" else "")

    def part(self, depth: int, given: bool) -> str:
        kinds = ["literal", "variable", "positional", "operator"] + ["optional"] * (depth < 3)
        kind = self.draw(st.sampled_from(kinds))
        mark = f"/{self.fresh()}"
        if kind == "literal":
            return "/" + self.draw(st.sampled_from(["a", "b.c", "é", "a%20b", "x;y=z", "~"]))
        if kind == "operator":
            return mark + self.operator(given, depth)
        if kind != "optional":
            return f"{mark}/{self.variable(given, BOUNDED, kind == 'positional')}"
        given = given and self.draw(st.booleans())
        inner = [f"{mark}/{self.variable(given, BOUNDED)}"]
        inner += [self.part(depth + 1, given) for _ in range(self.draw(st.integers(0, 2)))]
        return f"[{''.join(inner)}]"


CLEAR = st.composite(Drawn)()


@settings(max_examples=400, deadline=None)
@given(CLEAR)
def test_what_expand_writes_is_what_match_reads(drawn: Drawn) -> None:
    pattern = URIPattern(drawn.template)
    url = pattern.expand(*drawn.args, **drawn.names)
    assert re.fullmatch(r"[A-Za-z0-9\-._~/:@!$&'()*+,;=%]*", url)
    match = pattern.match(unquote(url))
    assert match == (drawn.names, tuple(drawn.args), len(unquote(url)))
    for name, value in drawn.names.items():
        assert type(match.urlvars[name]) is type(value)


@settings(max_examples=300, deadline=None)
@given(CLEAR, st.data())
def test_every_expansion_of_the_published_template_matches(
    drawn: Drawn, data: st.DataObject
) -> None:
    pattern = URIPattern(drawn.template)
    values = {**drawn.names, **{str(i): value for i, value in enumerate(drawn.args)}}
    required = {name for name in values if f"{{{name}}}" in pattern.published}
    optional = sorted(values.keys() - required)
    kept = data.draw(st.sets(st.sampled_from(optional))) if optional else set()
    texts = {name: str(value) for name, value in values.items() if name in required | kept}
    url = str(URITemplate(pattern.published).expand(texts))
    assert pattern.match(unquote(url)) is not None


PIECES = [
    *["/", "/", "/", "a", ".", "-", ";", ",", "/b", "%2F", "é", "[", "[", "]", "]"],
    *["{}", "{:int}", "{a}", "{b}", "{c:int}", "{d:chunk}", "{e:path}", "{f:alpha}", "{g:own}"],
    *["{+h}", "{/i}", "{/j*}", "{.k}", "{;l}", "{;m*}", "{n,o}", "{p:2}", "{q*}", "{.r*}"],
    *["[/{s}]", "[.{t}]", "[{u:digits}-]", "{?v}", "{#w}", "|"],
]
LOOSE = st.text("ab1-.,;/", min_size=1, max_size=4)
NAMED = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys("abdefghinoptu", LOOSE),
        **dict.fromkeys("jmqr", st.lists(LOOSE, min_size=1, max_size=3)),
        **dict.fromkeys("kls", LOOSE | st.just("")),
        "c": st.integers(-20, 20),
    },
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), NAMED, st.data())
def test_whatever_a_template_is_expand_never_misleads(
    template: str, names: dict[str, Any], data: st.DataObject
) -> None:
    """A template is refused, or a value is refused, or the value comes back."""
    try:
        pattern = URIPattern(template, {"own": "[ab]+|1"})
        args = [data.draw(LOOSE | st.integers(0, 20)) for _ in range(pattern.positional)]
        url = pattern.expand(*args, **names)
    except PatternError as error:
        event("refused: " + str(error).splitlines()[0][:12])
        return
    path = unquote(re.split(r"[?#]", url)[0])
    wanted = {name: value for name, value in names.items() if name in pattern.variables}
    if "p" in wanted:
        wanted["p"] = wanted["p"][:2]
    match = pattern.match(path)
    assert match is not None
    assert match.urlvars == wanted
    assert tuple(map(str, match.urlargs)) == tuple(map(str, args))
    assert match.end == len(path)


@settings(max_examples=500, deadline=None)
@given(st.text("/{}[]|:*+?&#;.,%aé 0\n", max_size=12))
def test_any_text_is_a_template_or_refused_with_a_place(template: str) -> None:
    try:
        pattern = URIPattern(template)
    except PatternError as error:
        reason, shown, caret = str(error).split("\n")
        assert reason
        assert caret.index("^") <= len(shown)
    else:
        pattern.match("/a")
