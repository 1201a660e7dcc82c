"""What a client sent: a query; a form, a JSON object, a list of them, or a file of rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any

from webob import Request, exc

from wsgikit.media import MAX_BODY, Form, MediaType, Rows, Upload, body_stream
from wsgikit.model import Exact, FieldError, Text, ValidationError
from wsgikit.query import Query, QueryError, parse_query

#: The content types of forms.
FORM = "application/x-www-form-urlencoded"
_FORMS = frozenset({FORM, "multipart/form-data"})

PATCH = "application/json-patch+json"

#: Controls of a form that are no fields.
_OURS = frozenset({"_version", "_seen", "_unticked", "_keep"})


@dataclass(frozen=True)
class Sent:
    """What a client sent for one row.

    Attributes:
        values: By field name, as a model takes them: as JSON spells them, or as `Text`.
        texts: What was typed, if it was a form.
        version: The version of the row that the form was made from.
        seen: The marks of the values that the form was made with (`pages.mark`).
        from_page: Whether a person waits for a page.
    """

    values: dict[str, Any]
    texts: Mapping[str, Any] | None = None
    version: str | None = None
    seen: frozenset[str] = frozenset()
    from_page: bool = False


@contextmanager
def spooled(request: Request, media: Iterable[MediaType]) -> Iterator[None]:
    """Receive a file of rows before anything is done with them, and keep it for the block.

    A client that sends slowly, or stops, must not hold up a transaction.
    """
    name = content_type(request)
    limits = [
        kind.parser.limit  # type: ignore[union-attr]
        for kind in media
        if hasattr(kind.parser, "max_record") and name in kind.reads(request.method)
    ]
    if not limits:
        yield
        return
    with SpooledTemporaryFile(max_size=MAX_BODY) as file:
        for chunk in body_stream(request, limits[0]):
            file.write(chunk)
        request.environ["CONTENT_LENGTH"] = str(file.tell())
        request.environ["wsgi.input"] = file
        request.environ.pop("HTTP_TRANSFER_ENCODING", None)
        file.seek(0)
        yield
        request.environ["wsgi.input"] = BytesIO()
        request.environ["CONTENT_LENGTH"] = "0"


def query_of(request: Request, document: Mapping[str, Any] | None = None) -> Query:
    """Read what a request asks of a list, in its URL and perhaps in a document.

    Raises:
        QueryError: As `wsgikit.query.parse_query`.
    """
    try:
        # PEP 3333: bytes that were not percent-encoded arrive as if they were Latin-1.
        text = str(request.query_string).encode("latin-1").decode("utf-8")
    except UnicodeError as error:
        raise QueryError("", "The query string is not UTF-8.") from error
    return parse_query(text, document)


def has_form(request: Request) -> bool:
    """Whether the body is a form."""
    return content_type(request) in _FORMS


def content_type(request: Request) -> str:
    """Give the content type of the body, in lower case and without parameters."""
    return str(request.content_type).lower()


def read_one(body: Any, *, from_page: bool) -> Sent:
    """Read the values of one row.

    Args:
        body: What the parser gave.
        from_page: Whether the answer is going to be a page.

    Raises:
        ValidationError: If it is neither a form nor a JSON object.
        HTTPBadRequest: If it is a form of several versions.
    """
    if isinstance(body, Form):
        version = body.get("_version")
        if not isinstance(version, str | None):
            raise exc.HTTPBadRequest("The form has more than one _version.")
        names = _fields_of(body)
        values = {name: _typed_value(value) for name, value in names.items()}
        seen = frozenset(" ".join(_names(body, "_seen")).split())
        return Sent(values, names, version, seen, from_page)
    if not isinstance(body, dict):
        message = "The body must be an object, from field names to values."
        raise ValidationError([FieldError("", "type", message)])
    return Sent(body)


def _fields_of(form: Form) -> dict[str, Any]:
    """Give the fields of a form by their columns' names, without those that are ours.

    A box that is not ticked is not sent (HTML, 4.10.22.4); `_unticked` names those that there
    are.  `_keep` names the fields whose stored value is to stay, whatever was typed.
    """
    found = {_unescape(name): value for name, value in form.items() if name not in _OURS}
    found = dict.fromkeys(_names(form, "_unticked"), "false") | found
    kept = _names(form, "_keep")
    return {name: value for name, value in found.items() if name not in kept}


def _names(form: Form, control: str) -> Sequence[str]:
    found = form.get(control, [])
    several = found if isinstance(found, list) else [found]
    return [name for name in several if isinstance(name, str)]


def read_many(body: Any) -> Iterable[Mapping[str, Any]] | None:
    """Give the rows of a body that has several; `None` for one that does not.

    A file's rows are read while they are consumed.

    Raises:
        ValidationError: With every item of a list that is no object.
    """
    if isinstance(body, Rows):
        return _exact_rows(body) if body.texts else body
    if not isinstance(body, list):
        return None
    message = "Must be an object, from field names to values."
    wrong = [n for n, item in enumerate(body) if not isinstance(item, dict)]
    if wrong:
        raise ValidationError([FieldError("", "type", message, n) for n in wrong[:100]])
    return body


def _exact_rows(rows: Rows) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        yield {name: None if text is None else Exact(text) for name, text in row.items()}


def _typed_value(value: Any) -> Any:
    if isinstance(value, Upload):
        return value.data
    return Text(value) if isinstance(value, str) else [_typed_value(item) for item in value]


def _unescape(name: str) -> str:
    """Undo the extra underscore of a control for a column whose name starts with one."""
    return name[1:] if name.startswith("__") else name


def with_room(kind: MediaType, model: Any) -> MediaType:
    """Raise a parser's limits by what this model needs.

    These are the lengths of its files, for which base64 needs a third more, and the rows of a
    page, all of which may be ticked.
    """
    files = sum(f.length or 0 for f in model.fields if f.kind == "binary" and f.writable)
    more = {
        "limit": files * 4 // 3,
        "max_record": files * 4 // 3,
        "max_fields": int(getattr(model, "max_page_size", 1000)),
    }
    wanted = [bound for bound, number in more.items() if number and hasattr(kind.parser, bound)]
    if not wanted:
        return kind
    parser: Any = copy(kind.parser)
    for bound in wanted:
        setattr(parser, bound, getattr(parser, bound) + more[bound])
    return replace(kind, parser=parser)
