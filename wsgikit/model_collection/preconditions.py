"""Entity tags made of row versions, and the preconditions that name them (RFC 9110 section 13).

Use it alone where a resource of your own has versions::

    from wsgikit.model_collection.preconditions import evaluate, make_tag, names_version

    tag = make_tag("7")
    assert tag == '"7"'
    assert evaluate("PUT", tag, if_match='"6"') == 412
    assert evaluate("GET", tag, if_none_match='W/"7", "5"') == 304
    assert evaluate("PUT", tag, if_match='"7"') is None
    assert names_version('"6", "7"', "7")

The tag of a row is its version, percent-encoded, dots as well: `"7"`.  That of a representation
that depends on more than the row (a page: its template, the label of another row) has a digest of
its bytes behind a dot: `"7.q83vASNFZ4mr"`.  So a cache is told the truth about each of them, and
a client may send either of them in `If-Match`: a write concerns the version, and not the page.

What cannot be read is an error (`TagError`, 400), never "any version" and never "no condition": an
empty list, a tag without quotes, a `*` in a list.

We send no `Last-Modified`, so `If-Modified-Since` and `If-Unmodified-Since` are ignored, as RFC
9110 sections 13.1.3 and 13.1.4 want it of a resource that has no modification date.  There are no
ranges either, and so no `If-Range`.

No environ key is read or written here; the functions take the values of headers.
"""

import base64
import hashlib
import re
from typing import Final
from urllib.parse import quote, unquote

#: What `read_tags()` gives for `*`: no entity tag is spelled like that.
ANY: Final = ("*",)

#: An element of a list of entity tags (RFC 9110 8.8.3); it may be empty (5.6.1.2).
_ELEMENT = re.compile(r'[ \t]*+(?P<tag>(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")?+[ \t]*+(?:,|\Z)')


class TagError(ValueError):
    """A precondition that cannot be read (400)."""


# -- tags ----------------------------------------------------------------------------------------


def make_tag(version: str, body: bytes | None = None) -> str:
    """Give the entity tag of a representation, in its quotes.

    Args:
        version: Of the row.
        body: All of the representation, unless it is a function of the row alone.
    """
    tag = _spell(version)
    if body is not None:
        digest = hashlib.blake2b(body, digest_size=9).digest()
        tag += "." + base64.urlsafe_b64encode(digest).decode("ascii")
    return f'"{tag}"'


def version_in(tag: str) -> str:
    """Give the version that a tag of `make_tag()` was made from, weak or not."""
    return unquote(_version_part(tag), errors="surrogatepass")


def _spell(version: str) -> str:
    """Write a version so that it can stand in an entity tag, with a dot behind it."""
    return quote(version, safe="", errors="surrogatepass").replace(".", "%2E")


def _version_part(tag: str) -> str:
    return _opaque(tag).partition(".")[0]


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")[1:-1]


# -- headers -------------------------------------------------------------------------------------


def read_tags(header: str) -> tuple[str, ...]:
    """Read the value of `If-Match` or `If-None-Match`.

    Returns:
        The entity tags as they are written, such as `"7"` and `W/"7"`, quotes included, and at
        least one; or `ANY` for `*`.

    Raises:
        TagError: If it is neither.
    """
    if header.strip(" \t") == "*":
        return ANY
    tags, position = [], 0
    while position < len(header):
        match = _ELEMENT.match(header, position)
        if match is None:
            raise _unreadable()
        position = match.end()
        if match["tag"]:
            tags.append(match["tag"])
    if not tags:
        raise _unreadable()
    return tuple(tags)


def _unreadable() -> TagError:
    return TagError('A precondition must be * or a list of entity tags such as "abc".')


def names_version(header: str, version: str, *, weak: bool = False) -> bool:
    """Whether a header names this version, in the tag of any representation; `*` does.

    Args:
        header: The value of `If-Match`, or with *weak* of `If-None-Match`.
        version: The current one.
        weak: Whether a weak tag counts (RFC 9110 8.8.3.2).

    Raises:
        TagError: As `read_tags()`.
    """
    tags = read_tags(header)
    # As it is spelled, since a tag is opaque: %2e is not %2E.
    wanted = _spell(version)
    return tags == ANY or any(
        _version_part(tag) == wanted for tag in tags if weak or not tag.startswith("W/")
    )


def names_tag(header: str, tag: str) -> bool:
    """Whether an `If-None-Match` names this very representation; `*` does.

    The comparison is the weak one (RFC 9110 13.1.2).

    Raises:
        TagError: As `read_tags()`.
    """
    tags = read_tags(header)
    return tags == ANY or any(_opaque(given) == _opaque(tag) for given in tags)


def evaluate(
    method: str, tag: str | None, *, if_match: str | None = None, if_none_match: str | None = None
) -> int | None:
    """Evaluate the preconditions of a request, in the order of RFC 9110 section 13.2.2.

    Where the answer would be an error without them, they are not looked at (13.2.1).

    Args:
        method: Of the request.
        tag: The current entity tag of what it asks for; `None` where there is nothing yet.
        if_match: The value of the header, `None` where there is none.
        if_none_match: Likewise.

    Returns:
        412 or 304, to be answered instead; `None` to go on.

    Raises:
        TagError: As `read_tags()`, whatever the other header says.
    """
    for header in (if_match, if_none_match):
        if header is not None:
            read_tags(header)
    if if_match is not None and (tag is None or not names_version(if_match, version_in(tag))):
        return 412
    if if_none_match is None or tag is None:
        return None
    if method in ("GET", "HEAD"):
        return 304 if names_tag(if_none_match, tag) else None
    # What is about to be written is the row, and not one of its representations.
    return 412 if names_version(if_none_match, version_in(tag), weak=True) else None
