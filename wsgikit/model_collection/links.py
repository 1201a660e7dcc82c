"""Links of a collection: to its rows, to the pages of a list, and the ``Link`` header."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from webob import Request

from wsgikit.model import Field, NotFoundError, Row, decode_key, encode_key

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection

#: Kinds whose values of this very type are read back from a URL as they are.
_EXACT = {"text": str, "integer": int}

#: Stands for an id while the URL around it is made.
_PLACE = "wsgikit-id"

#: Formats in which a whole collection can be had (``limit=all``).
WHOLE = frozenset({"csv", "ndjson", "json"})


def row_id(row: Row, key: Sequence[Field]) -> str | None:
    """Give what names a row in its URL; `None` for a key that no URL can spell."""
    values = tuple(row[field.name] for field in key)
    id = encode_key(values) if key else None
    if all(type(value) is _EXACT.get(field.kind) for field, value in zip(key, values, strict=True)):
        return id
    try:
        # A cell that does not fit its column would be read back as another value, or as none.
        return id if id is not None and decode_key(id, key) == values else None
    except NotFoundError:
        return None


def key_fields(model: Any) -> Sequence[Field]:
    """Give the fields of a model's key, in order."""
    fields = {field.name: field for field in model.fields}
    return [fields[name] for name in model.key]


def attempt(make: Callable[..., str], *arguments: Any, **options: Any) -> str | None:
    """Give a URL, or nothing where the template cannot spell it."""
    try:
        return make(*arguments, **options)
    except ValueError:
        return None


def url_maker(app: "ModelCollection", request: Request, model: Any) -> Callable[..., str | None]:
    """Give `url(row=None, noun=None)` for a page, on which it is called with every row."""
    key = app.key_fields(model)
    ends: dict[str | None, Sequence[str]] = {}

    def url(row: Row | None = None, noun: str | None = None) -> str | None:
        id = None if row is None else row_id(row, key)
        if row is None or id is None:
            return place(None, noun) if row is None else None
        if noun not in ends:
            ends[noun] = (place(_PLACE, noun) or "").split(_PLACE)
        # Unreserved characters are never encoded (RFC 3986 2.3): only the id differs.
        if len(ends[noun]) == 2 and "," not in id:
            return id.join(ends[noun])
        return place(id, noun)

    def place(id: str | None, noun: str | None) -> str | None:
        return app.noun_url(request, noun, id) if noun else attempt(app.url, request, id=id)

    return url


def named_url(request: Request, name: str, **urlvars: Any) -> str | None:
    """Give the URL of a route by its name, where there is a dispatcher that knows it."""
    url_for = request.environ.get("wsgikit.url_for")
    if url_for is None:
        return None
    try:
        return str(url_for(name, **urlvars))
    except (LookupError, ValueError):
        return None


def reference_url(request: Request, field: Field, value: Any) -> str | None:
    """Give the URL of the row that a foreign key points to, where that model is served."""
    if field.references is None or value is None:
        return None
    id = encode_key([value])
    return None if id is None else named_url(request, field.references.model, id=id)


def all_parameters(request: Request) -> Sequence[tuple[str, str]]:
    """Give the parameters of a request, in their order."""
    # PEP 3333: bytes that were not percent-encoded arrive as if they were Latin-1.
    text = str(request.query_string).encode("latin-1").decode("utf-8")
    return parse_qsl(text, keep_blank_values=True)


def parameters(request: Request) -> Sequence[tuple[str, str]]:
    """Give the parameters of a request that say something, in their order."""
    pairs = all_parameters(request)
    # An empty value is no filter, unless the operator is spelled out.
    return [(name, value) for name, value in pairs if value or name.endswith(("__eq", "__ne"))]


def page_url(request: Request, url: str, **changes: str | None) -> str:
    """Give the URL of another page of the list that a request is for.

    Args:
        request: Its query is kept.
        url: The collection's.
        changes: Parameters to set; `None` leaves one out.
    """
    kept = [(name, value) for name, value in parameters(request) if name not in changes]
    kept += [(name, value) for name, value in changes.items() if value is not None]
    return f"{url}?{urlencode(kept)}" if kept else url


def alternates(request: Request, url: str, formats: Iterable[tuple[str, str]]) -> Sequence[str]:
    """Link to the other formats of the list that a request is for; to all of its rows.

    Args:
        request: Its filter and order are kept.
        url: The collection's.
        formats: The short name and the media type of each.
    """
    links = []
    for name, media_type in formats:
        limit = "all" if name in WHOLE else None
        other = page_url(request, url, format=name, limit=limit, cursor=None, count=None)
        links.append(f'<{other}>; rel="alternate"; type="{media_type}"')
    return links


def header(links: Mapping[str, str | None], more: Iterable[str] = ()) -> tuple[str, str]:
    """Write a ``Link`` header (RFC 8288) of the targets by relation, and links as they are."""
    shown = [f'<{url}>; rel="{relation}"' for relation, url in links.items() if url]
    return "Link", ", ".join([*shown, *more])
