"""Importing a file of rows by hand: a form, a preview with what would go wrong, and the import.

``GET /people/;import_form`` asks for a file.  It goes to ``POST /people/;import`` as
`multipart/form-data`:

| field | what it says |
|---|---|
| `file` | the file: CSV, NDJSON or JSON, told apart by its name, else by its type |
| `packed`, `filename` | instead of it: its bytes, deflated and in base64; the preview sends that |
| `on_duplicate` | what to do with rows that are there: `refuse`, `merge` or `ignore` |
| `confirm=1` | import it; without this nothing is kept: it is a dry run |

A CSV file may be as spreadsheets save it, see `wsgikit.model_collection.spreadsheets`.

The dry run does all of it in a transaction, and then undoes that.  So the preview shows the first
rows, how many would be new, and every mistake that the import would stop at.  The import itself
stores all rows, or none.

A program rather sends the file itself to ``POST /people/``, which has no bound of this kind and
reads the rows as they come.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from webob import Request, Response, exc

from wsgikit.media import Form, MediaType, ParseError, Upload, parse_body, respond
from wsgikit.model import (
    MAX_ERRORS,
    Field,
    FieldError,
    ModelError,
    RefusedError,
    ValidationError,
    Written,
    to_text,
)
from wsgikit.model_collection import flashes, pages, spreadsheets
from wsgikit.model_collection.reading import read_many
from wsgikit.model_collection.wording import Wording
from wsgikit.model_collection.writing import transact

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection

#: Formats of rows, and the ends of the names of such files.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "csv": (".csv", ".tsv"),
    "ndjson": (".ndjson", ".jsonl"),
    "json": (".json",),
}

#: Bytes of a file.
MAX_FILE = 10 * 2**20

#: Bytes of a file, once packed, that the preview sends again; a larger one has to be chosen again.
MAX_AGAIN = 2 * 2**20

#: Rows that the preview shows.
MAX_SHOWN = 10

DUPLICATES: Mapping[str, Wording] = {
    "refuse": Wording("Refuse the file"),
    "merge": Wording("Change the rows that are there"),
    "ignore": Wording("Leave the rows that are there as they are"),
}


def kinds_of(media: Iterable[MediaType]) -> Sequence[MediaType]:
    """Give the media types whose files can be imported."""
    return [kind for kind in media if kind.format in FORMATS and kind.reads("POST")]


# -- what is sent ----------------------------------------------------------------------------


@dataclass
class Import:
    """A file to import.

    Attributes:
        file: Its name, type and bytes.
        kind: The media type that reads it.
        fields: Those of the model.
        on_duplicate: What to do with rows that are there.
        confirmed: Whether to keep what is done.
        first: Its first rows, once they were read.
        count: How many rows were read.
    """

    file: Upload
    kind: MediaType
    fields: Sequence[Field]
    on_duplicate: str
    confirmed: bool
    first: list[Mapping[str, Any]] = field(default_factory=list)
    count: int = 0

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Give its rows; they can be read several times.

        Raises:
            ParseError: There are none; or in the middle of it, if it cannot be read any further.
            ValidationError: The columns of CSV are not those of the model.
        """
        self.first, self.count = [], 0
        if not self.file.data:
            raise ParseError("The file is empty.")
        rows = iter(self._fitted() if self.kind.format == "csv" else self._read(self.file.data))
        for row in islice(rows, MAX_SHOWN):
            self.first.append(row)
            self.count += 1
        if not self.first:
            raise ParseError("The file has no rows.")
        if self.kind.format == "csv":
            all_new = self.on_duplicate == "refuse"
            wrong = spreadsheets.mistakes(self.first[0], self.fields, all_new=all_new)
            if wrong:
                raise ValidationError(wrong)
        yield from self.first
        for row in rows:
            self.count += 1
            yield row

    def _fitted(self) -> Iterable[Mapping[str, Any]]:
        data = spreadsheets.in_utf8(self.file.data)
        separator = spreadsheets.separator_of(data, self.fields)
        data = spreadsheets.without_empty_end(data, separator)

        def read() -> Iterable[Mapping[str, Any]]:
            return self._read(data, separator=separator)

        dates = separator == ";"
        comma = dates and spreadsheets.has_decimal_comma(read(), self.fields)
        return spreadsheets.fitted(read(), self.fields, dates=dates, comma=comma)

    def _read(self, data: bytes, **options: Any) -> Iterable[Mapping[str, Any]]:
        environ = {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": self.kind.content_types[0],
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": BytesIO(data),
        }
        parser: Any = copy(self.kind.parser)
        vars(parser).update(options, limit=len(data))
        rows = read_many(parser(Request(environ)))
        if rows is None:
            raise ParseError("The file is no list of rows.")
        return rows

    def store(self, store: Any) -> Written:
        """Store all rows, or none."""
        written: Written = store.create_many(self.rows(), on_duplicate=self.on_duplicate)
        return written


