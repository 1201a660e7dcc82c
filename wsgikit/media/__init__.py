"""Turn data into representations, and bodies into data: what all media types share.

A media type is a name, a renderer and a parser.
A renderer is any callable `renderer(value, request)` that returns bytes, or an iterable of
bytes when the result can be large.
A parser is any callable `parser(request)` that returns a value, or raises `ParseError`.
For a body of many rows that value is `Rows`, which reads while it is consumed.

Use this module alone when an application of your own should answer in several formats::

    from webob.dec import wsgify
    from wsgikit.media import MediaType, respond

    def write_text(value, request):
        return f"{value}\\n".encode()

    media = [MediaType("text/plain", write_text)]

    @wsgify
    def app(request):
        return respond("Hello", request, media)

Wherever `media` is an argument, one `MediaType` or several may be given, the preferred one
first.

Which media type answers: `?format=json` in the query string wins, because a link must be able
to ask; then `Accept` decides (RFC 9110, 12.5.1); without either, or when `Accept` cannot be
read, the first media type answers.
At equal quality a type that `Accept` names beats one that only a wildcard covers, since clients
that send `application/json, text/plain, */*` want JSON.
An empty `format=` counts as absent, as plain HTML forms send every input.

Reads `wsgikit.parsed` and writes it (the parsed body, so that a body is read once), writes
`wsgi.input` and `CONTENT_LENGTH` (the body stays readable for whoever comes next), and gives
the renderer of a problem page an environ with `wsgikit.action` set to `problem`.
For renderers, `columns_of()` reads `wsgikit.columns` and `title_of()` reads `wsgikit.title`.
"""

import logging
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache

# Not as modules: importing wsgikit.media.json sets the name `json` here, html likewise.
from html import escape
from io import BytesIO
from itertools import chain, islice
from json import JSONEncoder, dumps
from math import isfinite
from typing import Any, TypeAlias
from urllib.parse import parse_qsl
from uuid import UUID
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request, Response
from webob.acceptparse import create_accept_header
from webob.exc import (
    HTTPBadRequest,
    HTTPClientError,
    HTTPException,
    HTTPLengthRequired,
    HTTPNotAcceptable,
    HTTPRequestEntityTooLarge,
    HTTPUnsupportedMediaType,
)

Renderer: TypeAlias = Callable[[Any, Request], bytes | Iterable[bytes]]
Parser: TypeAlias = Callable[[Request], Any]
Headers: TypeAlias = Iterable[tuple[str, str]] | Mapping[str, str]

#: Bytes of a body that a parser reads unless told otherwise: 1 MiB.
MAX_BODY = 2**20
#: Bytes of a line of a body that is read line by line, unless told otherwise: 1 MiB.
MAX_LINE = 2**20
#: Parameters of a query string, and fields of a form. What Django allows, too.
MAX_FIELDS = 1000

#: Bytes of a body that is read as a stream, unless told otherwise: 1 GiB.
MAX_STREAM = 2**30

#: Which header says what a method reads: RFC 5789, 3.1; the Linked Data Platform, 7.1; RFC
#: 10008. For the others a response's Accept says the same (RFC 9110, 12.5.1).
ACCEPT_HEADERS: Mapping[str, str] = {
    "POST": "Accept-Post",
    "PATCH": "Accept-Patch",
    "QUERY": "Accept-Query",
}

