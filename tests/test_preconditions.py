"""Entity tags, and the preconditions that name them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import Field, MemoryModel
from wsgikit.model_collection import ModelCollection
from wsgikit.model_collection.preconditions import (
    ANY,
    TagError,
    evaluate,
    make_tag,
    names_tag,
    names_version,
    read_tags,
    version_in,
)

# -- lists of tags ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("*", ANY),
        (" \t* ", ANY),
        ('"a"', ('"a"',)),
        ('W/"a"', ('W/"a"',)),
        ('""', ('""',)),
        ('W/""', ('W/""',)),
        ('"*"', ('"*"',)),
        # RFC 9110 13.1.1, 13.1.2
        ('"xyzzy", "r2d2xxxx", "c3piozzzz"', ('"xyzzy"', '"r2d2xxxx"', '"c3piozzzz"')),
        ('W/"xyzzy", W/"r2d2xxxx"', ('W/"xyzzy"', 'W/"r2d2xxxx"')),
        # White space, or none
        ('"a","b"', ('"a"', '"b"')),
        (' \t"a"\t ,\t "b" \t', ('"a"', '"b"')),
        # RFC 9110 5.6.1.2: empty elements are skipped.
        ('"a",', ('"a"',)),
        (',"a"', ('"a"',)),
        (', ,"a", ,\t,"b",,', ('"a"', '"b"')),
        # What stands within the quotes is opaque.
        ('"a,b", "c"', ('"a,b"', '"c"')),
        (r'"a\", "b"', (r'"a\"', '"b"')),
        ('"W/", "/"', ('"W/"', '"/"')),
        ('"!#$%&\'()*+,-./:;<=>?@[]^_`{|}~"', ('"!#$%&\'()*+,-./:;<=>?@[]^_`{|}~"',)),
        ('"\x80\xff"', ('"\x80\xff"',)),
        ('"a", "a"', ('"a"', '"a"')),
    ],
)
def test_a_list_of_tags_is_read(header: str, tags: tuple[str, ...]) -> None:
    assert read_tags(header) == tags


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        " , ,",
        "a",
        "a, b",
        "'a'",
        '"',
        '"a',
        'a"',
        '"a" "b"',
        '"a"b',
        '"a"; q=1',
        '"a", b',
        '"a", "b',
        '"a" W/"b"',
        '"""',
        '"a b"',
        '"a\tb"',
        '"a\nb"',
        '"a"\n',
        '"a\x00"',
        '"a\x7f"',
        '"\u20ac"',
        'w/"a"',
        "W/a",
        "W/",
        'W "a"',
        'W/ "a"',
        'W/W/"a"',
        "W/*",
        "**",
        "*,",
        '*, "a"',
        '"a", *',
        "* *",
    ],
)
def test_what_is_no_list_of_tags_never_means_any_version(header: str) -> None:
    with pytest.raises(TagError, match=r"must be \* or a list of entity tags"):
        read_tags(header)
    for read in (
        lambda: names_version(header, "a"),
        lambda: names_tag(header, '"a"'),
        lambda: evaluate("GET", '"a"', if_match=header),
        lambda: evaluate("PUT", '"a"', if_none_match=header),
        # Whatever the other says, and whether there is anything
        lambda: evaluate("PUT", '"a"', if_match='"stale"', if_none_match=header),
        lambda: evaluate("PUT", None, if_match='"a"', if_none_match=header),
        lambda: evaluate("PUT", None, if_none_match=header),
    ):
        with pytest.raises(TagError):
            read()


# -- tags of versions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("7", '"7"'),
        ("", '""'),
        ("a-b_c~d", '"a-b_c~d"'),
        ("1.5", '"1%2E5"'),
        ('a"b, c', '"a%22b%2C%20c"'),
        ("a/b%", '"a%2Fb%25"'),
        ("2026-05-01 10:00:00", '"2026-05-01%2010%3A00%3A00"'),
        ("é\n", '"%C3%A9%0A"'),
        ("W/", '"W%2F"'),
        ("*", '"%2A"'),
    ],
)
def test_a_version_is_spelled_in_a_tag(version: str, tag: str) -> None:
    assert make_tag(version) == tag
    assert version_in(tag) == version
    assert version_in(f"W/{tag}") == version


def test_what_depends_on_more_than_the_row_has_a_digest_behind_the_version() -> None:
    one, other = make_tag("1.5", b"<p>one"), make_tag("1.5", b"<p>other")
    assert one.startswith('"1%2E5.')
    assert len(one) == len('"1%2E5."') + 12
    assert one != other
    assert version_in(one) == version_in(other) == "1.5"
    assert make_tag("1.5", b"") not in (make_tag("1.5"), one)


VERSIONS = st.text(st.characters(codec=None))


@given(VERSIONS, VERSIONS, st.none() | st.binary(), st.none() | st.binary())
def test_a_tag_names_its_version_and_no_other(
    version: str, other: str, body: bytes | None, shown: bytes | None
) -> None:
    tag, second = make_tag(version, body), make_tag(other, shown)
    assert tag.isascii()
    assert version_in(tag) == version
    assert read_tags(f"{second},{tag}") == (second, tag)
    assert names_version(tag, other) is (version == other)
    assert names_version(f"{tag}, {second}", other)
    assert names_tag(f"W/{second}", tag) is (tag == second)


@given(st.text(st.sampled_from('*aW/", \t\\\x00\xe9'), max_size=20))
def test_every_header_is_read_or_refused(header: str) -> None:
    try:
        tags = read_tags(header)
    except TagError:
        return
    assert tags
    assert tags == ANY or read_tags(", ".join(tags)) == tags