def read_import(form: Any, kinds: Sequence[MediaType], fields: Sequence[Field]) -> Import:
    """Read a form.

    Raises:
        HTTPBadRequest: It is none.
        ParseError: It has no file that can be read here.
    """
    if not isinstance(form, Form):
        raise exc.HTTPBadRequest("Send a form, with a file.")
    wish = form.get("on_duplicate") or "refuse"
    if not isinstance(wish, str) or wish not in DUPLICATES:
        raise exc.HTTPBadRequest(f"on_duplicate must be one of {', '.join(DUPLICATES)}.")
    file = form.get("file")
    if file is None:
        file = _sent_again(form)
    if not isinstance(file, Upload):
        raise ParseError("Choose one file.")
    return Import(file, _kind_of(file, kinds), fields, wish, form.get("confirm") == "1")


def _sent_again(form: Form) -> Upload:
    packed, name = form.get("packed"), form.get("filename", "")
    if not isinstance(packed, str) or not isinstance(name, str):
        raise ParseError("Choose a file.")
    try:
        return Upload(name, "", _unpacked(packed))
    except (binascii.Error, ValueError, zlib.error) as error:
        raise exc.HTTPBadRequest("packed is not deflated, and in base64.") from error


def _packed(data: bytes) -> str | None:
    """Write a file so that a form can send it again; `None` if it is too large for that."""
    packed = zlib.compress(data)
    return base64.b64encode(packed).decode("ascii") if len(packed) <= MAX_AGAIN else None


def _unpacked(text: str) -> bytes:
    unpack = zlib.decompressobj()
    data = unpack.decompress(base64.b64decode(text, validate=True), MAX_FILE)
    if not unpack.eof:
        raise ValueError("cut off, or too large")
    return data


def _kind_of(file: Upload, kinds: Sequence[MediaType]) -> MediaType:
    for kind in kinds:
        if file.filename.lower().endswith(FORMATS[kind.format]):
            return kind
    content_type = file.content_type.partition(";")[0].strip().lower()
    for kind in kinds:
        if content_type in kind.content_types:
            return kind
    able = ", ".join(end for kind in kinds for end in FORMATS[kind.format])
    raise ParseError(f"The name of the file must end with one of: {able}.")


# -- the answers -----------------------------------------------------------------------------


def ask(app: "ModelCollection", request: Request, model: Any) -> Response:
    """Answer the form for a file."""
    app.describe_page(request, model, _form(app, request, model))
    return respond({}, request, app.pages)


def _form(app: "ModelCollection", request: Request, model: Any) -> dict[str, Any]:
    return {
        "meta": pages.form_fields(model, None),
        "kinds": [kind.format for kind in kinds_of(app.media)],
        "accept": ",".join(e for kind in kinds_of(app.media) for e in FORMATS[kind.format]),
        "limit": MAX_FILE,
        "on_duplicate": "refuse",
        "duplicates": DUPLICATES,
        "post_url": app.noun_url(request, "import"),
        "cancel_url": app.url(request),
        "errors": {},
        "formats": (),
    }