#: Bytes that are read, and sent, at once.
CHUNK = 2**16
#: The members of a list that a collection renders.
_ENVELOPE = frozenset({"data", "next", "prev", "count", "count_exact"})
_ABSENT = object()
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_HEADER_NAME = re.compile(_TOKEN)
_UNSAFE_VALUE = re.compile(r"[\x00\r\n]|[^\x00-\xff]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTENT_TYPE = re.compile(rf"[ \t]*+({_TOKEN}/{_TOKEN})[ \t]*+")
_PARAMETER = re.compile(
    rf';[ \t]*+(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*+)"))?[ \t]*+', re.DOTALL
)

#: All that is sent is UTF-8, so a media range that asks for that asks for nothing.
_UTF_8 = re.compile(r';[ \t]*charset="?utf-?8"?(?=[ \t]*(?:[,;]|\Z))', re.IGNORECASE)
_MEDIA_PARAMETER = re.compile(
    rf';[ \t]*(?!q=)(?:{_TOKEN})=(?:{_TOKEN}|"(?:[^"\\]|\\.)*+")', re.IGNORECASE
)

_log = logging.getLogger(__name__)


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
        _close(self._source)


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


# -- which media type answers ----------------------------------------------------------------


def negotiate(request: Request, media: Media) -> MediaType:
    """Choose the media type to answer with: by `?format=`, else by `Accept`.

    Raises:
        HTTPBadRequest: The query string cannot be read, or has several `format`.
        HTTPNotAcceptable: Nothing on offer is wanted; the answer names what is.
        ValueError: No media type in *media* has a renderer.
    """
    offers = {offer.name: offer for offer in media_types(media) if offer.renderer is not None}
    if not offers:
        raise ValueError("No media type with a renderer was given; give one, such as JSON.")
    wanted = _format(request)
    if wanted:
        return _by_format(wanted, offers)
    name = _choose(request.environ.get("HTTP_ACCEPT", ""), tuple(offers))
    if name is None:
        raise HTTPNotAcceptable(f"None of the wanted media types is here: {', '.join(offers)}.")
    return offers[name]


def _by_format(wanted: str, offers: Mapping[str, MediaType]) -> MediaType:
    for offer in offers.values():
        if offer.format == wanted:
            return offer
    known = ", ".join(offer.format for offer in offers.values())
    raise HTTPNotAcceptable(f"There is no format {wanted[:50]!r} here: {known}.")


# A few dozen headers cover all browsers and libraries; parsing one costs more than a dispatch.
@lru_cache(maxsize=256)
def _choose(accept: str, names: tuple[str, ...]) -> str | None:
    """Return the name that an `Accept` header likes best, None when it wants none of them."""
    header = create_accept_header(_UTF_8.sub("", accept).strip(" \t") or None)
    offers = header.acceptable_offers(names)
    if not offers:
        # RFC 9110, 12.5.1 lets us disregard what cannot be had: here, parameters such as those
        # of text/csv;header=present. The names are still respected.
        header = create_accept_header(_MEDIA_PARAMETER.sub("", accept).strip(" \t") or None)
        offers = header.acceptable_offers(names)
    if not offers:
        return None
    named = {wanted.partition(";")[0].lower() for wanted, *_ in header.parsed or ()}
    best: str = max(offers, key=lambda offer: (offer[1], offer[0].lower() in named))[0]
    return best


def _format(request: Request) -> str:
    """Return the value of `?format=`, empty when there is none."""
    query = request.environ.get("QUERY_STRING", "")
    # An encoded name (%66ormat) is the same name, so only these two prove its absence.
    if "format" not in query and "%" not in query:
        return ""
    values = [value for name, value in _query(query) if name == "format"]
    if len(values) > 1:
        raise HTTPBadRequest("The parameter format is given more than once; give it once.")
    return values[0] if values else ""


def _query(query: str) -> list[tuple[str, str]]:
    if _BROKEN_ESCAPE.search(query):
        raise HTTPBadRequest("The query string has a % that is not followed by two hex digits.")
    try:
        # PEP 3333: raw bytes arrive as if they were Latin-1.
        text = query.encode("latin-1").decode("utf-8")
        return parse_qsl(text, True, errors="strict", separator="&", max_num_fields=MAX_FIELDS)
    except UnicodeError as error:
        raise HTTPBadRequest("The query string is not UTF-8.") from error
    except ValueError as error:
        raise HTTPBadRequest(f"The query string has over {MAX_FIELDS} parameters.") from error


# -- bodies ----------------------------------------------------------------------------------


def parse_body(request: Request, media: Media) -> Any:
    """Parse the body with the media type that reads its `Content-Type`; once a request.

    Raises:
        HTTPUnsupportedMediaType: No parser reads it, it is not UTF-8, or it is compressed.
            `Accept-Post`, `Accept-Patch` or `Accept` says what is read.
        HTTPBadRequest: It cannot be read; the detail says why.
        HTTPRequestEntityTooLarge: It is over a limit of the parser.
    """
    environ = request.environ
    value = environ.get("wsgikit.parsed", _ABSENT)
    if value is _ABSENT:
        parser = _parser(request, media_types(media))
        try:
            value = parser(request)
        except ParseError as error:
            raise HTTPBadRequest(str(error)) from error
        environ["wsgikit.parsed"] = value
    return value


def _parser(request: Request, media: tuple[MediaType, ...]) -> Parser:
    header = request.environ.get("CONTENT_TYPE") or ""
    if not header:
        raise _unsupported(request, media, "The request does not say its Content-Type.")
    try:
        name, parameters = parse_content_type(header)
    except ParseError as error:
        raise _unsupported(request, media, str(error)) from error
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise _unsupported(request, media, "Only the charset utf-8 is read.")
    coding = request.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding not in ("", "identity"):
        raise HTTPUnsupportedMediaType(
            "Only a body without Content-Encoding is read.", [("Accept-Encoding", "identity")]
        )
    for offer in media:
        if offer.parser is not None and name in offer.reads(request.method):
            return offer.parser
    raise _unsupported(request, media, f"A body of the type {name} is not read here.")


def _unsupported(
    request: Request, media: tuple[MediaType, ...], reason: str
) -> HTTPUnsupportedMediaType:
    names = ", ".join(accepted(media, request.method))
    if not names:
        return HTTPUnsupportedMediaType(f"{reason} No body is read here.")
    header = ACCEPT_HEADERS.get(request.method, "Accept")
    return HTTPUnsupportedMediaType(f"{reason} Send one of: {names}.", [(header, names)])


def parse_content_type(header: str) -> tuple[str, dict[str, str]]:
    """Split a `Content-Type` into its name, in lower case, and its parameters.

    Raises:
        ParseError: It is not as RFC 9110, 8.3.1 has it, or repeats a parameter.
    """
    start = _CONTENT_TYPE.match(header)
    if start is None:
        raise ParseError("The Content-Type is not like type/subtype.")
    parameters: dict[str, str] = {}
    position = start.end()
    while position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None:
            raise ParseError("The parameters of the Content-Type cannot be read.")
        position = match.end()
        name, token, quoted = match.groups()
        if name is not None:
            value = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            if parameters.setdefault(name.lower(), value) is not value:
                raise ParseError(f"The Content-Type has several parameters {name.lower()}.")
    return start[1].lower(), parameters


def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Read the whole body, and leave it there to be read again.

    Args:
        limit: Bytes.

    Raises:
        HTTPException: As `body_stream()`.
    """
    body = b"".join(body_stream(request, limit))
    environ = request.environ
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return body


def body_stream(request: Request, limit: int = MAX_STREAM) -> Iterator[bytes]:
    """Read the body chunk by chunk; it can be read this way once.

    What the headers show is raised at once, the rest when that point of the body is reached.

    Args:
        limit: Bytes of the whole body.

    Raises:
        HTTPRequestEntityTooLarge: It is longer than *limit*.
        HTTPBadRequest: It ends before its `Content-Length`, or that is not a number.
        HTTPLengthRequired: It is chunked, and this server does not say where it ends.
    """
    environ = request.environ
    length = _length(environ.get("CONTENT_LENGTH") or "")
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    if length is not None:
        if chunked:
            # RFC 9112, 6.3: such a message ought to be handled as an error.
            raise HTTPBadRequest("The body has a Content-Length and a Transfer-Encoding.")
        if length > limit:
            raise _too_large(limit)
    elif not environ.get("wsgi.input_terminated"):
        if chunked:
            # wsgiref and uWSGI would give an empty body here, which is not what was sent.
            raise HTTPLengthRequired("Send the body with a Content-Length; it is chunked.")
        return iter(())  # RFC 9112, 6.3: without either header there is no body.
    return _receive(environ["wsgi.input"], length, limit)


def _receive(source: Any, length: int | None, limit: int) -> Iterator[bytes]:
    size, end = 0, limit + 1 if length is None else length
    while size < end and (chunk := _read(source, min(end - size, CHUNK))):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk
    if length is not None and size < length:
        raise HTTPBadRequest(f"The body ends after {size} of {length} bytes.")


def _read(source: Any, size: int) -> bytes:
    try:
        chunk: bytes = source.read(size)
    except OSError as error:
        raise HTTPBadRequest("The body could not be received.") from error
    return chunk


def _length(text: str) -> int | None:
    text = text.strip(" \t")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise HTTPBadRequest("The Content-Length is not a number.")
    # int() refuses 4,300 digits, and nobody has 10**18 bytes.
    return int(text) if len(text) <= 18 else 10**18


def body_lines(request: Request, limit: int, max_line: int) -> Iterator[bytes]:
    """Read the body line by line, without the LF at their ends; nothing follows the last LF.

    Args:
        limit: Bytes of the whole body.
        max_line: Bytes of a line.

    Raises:
        ParseError: A line is longer than *max_line*; it names the line.
        HTTPException: As `body_stream()`.
    """
    return _lines(body_stream(request, limit), max_line)


def _lines(chunks: Iterable[bytes], max_line: int) -> Iterator[bytes]:
    # What a line begins with is joined once, however small the pieces are that it comes in.
    held: list[bytes] = []
    size, number = 0, 1
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if b"\n" in chunk:
            *lines, rest = b"".join(held).split(b"\n")
            for line in lines:
                _check_line(number, len(line), max_line)
                yield line
                number += 1
            held, size = [rest], len(rest)
        _check_line(number, size, max_line)
    if size:
        yield b"".join(held)


def _check_line(number: int, size: int, max_line: int) -> None:
    if size > max_line:
        raise ParseError(f"Line {number} is longer than {max_line} bytes.")


def _too_large(limit: int) -> HTTPRequestEntityTooLarge:
    return HTTPRequestEntityTooLarge(f"The body is longer than {limit} bytes.")


# -- answers ---------------------------------------------------------------------------------


def respond(
    value: Any, request: Request, media: Media, status: int = 200, headers: Headers = ()
) -> Response:
    """Render *value* in the negotiated media type.

    What a renderer yields is streamed; its first chunk is made here, so that an error before it
    is raised and can still be answered. For HEAD nothing is rendered at all.

    Args:
        value: What the renderers take.
        status: One whose response has a body.
        headers: Added to those of the renderer, `Content-Type`, `Content-Length` and `Vary`;
            they win over the first two.

    Raises:
        HTTPBadRequest, HTTPNotAcceptable: As `negotiate()`.
        ValueError: A header has a line break, a NUL, or characters beyond Latin-1.
        Exception: Whatever the renderer raises before its first chunk.
    """
    media = media_types(media)
    offer = negotiate(request, media)
    assert offer.renderer is not None  # negotiate() offers nothing else
    own = getattr(offer.renderer, "headers", None)
    varies = sum(other.renderer is not None for other in media) > 1
    lines = _header_lines(offer.name, own(value, request) if own else (), headers, varies)
    if request.method == "HEAD":
        # RFC 9110, 9.3.2: what only rendering would tell, such as the length, may be left out.
        _close(rows_of(value))
        return Response(status=status, headerlist=lines, app_iter=[])
    body = offer.renderer(value, request)
    if isinstance(body, bytes):
        lines.append(("Content-Length", str(len(body))))
        return Response(status=status, headerlist=lines, app_iter=[body])
    return Response(status=status, headerlist=lines, app_iter=_Stream(body))


def _header_lines(name: str, own: Headers, headers: Headers, varies: bool) -> list[tuple[str, str]]:
    lines = {"content-type": ("Content-Type", _with_charset(name))}
    lines |= {key.lower(): (key, value) for key, value in _pairs(own)}
    vary = ["Accept"] if varies else []
    vary += [value for _, value in [lines.pop("vary", ("", ""))] if value]
    given = []
    for key, value in _pairs(headers):
        if key.lower() == "vary":
            vary.append(value)
        elif key.lower() != "content-length":
            lines.pop(key.lower(), None)
            given.append((key, value))
    return [*lines.values(), *given, *([("Vary", ", ".join(vary))] if vary else [])]


def _pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    for key, value in headers.items() if isinstance(headers, Mapping) else headers:
        if not is_header(key, value):
            raise ValueError(f"Not a header line: {key!r}: {value!r}. Percent-encode its value.")
        yield key, value


def is_header(name: str, value: str) -> bool:
    """Say whether a header line can be sent as it is: no line breaks, no NUL, Latin-1."""
    return bool(_HEADER_NAME.fullmatch(name)) and not _UNSAFE_VALUE.search(value)


def _with_charset(name: str) -> str:
    return f"{name}; charset=utf-8" if name.startswith("text/") and ";" not in name else name


def answer(result: Any, request: Request, media: Media | None = ()) -> WSGIApplication:
    """Turn what a view or a collection method returned into a WSGI application.

    Args:
        result: A WSGI application (returned as it is); text or bytes (HTML, UTF-8); an iterator
            of either (streamed, a chunk an item); with *media*: what its renderers take.

    Raises:
        HTTPException: From `respond()`, or what an iterator raises before its first chunk.
        TypeError: *result* is nothing of these.
    """
    if callable(result):
        app: WSGIApplication = result
        return app
    if isinstance(result, str | bytes):
        body = _chunk(result)
        length = ("Content-Length", str(len(body)))
        return Response(headerlist=[_HTML_TYPE, length], app_iter=[body])
    if isinstance(result, Iterator):
        return Response(headerlist=[_HTML_TYPE], app_iter=_Stream(result))
    media = media_types(media)
    if not media:
        raise TypeError(
            f"Cannot answer with {type(result).__name__}: return a response, text, bytes or an "
            "iterator of those, or give media types that render it (media=[JSON])."
        )
    return respond(result, request, media)


def without_body(app: WSGIApplication) -> WSGIApplication:
    """Answer HEAD with the headers of *app*, which is closed after its first chunk."""

    def headers_only(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(*args: Any) -> Callable[[bytes], object]:
            start_response(*args)
            return lambda _chunk: None

        chunks = app(environ, start)
        try:
            # A generator does not start the response before it is asked for a chunk.
            next(iter(chunks), None)
        finally:
            _close(chunks)
        return []

    return headers_only


_HTML_TYPE = ("Content-Type", "text/html; charset=utf-8")


class _Stream:
    """Chunks as bytes. The first is made at once, so that an early error is still an answer."""

    def __init__(self, source: Iterable[str | bytes]) -> None:
        self._source = source
        chunks = iter(source)
        try:
            first = [*islice(chunks, 1)]
        except BaseException:
            self.close()
            raise
        self._chunks = map(_chunk, chain(first, chunks))

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Close the source (PEP 3333), for the sake of what it holds open."""
        _close(self._source)


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


def _chunk(chunk: str | bytes) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode("utf-8")
    if isinstance(chunk, bytes):
        return chunk
    raise TypeError(f"A stream yields text or bytes, not {type(chunk).__name__}.")


def asset(request: Request, media: Media) -> Response | None:
    """Answer `?format=css`, or another asset of a renderer in *media*; None when it is not one.

    With the asset's version as `v` the answer may be cached for ever, else it is revalidated.
    """
    try:
        wanted = _format(request)
    except HTTPException:
        return None  # negotiate() is going to say what is wrong with the query string
    if not wanted or request.method not in ("GET", "HEAD"):
        return None
    found = _find_asset(wanted, media_types(media))
    if found is None:
        return None
    versions = [value for name, value in _query(request.query_string) if name == "v"]
    return _serve(found, versions == [found.version])


def _find_asset(wanted: str, media: tuple[MediaType, ...]) -> Asset | None:
    assets: dict[str, Asset] = {}
    for offer in media:
        assets.update(getattr(offer.renderer, "assets", {}))
    if any(offer.format == wanted for offer in media):
        return None
    return assets.get(wanted)


def _serve(found: Asset, current: bool) -> Response:
    lines = [
        ("Content-Type", found.content_type),
        ("Content-Length", str(len(found.body))),
        ("Cache-Control", "public, max-age=31536000, immutable" if current else "no-cache"),
        ("ETag", f'"{found.version}"'),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(headerlist=lines, app_iter=[found.body], conditional_response=True)


# -- how values are written ------------------------------------------------------------------


def to_text(value: Any) -> str | None:
    """Write a value as text, the same in every format; None stays None.

    ISO 8601 for dates, times and durations, `true` and `false`, base64 for bytes, decimals and
    floats in full (`NaN`, `Infinity`, `-Infinity`), JSON for mappings and lists.

    Raises:
        TypeError: It is none of these.
    """
    if value is None:
        return None
    for base in type(value).__mro__:
        if base in _TEXTS:
            return _TEXTS[base](value)
    return json_text(value)


def json_text(value: Any, *, compact: bool = False) -> str:
    """Write a value as JSON; each type as `to_text()` does, where JSON has nothing of its own.

    Args:
        compact: Leave out the space behind commas and colons.

    Raises:
        TypeError: Some part of it has no JSON form.
    """
    encode = _encode_compactly if compact else _encode
    try:
        return encode(value)
    except ValueError:  # NaN or an infinity, which are too rare to look for first
        return encode(_finite(value))


def _simpler(value: Any) -> Any:
    """Return a form of *value* that is a step nearer to what JSON has."""
    for base in type(value).__mro__:
        if base in _SIMPLER:
            return _SIMPLER[base](value)
    page = page_of(value)
    if page is not None or isinstance(value, Mapping):
        return dict(value if page is None else page)
    raise TypeError(f"{type(value).__name__} has no text or JSON form.")


_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, default=_simpler).encode
_encode_compactly = JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_simpler
).encode


