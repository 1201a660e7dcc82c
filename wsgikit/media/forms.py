"""Read HTML forms, urlencoded and multipart, strictly.

Use it with any application of your own::

    from webob.dec import wsgify
    from wsgikit.media import MediaType, parse_body
    from wsgikit.media.forms import FormParser

    FORM = MediaType("application/x-www-form-urlencoded", parser=FormParser())

    @wsgify
    def app(request):
        return f"Hello {parse_body(request, [FORM])['name']}"

The result is a `Form`, a dict: a text for a field, an `Upload` for a file, a list where a name
was sent more than once.
Values are left as sent: no newline is changed, no space removed, and an empty text stays.
Only a file input in which no file was chosen is left out, since browsers send it regardless.
`_method` is a field like any other here; a collection takes it out and acts on it.

What is refused rather than repaired: bytes that are not UTF-8, a `%` without two hex digits,
parts without a name or with two, part headers sent twice, encoded or nested parts, anything
before the first boundary or after the last, and a body that ends early.

No environ key is read or written here; `wsgikit.media.read_body()` does that.
"""

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar
from urllib.parse import parse_qsl

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)
from webob import Request
from webob.exc import HTTPRequestEntityTooLarge

from wsgikit.media import (
    MAX_BODY,
    MAX_FIELDS,
    Form,
    ParseError,
    Upload,
    parse_content_type,
    read_body,
)

#: Parts of a multipart form; what the multipart package takes by default, too.
MAX_PARTS = 128

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: RFC 7578, 4.2: a name, maybe a filename, and never the filename* of other protocols. A quoted
#: text that ends in a backslash is one thing to browsers and another to RFC 2183: refused.
_TEXT = r"""(?:"[^"]*+(?<!\\)"|[!#$%&'*+.^_`|~0-9A-Za-z-]++)"""
_NAME, _FILENAME = f" *+; *+name={_TEXT}", f" *+; *+filename={_TEXT}"
_DISPOSITION = re.compile(
    f"form-data(?:{_NAME}(?:{_FILENAME})?|{_FILENAME}{_NAME}) *+", re.IGNORECASE
)
#: RFC 9110, 5.5: some read these as the end of the line, some do not.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: RFC 7578, 4.7: other encodings are not to be used; text in them would be taken literally.
_PLAIN_ENCODINGS = ("7bit", "8bit", "binary")


class FormParser:
    """Parse a body that a form sends into a `Form`.

    Args:
        limit: Bytes of the body, files included.
        max_fields: Fields of a urlencoded form.
        max_parts: Parts of a multipart form.
    """

    content_types = ("application/x-www-form-urlencoded", "multipart/form-data")
    # A form that asks, rather than changes, is a GET.
    methods: ClassVar = dict.fromkeys(content_types, ("POST", "PUT", "PATCH", "DELETE"))

    def __init__(
        self,
        *,
        limit: int = MAX_BODY,
        max_fields: int = MAX_FIELDS,
        max_parts: int = MAX_PARTS,
    ) -> None:
        self.limit = limit
        self.max_fields = max_fields
        self._max_parts = max_parts

    def __call__(self, request: Request) -> Form:
        """Return the fields by name, in the order sent.

        Raises:
            ParseError: The body is no form, or an ambiguous one.
            HTTPRequestEntityTooLarge: It is over a limit.
            HTTPException: As `wsgikit.media.read_body()`.
        """
        name, parameters = parse_content_type(request.environ.get("CONTENT_TYPE") or "")
        if name not in self.content_types:
            raise ParseError(f"Not a form: {name}.")
        body = read_body(request, self.limit)
        if name == "multipart/form-data":
            return _collect(_parts(body, parameters.get("boundary", ""), self._max_parts))
        return _collect(_fields(body, self.max_fields))


def _collect(items: Iterable[tuple[str, str | Upload]]) -> Form:
    lists: dict[str, list[str | Upload]] = {}
    for name, value in items:
        lists.setdefault(name, []).append(value)
    return Form({name: some[0] if len(some) == 1 else some for name, some in lists.items()})


