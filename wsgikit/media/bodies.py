"""Bodies: read whole, as a stream or by lines, within limits; and parsed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

from webob import Request
from webob.exc import (
    HTTPBadRequest,
    HTTPLengthRequired,
    HTTPRequestEntityTooLarge,
    HTTPUnsupportedMediaType,
)

from wsgikit.media.kinds import (
    CHUNK,
    TOKEN,
    Media,
    MediaType,
    ParseError,
    Parser,
    accepted,
    media_types,
)

#: Bytes of a body that a parser reads unless told otherwise: 1 MiB.
MAX_BODY = 2**20
#: Bytes of a line of a body that is read line by line, unless told otherwise: 1 MiB.
MAX_LINE = 2**20
#: Bytes of a body that is read as a stream, unless told otherwise: 1 GiB.
MAX_STREAM = 2**30

#: Which header says what a method reads: RFC 5789, 3.1; the Linked Data Platform, 7.1; RFC
#: 10008. For the others a response's Accept says the same (RFC 9110, 12.5.1).
ACCEPT_HEADERS: Mapping[str, str] = {
    "POST": "Accept-Post",
    "PATCH": "Accept-Patch",
    "QUERY": "Accept-Query",
}

_ABSENT = object()
_CONTENT_TYPE = re.compile(rf"[ \t]*+({TOKEN}/{TOKEN})[ \t]*+")
_PARAMETER = re.compile(
    rf';[ \t]*+(?:({TOKEN})=(?:({TOKEN})|"((?:[^"\\]|\\.)*+)"))?[ \t]*+', re.DOTALL
)


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