def _finite(value: Any) -> Any:
    """Return *value* with texts in the place of floats that JSON lacks."""
    if isinstance(value, float):
        return value if isfinite(value) else _float(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return _finite(_simpler(value))


def _float(value: float) -> str:
    if isfinite(value):
        return float.__repr__(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal) -> str:
    if value.is_finite():
        return str(value)
    return "NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"


def _base64(value: bytes | bytearray | memoryview) -> str:
    return b64encode(value).decode("ascii")


def _duration(value: timedelta) -> str:
    """Write an ISO 8601 duration of days and less, with one sign for all of it."""
    seconds, microseconds = divmod(abs(value // timedelta(microseconds=1)), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    fraction = f".{microseconds:06d}".rstrip("0") if microseconds else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    clock += f"{seconds}{fraction}S" if seconds or fraction or not value else ""
    sign = "-" if value < timedelta() else ""
    return f"{sign}P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")


_SIMPLER: dict[type, Callable[[Any], Any]] = {
    bytes: _base64,
    bytearray: _base64,
    memoryview: _base64,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _duration,
    Decimal: _decimal,
    UUID: str,
    Enum: lambda member: member.value,
}

_TEXTS: dict[type, Callable[[Any], str | None]] = {
    **_SIMPLER,
    Enum: lambda member: to_text(member.value),
    str: str.__str__,
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    float: _float,
}


# -- what formats share ----------------------------------------------------------------------


def rows_of(value: Any) -> Iterable[Any] | None:
    """Return the rows of a list, an iterator or a page; None for what is one thing."""
    if isinstance(value, list | tuple | Iterator):
        return value
    page = page_of(value)
    rows: Iterable[Any] | None = None if page is None else page["data"]
    return rows


def page_of(value: Any) -> Mapping[str, Any] | None:
    """Return the members of a page, None for anything else.

    A page is anything with the attributes `data`, `next`, `prev` and `count`; or a mapping
    whose `data` is a list among no other members than those and `count_exact`, or an iterator.
    """
    if isinstance(value, Mapping):
        data = value.get("data")
        listed = isinstance(data, list | tuple) and value.keys() <= _ENVELOPE
        return value if listed or isinstance(data, Iterator) else None
    try:
        page = {"data": value.data, "next": value.next, "prev": value.prev, "count": value.count}
    except AttributeError:
        return None
    if page["count"] is None:
        del page["count"]
    elif getattr(value, "count_exact", None) is not None:
        page["count_exact"] = value.count_exact
    return page


def columns_of(request: Request, *rows: Any) -> tuple[Any, ...]:
    """Return `wsgikit.columns`: in order, what has a `name`, a `kind` and a `label`.

    Args:
        rows: Rows that they must describe by having all of their names; else they are left
            aside, since an action may well answer with something else than the model's rows.
    """
    columns = tuple(request.environ.get("wsgikit.columns", ()))
    names = {column.name for column in columns}
    described = all(isinstance(row, Mapping) and names <= row.keys() for row in rows)
    return columns if described else ()


def title_of(request: Request) -> str:
    """Return what the answer is called: `wsgikit.title`, else the last part of the path."""
    environ = request.environ
    # PEP 3333: the bytes of the path arrive as if they were Latin-1.
    raw = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    path = raw.decode("utf-8", "replace").strip("/")
    return str(environ.get("wsgikit.title") or path.rpartition("/")[2])


def deliver(pieces: Iterable[bytes], rows: Iterable[Any]) -> bytes | Iterator[bytes]:
    """Join the pieces that were made of a list; stream those made of an iterator.

    Args:
        pieces: They are joined into chunks of `CHUNK` bytes and a little more.
        rows: What they are made of. An iterator is closed at the end, if it can be.
    """
    return _in_chunks(pieces, rows) if isinstance(rows, Iterator) else b"".join(pieces)


def _in_chunks(pieces: Iterable[bytes], rows: Iterator[Any]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield b"".join(held)
                held.clear()
                size = 0
        yield b"".join(held)
    finally:
        _close(rows)


# -- problems --------------------------------------------------------------------------------


def problem(
    request: Request, error: HTTPException, media: Media | None = (), **members: Any
) -> Response:
    """Describe an HTTP error: RFC 9457 JSON for programs, a page for people.

    People are those whose `Accept` prefers HTML, or who asked for `?format=html`; also all who
    do not say, where HTML is all there is. The page is made by the HTML renderer in *media*
    (its `problem.html`), or by a minimal one.

    Args:
        error: Its status, headers and detail (else explanation) are kept. Neither is HTML.
        members: Further members of the problem, such as `errors`.

    Never raises, so it can stand in an `except` clause.
    """
    source = error.wsgi_response
    title = getattr(error, "title", "") or source.status.partition(" ")[2]
    core = {"type": "about:blank", "title": str(title), "status": source.status_int}
    document = {**core, "detail": _detail(error) or str(title), **members}
    own, body = _represent(request, document, media_types(media))
    vary = ["Accept", *filter(None, [own.pop("Vary", "")]), *source.headers.getall("Vary")]
    lines = [*own.items(), ("Content-Length", str(len(body)))]
    lines += [
        (key, value)
        for key, value in source.headerlist
        if key.lower() not in ("content-type", "content-length", "vary") and is_header(key, value)
    ]
    lines.append(("Vary", ", ".join(vary)))
    return Response(status=source.status, headerlist=lines, app_iter=[body])


def _detail(error: HTTPException) -> str:
    explanation = getattr(error, "explanation", "")
    # What WebOb says of every client error that has no explanation explains nothing.
    if explanation == HTTPClientError.explanation:
        explanation = ""
    return str(getattr(error, "detail", "") or explanation)


def _represent(
    request: Request, document: dict[str, Any], media: tuple[MediaType, ...]
) -> tuple[dict[str, str], bytes]:
    pages = [offer for offer in media if offer.renderer and offer.format == "html"]
    others = [offer for offer in media if offer.renderer and offer.format != "html"]
    if not _wants_page(request, bool(pages and not others)):
        return {"Content-Type": "application/problem+json"}, _problem_json(document)
    try:
        for page in pages:
            return _problem_page(request, document, page)
    except Exception:
        _log.exception("The page for a problem could not be rendered: %s", document["title"])
    return dict([_HTML_TYPE]), _minimal_page(document)


def _wants_page(request: Request, page_first: bool) -> bool:
    try:
        wanted = _format(request)
    except HTTPException:
        wanted = ""
    if wanted in ("html", "json"):
        return wanted == "html"
    names = ["application/problem+json", "application/json"]
    names.insert(0 if page_first else 2, "text/html")
    return _choose(request.environ.get("HTTP_ACCEPT", ""), tuple(names)) == "text/html"


def _problem_json(document: dict[str, Any]) -> bytes:
    try:
        text = dumps(document, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError):
        _log.exception("The members of a problem cannot be written as JSON.")
        core = {name: document[name] for name in ("type", "title", "status", "detail")}
        text = dumps(core, default=str)
    # A lone surrogate cannot be UTF-8; escaped as \udXXX it is JSON.
    return text.encode("utf-8", "backslashreplace")


def _problem_page(
    request: Request, document: dict[str, Any], page: MediaType
) -> tuple[dict[str, str], bytes]:
    environ = {**request.environ, "wsgikit.action": "problem"}
    # The template variables of the action that failed are none of the problem's.
    environ.pop("wsgikit.context", None)
    assert page.renderer is not None  # _represent() takes no other
    asked = Request(environ)
    body = page.renderer(document, asked)
    headers = getattr(page.renderer, "headers", lambda value, request: ())
    own = dict([_HTML_TYPE, *_pairs(headers(document, asked))])
    return own, body if isinstance(body, bytes) else b"".join(body)


def _minimal_page(document: dict[str, Any]) -> bytes:
    heading = escape(f"{document['status']} {document['title']}")
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n</head>\n<body>\n<main>\n"
        f"<h1>{heading}</h1>\n<p>{escape(str(document['detail']))}</p>\n"
        f"</main>\n</body>\n</html>\n"
    )
    return page.encode("utf-8", "replace")