def answer(app: "ModelCollection", request: Request, model: Any) -> Response:
    """Answer a file: with a preview, or with its import."""
    try:
        form = parse_body(request, _with_room(app.media))
        sent = read_import(form, kinds_of(app.media), model.fields)
    except (ParseError, exc.HTTPRequestEntityTooLarge) as error:
        if not app.is_page(request):
            raise
        return _ask_again(app, request, model, error)
    try:
        # Rolled back, it is the same in all but what is kept.
        written = transact(model, sent.store, rollback=not sent.confirmed)
    except (RefusedError, ParseError) as error:
        if not app.is_page(request):
            raise
        return _preview(app, request, model, sent, error=error)
    if not app.is_page(request):
        value = {"count": written.count, "created": written.created}
        return respond(
            value, request, app.media, 201 if sent.confirmed and written.created else 200
        )
    if not sent.confirmed:
        return _preview(app, request, model, sent, written)
    response = exc.HTTPSeeOther(location=app.url(request))
    flashes.say_count(response, request, app.url(request), "imported", written.count)
    return response


def _ask_again(
    app: "ModelCollection", request: Request, model: Any, error: ParseError | exc.HTTPException
) -> Response:
    """Ask for another file, if this one cannot even be looked at."""
    status = 400
    if isinstance(error, exc.HTTPRequestEntityTooLarge):
        status, error = 413, ParseError(f"The file has more than {MAX_FILE // 2**20} MB.")
    app.describe_page(request, model, _form(app, request, model) | _wrong(error, {}))
    return respond({}, request, app.pages, status)


def _with_room(media: Iterable[MediaType]) -> Sequence[MediaType]:
    """Let a form be as long as a file may be, in base64 and with what is around it."""
    roomy = []
    for kind in media:
        if kind.format == "html":
            parser: Any = copy(kind.parser)
            parser.limit = MAX_FILE * 4 // 3 + 2**16
            kind = replace(kind, parser=parser)
        roomy.append(kind)
    return roomy


def _preview(
    app: "ModelCollection",
    request: Request,
    model: Any,
    sent: Import,
    written: Written = Written(0, 0),  # noqa: B008  it is immutable
    error: Exception | None = None,
) -> Response:
    """Show the first rows of a file, and what is wrong with it or would become of it."""
    names = dict.fromkeys(name for row in sent.first for name in row)
    labels = {f.name: f.label for f in model.fields}
    shown = _form(app, request, model) | _wrong(error, labels)
    shown |= {
        "filename": sent.file.filename,
        "header": sent.kind.format == "csv",
        "again": _packed(sent.file.data) if error is None else None,
        "on_duplicate": sent.on_duplicate,
        "columns": [{"name": name, "label": labels.get(name, name)} for name in names],
        "rows": [[to_text(row.get(name)) for name in names] for row in sent.first],
        "count": {"n": sent.count, "exact": error is None},
        "written": {
            "count": written.count,
            "created": written.created,
            "changed": written.count - written.created,
            "left": sent.count - written.count,
        },
    }
    app.describe_page(request, model, shown)
    status = 200 if error is None or not sent.confirmed else _status(error)
    return respond({}, request, app.pages, status)


def _status(error: Exception) -> int:
    return pages.form_status(error) if isinstance(error, ModelError) else 400


def _wrong(error: Exception | None, labels: Mapping[str, str]) -> dict[str, Any]:
    mistakes = [*_mistakes(error, labels)]
    return {"mistakes": mistakes, "more_mistakes": len(mistakes) >= MAX_ERRORS}


def _mistakes(error: Exception | None, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Spell what is wrong, with the numbers of rows as people count them."""
    if isinstance(error, RefusedError):
        for one in islice(error.errors, MAX_ERRORS):
            yield _mistake(one, labels)
    elif error is not None:
        yield {"row": None, "field": "", "detail": str(error)}


def _mistake(error: FieldError, labels: Mapping[str, str]) -> dict[str, Any]:
    row = None if error.row is None else error.row + 1
    return {"row": row, "field": labels.get(error.field, error.field), "detail": error.detail}
