"""`MediaType`: a name, a renderer and a parser; and what parsers give."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from webob import Request

#: Bytes that are read, and sent, at once.
CHUNK = 2**16

#: RFC 9110, 5.6.2.
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"

Renderer: TypeAlias = Callable[[Any, Request], bytes | Iterable[bytes]]
Parser: TypeAlias = Callable[[Request], Any]
Headers: TypeAlias = Iterable[tuple[str, str]] | Mapping[str, str]


class ParseError(ValueError):
    """A body cannot be read; the message is a sentence for whoever sent it."""


@dataclass(frozen=True)
class MediaType:
    """A name, a renderer and a parser.

    Attributes:
        name: As in `Content-Type`, such as `text/html`.
        renderer: `renderer(value, request)` returns bytes or an iterable of bytes. May have
            `assets`, a mapping of names to `Asset`, which `asset()` serves; and a method
            `headers(value, request)`, which gives header lines of the representation, such as
            a `Content-Type` with parameters.
        parser: `parser(request)` returns a value or raises `ParseError`. May have
            `content_types`, the names that it reads; without them it reads `name`. May have
            `methods`, which maps such a name to the HTTP methods whose bodies of that type it
            reads; a name that is not in it is read for every method.
    """

    name: str
    renderer: Renderer | None = None
    parser: Parser | None = None

    @property
    def format(self) -> str:
        """The short name for `?format=`: `html`, `ndjson` for `application/x-ndjson`."""
        subtype = self.name.partition(";")[0].strip().lower().partition("/")[2]
        return subtype.partition("+")[0].removeprefix("x-")

    @property
    def content_types(self) -> tuple[str, ...]:
        """What the parser reads, in lower case; empty without a parser."""
        if self.parser is None:
            return ()
        names = getattr(self.parser, "content_types", (self.name,))
        return tuple(name.lower() for name in names)

    def reads(self, method: str) -> tuple[str, ...]:
        """Return those of `content_types` that are read in a request of this method."""
        methods: Mapping[str, Iterable[str]] = getattr(self.parser, "methods", {})
        return tuple(name for name in self.content_types if method in methods.get(name, (method,)))


Media: TypeAlias = MediaType | Iterable[MediaType]


@dataclass(frozen=True)
class Upload:
    """A file that came with a form.

    Attributes:
        filename: What the client calls it, without directories; never a path to write to.
        content_type: What the client says it is; nobody has checked.
        data: All of its bytes.
    """

    filename: str
    content_type: str
    data: bytes


class Form(dict[str, str | Upload | list[str | Upload]]):
    """The fields of a form by name: texts that still need converting, and uploads.

    A name that was sent more than once has a list, in the order sent.
    """


class Rows(Iterator[dict[str, Any]]):
    """What a parser gives for a body of many rows: dicts, read from the body one by one.

    What is wrong further down the body is raised when it is reached: `ParseError`, or an HTTP
    error for a body that ends early or is too long. So nothing is to be kept of the rows before
    the last one came.

    Attributes:
        texts: Whether each value is text as it was written, or None, and is still to be read by
            the kind of its column (CSV); else it is as JSON spells it (NDJSON).
    """

    def __init__(self, rows: Iterable[dict[str, Any]], texts: bool) -> None:
        self._source = rows
        self._rows = iter(rows)
        self.texts = texts

    def __next__(self) -> dict[str, Any]:
        return next(self._rows)

    def close(self) -> None:
        """Stop reading."""
        close(self._source)


@dataclass(frozen=True)
class Asset:
    """A static file that belongs to a renderer, such as the style sheet of its pages.

    Attributes:
        content_type: Sent as it is.
        body: All of it.
        version: A hash of the body. A URL with this as `v` can be cached for ever.
    """

    content_type: str
    body: bytes
    version: str


def media_types(media: Media | None) -> tuple[MediaType, ...]:
    """Return one media type, several or None as a tuple."""
    if isinstance(media, MediaType):
        return (media,)
    return () if media is None else tuple(media)


def accepted(media: Media | None, method: str) -> tuple[str, ...]:
    """Return the content types that *media* read in a request of this method, each once.

    They are the value of `Accept-Post`, `Accept-Patch` and `Accept-Query`, joined by commas.
    """
    return tuple(dict.fromkeys(name for kind in media_types(media) for name in kind.reads(method)))


def close(source: Any) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()
