"""Files: the bytes of one cell, as ``GET /people/1;file?field=photo``.

They are made to be saved, whatever they are: nothing that somebody stored runs as a page of this
site.  A picture of a kind that runs no code says what it is, so that a page can show it.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webob import Request, Response, exc

from wsgikit.media import picture_type
from wsgikit.model_collection import links
from wsgikit.model_collection.preconditions import make_tag
from wsgikit.query import QueryError

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection

_ODD = re.compile(r"[^A-Za-z0-9._~-]+")


def fields_of(model: Any) -> Sequence[str]:
    """Name the fields of a model that hold files."""
    return [field.name for field in model.fields if field.kind == "binary"]


def answer(app: "ModelCollection", request: Request, model: Any, id: str) -> Response:
    """Answer the bytes of a cell.

    Raises:
        QueryError: If the query does not name a field that holds files.
        HTTPNotFound: If there is no value.
        NotFoundError: If there is no such row.
    """
    name = _wanted(request, fields_of(model))
    data = model.retrieve(app.key_of(model, id))[name]
    if not isinstance(data, bytes | bytearray | memoryview):
        raise exc.HTTPNotFound("There is no file.")
    body = bytes(data)
    picture = picture_type(body)
    ending = ".bin" if picture is None else "." + picture.removeprefix("image/")
    filename = _ODD.sub("_", f"{app.title}-{id}-{name}")[:100] + ending
    if request.method == "HEAD" or "," in request.headers.get("Range", ""):
        # RFC 9110 14.2: only for GET, and a server may ignore it; WebOb answers the first part.
        request.headers.pop("Range", None)
    lines = [
        ("Content-Type", picture or "application/octet-stream"),
        ("Content-Length", str(len(body))),
        ("Content-Disposition", f'attachment; filename="{filename}"'),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("X-Content-Type-Options", "nosniff"),
        ("Accept-Ranges", "bytes"),
        ("ETag", make_tag("", body)),
    ]
    return Response(headerlist=lines, app_iter=[body], conditional_response=True)


def _wanted(request: Request, names: Sequence[str]) -> str:
    try:
        pairs = links.all_parameters(request)
    except UnicodeError as error:
        raise QueryError("", "The query string is not UTF-8.") from error
    if len(pairs) != 1 or pairs[0][0] != "field" or pairs[0][1] not in names:
        raise QueryError("field", f"Must be one of {', '.join(names)}.")
    return pairs[0][1]