# -- comparison ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "strong", "weak"),
    [
        # RFC 9110 8.8.3.2
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
        # Opaque is opaque.
        ('"1%2e5"', '"1%2E5"', False, False),
        ('"a"', '"A"', False, False),
        ('"01"', '"1"', False, False),
    ],
)
def test_tags_are_compared(one: str, other: str, strong: bool, weak: bool) -> None:
    assert names_version(one, version_in(other)) is strong
    assert names_version(one, version_in(other), weak=True) is weak
    assert names_tag(one, other) is weak


def test_a_write_concerns_the_version_and_a_cache_the_representation() -> None:
    row, page, older = make_tag("7"), make_tag("7", b"page"), make_tag("7", b"older page")
    for tag in (row, page, older):
        assert names_version(tag, "7")
        assert evaluate("PUT", row, if_match=tag) is None
        assert evaluate("PUT", row, if_none_match=f"W/{tag}") == 412
    assert evaluate("GET", page, if_none_match=page) == 304
    assert evaluate("GET", page, if_none_match=older) is None
    assert evaluate("GET", page, if_none_match=row) is None
    assert evaluate("GET", row, if_none_match=page) is None


@pytest.mark.parametrize(
    ("method", "tag", "headers", "status"),
    [
        # No precondition
        ("GET", '"7"', {}, None),
        ("PUT", None, {}, None),
        # RFC 9110 13.1.1: If-Match
        ("GET", '"7"', {"if_match": '"7"'}, None),
        ("GET", '"7"', {"if_match": '"6"'}, 412),
        ("PUT", '"7"', {"if_match": '"6", "7"'}, None),
        ("DELETE", '"7"', {"if_match": '"6"'}, 412),
        ("PATCH", '"7"', {"if_match": 'W/"7"'}, 412),
        ("PATCH", '"7"', {"if_match": "*"}, None),
        ("PUT", None, {"if_match": "*"}, 412),
        ("PUT", None, {"if_match": '"7"'}, 412),
        # RFC 9110 13.1.2: If-None-Match
        ("GET", '"7"', {"if_none_match": '"7"'}, 304),
        ("HEAD", '"7"', {"if_none_match": 'W/"7"'}, 304),
        ("GET", '"7"', {"if_none_match": '"6"'}, None),
        ("GET", '"7"', {"if_none_match": "*"}, 304),
        ("PUT", '"7"', {"if_none_match": "*"}, 412),
        ("PUT", '"7"', {"if_none_match": '"7"'}, 412),
        ("DELETE", '"7"', {"if_none_match": '"6"'}, None),
        ("PUT", None, {"if_none_match": "*"}, None),
        ("PUT", None, {"if_none_match": '"7"'}, None),
        # RFC 9110 13.2.2: If-Match comes first.
        ("GET", '"7"', {"if_match": '"6"', "if_none_match": '"7"'}, 412),
        ("GET", '"7"', {"if_match": '"7"', "if_none_match": '"7"'}, 304),
        ("GET", '"7"', {"if_match": '"7"', "if_none_match": '"6"'}, None),
        ("PUT", '"7"', {"if_match": '"7"', "if_none_match": "*"}, 412),
        ("PUT", None, {"if_match": "*", "if_none_match": "*"}, 412),
    ],
)
def test_preconditions_are_evaluated_in_their_order(
    method: str, tag: str | None, headers: dict[str, str], status: int | None
) -> None:
    assert evaluate(method, tag, **headers) == status


# -- over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def ask() -> Any:
    fields = [Field("id", "integer", required=False, has_default=True), Field("name")]
    people = MemoryModel(fields, name="people")
    people.create({"name": "Ada"})
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", ModelCollection(people, media=[JSON, HTML()]))

    def ask(method: str, headers: dict[str, str], **arguments: Any) -> Response:
        request = Request.blank("/people/1", method=method, headers=headers, **arguments)
        return request.get_response(app)

    return ask


PAST, FUTURE = "Mon, 01 Jan 1990 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


def test_dates_are_no_preconditions_where_nothing_has_a_date(ask: Any) -> None:
    read = ask("GET", {"If-Modified-Since": FUTURE, "If-Unmodified-Since": PAST})
    assert read.status_int == 200
    assert "Last-Modified" not in read.headers
    body = {"body": b'{"name": "Bob"}', "content_type": "application/json"}
    assert ask("PATCH", {"If-Unmodified-Since": PAST}, **body).status_int == 200
    # RFC 9110 13.1.3: If-None-Match is what counts beside it.
    both = {"If-Modified-Since": FUTURE, "If-None-Match": '"x"'}
    assert ask("GET", both).status_int == 200


def test_a_version_is_named_by_the_tag_of_either_representation(ask: Any) -> None:
    for accept in ("application/json", "text/html"):
        tag = ask("GET", {"Accept": accept}).headers["ETag"]
        assert read_tags(tag) == (tag,)
        assert ask("GET", {"Accept": accept, "If-None-Match": f"W/{tag}"}).status_int == 304
        body = {"body": b'{"name": "Bob"}', "content_type": "application/json"}
        assert ask("PATCH", {"If-Match": f"W/{tag}"}, **body).status_int == 412
        assert ask("PATCH", {"If-Match": tag}, **body).status_int == 200
    assert ask("DELETE", {"If-Match": '"none"'}).status_int == 412
    assert ask("DELETE", {"If-Match": ""}).status_int == 400