def _fields(body: bytes, max_fields: int) -> list[tuple[str, str]]:
    text = _text(body, "The form")
    if _BROKEN_ESCAPE.search(text):
        raise ParseError("The form has a % that is not followed by two hex digits.")
    try:
        return parse_qsl(text, True, errors="strict", separator="&", max_num_fields=max_fields)
    except UnicodeDecodeError as error:
        raise ParseError("The form is not UTF-8.") from error
    except ValueError as error:
        raise HTTPRequestEntityTooLarge(f"The form has over {max_fields} fields.") from error


def _parts(body: bytes, boundary: str, max_parts: int) -> Iterator[tuple[str, str | Upload]]:
    try:
        for segment, data in _segments(body, boundary, max_parts):
            value = _value(segment, data)
            if value is not None:
                yield segment.name, value
    except ParserLimitReached as error:
        message = f"The form has over {max_parts} parts, or too long part headers."
        raise HTTPRequestEntityTooLarge(message) from error
    except MultipartError as error:
        raise ParseError(f"The multipart form cannot be read: {error.args[0]}.") from error


def _segments(
    body: bytes, boundary: str, max_parts: int
) -> Iterator[tuple[MultipartSegment, bytes]]:
    parser = PushMultipartParser(boundary, max_segment_count=max_parts, strict=True)
    body = _framed(body, boundary.encode())
    chunks: list[bytes] = []
    with parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                segment, chunks = event, []
            elif event is None:
                yield segment, b"".join(chunks)
            else:
                chunks.append(event)


def _framed(body: bytes, boundary: bytes) -> bytes:
    """Return the body with an empty line after the headers of each part.

    A part may have headers and nothing else, and the first boundary stand on a line of its own
    (RFC 2046, 5.1.1), as Werkzeug's test client writes them.  The parser would take what follows
    such a part for its value.

    Raises:
        ParseError: There is text around the parts, which the parser would skip.
    """
    delimiter = b"\r\n--" + boundary
    if body.startswith(b"--" + boundary):
        body = b"\r\n" + body
    if not body.startswith(delimiter):
        raise ParseError("The multipart form does not begin with its boundary.")
    if body.partition(delimiter + b"--")[2] not in (b"", b"\r\n"):
        raise ParseError("The multipart form goes on after its last boundary.")
    return _with_bodies(body, boundary)[2:]


def _with_bodies(body: bytes, boundary: bytes) -> bytes:
    if b"\r\n\r\n--" + boundary not in body:
        return body
    dashes = re.escape(b"--" + boundary)
    header = rb"(?:(?!%b)[^\r\n]+\r\n)" % dashes
    return re.sub(rb"\r\n%b\r\n%b++(?=\r\n%b)" % (dashes, header, dashes), rb"\g<0>\r\n", body)


def _value(segment: MultipartSegment, data: bytes) -> str | Upload | None:
    headers = _headers(segment)
    parameters = _check_content(segment, headers)
    if segment.filename is not None:
        # RFC 7578, 4.2: directories that a client names are to be ignored.
        filename = re.split(r"[/\\]", segment.filename)[-1]
        content_type = headers.get("Content-Type") or "application/octet-stream"
        return Upload(filename, content_type, data) if filename or data else None
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise ParseError(f"The part {_spell(segment)} is not in UTF-8.")
    return _text(data, f"The part {_spell(segment)}")


def _check_content(segment: MultipartSegment, headers: dict[str, str]) -> dict[str, str]:
    """Return the parameters of a part's Content-Type."""
    if headers.get("Content-Transfer-Encoding", "binary").strip().lower() not in _PLAIN_ENCODINGS:
        raise ParseError(f"The part {_spell(segment)} is encoded; send it as it is.")
    name, parameters = parse_content_type(headers.get("Content-Type") or "text/plain")
    if name.startswith("multipart/"):
        raise ParseError(f"The part {_spell(segment)} holds parts; send them side by side.")
    return parameters


def _headers(segment: MultipartSegment) -> dict[str, str]:
    headers = dict(segment.headerlist)
    if len(headers) < len(segment.headerlist):
        raise ParseError("A part of the form has a header twice.")
    if any(_CONTROL.search(value) for value in headers.values()):
        raise ParseError("A header of a part has a control character.")
    if not _DISPOSITION.fullmatch(headers["Content-Disposition"]):
        raise ParseError("The Content-Disposition of a part is not like: form-data; name=...")
    return headers


def _spell(segment: MultipartSegment) -> str:
    return repr(segment.name[:50])


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"{what} is not UTF-8 at byte {error.start + 1}.") from error
