"""Rows as they are shown: of some fields only, and with the rows that they refer to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from webob import Request

from wsgikit.media import negotiate
from wsgikit.model import Field, NotFoundError, Row
from wsgikit.model_collection import links, pages
from wsgikit.model_collection.relations import Relations, neighbours
from wsgikit.query import Query, QueryError

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection


def shown_fields(model: Any, query: Query) -> Sequence[Field]:
    """Give the fields of a row that a query wants to see, in the order in which it says so.

    Raises:
        QueryError: If there is no such field.
    """
    known = {field.name: field for field in model.fields}
    if not query.fields:
        return tuple(known.values())
    more = [name for name in query.embed if name not in query.fields]
    for parameter, names in (("fields", query.fields), ("embed", more)):
        for name in names:
            if name not in known:
                raise QueryError(parameter, f"There is no column {name[:50]!r}.")
    return tuple(known[name] for name in (*query.fields, *more))


def projected(rows: Iterable[Row], fields: Sequence[Field]) -> Iterator[Row]:
    """Give rows of these fields only; a stream is closed with this one."""
    try:
        for row in rows:
            yield {field.name: row[field.name] for field in fields}
    finally:
        getattr(rows, "close", lambda: None)()


def embedded(row: Row, names: Sequence[str], model: Any) -> Row:
    """Give a row whose foreign keys are replaced by the rows that they point to."""
    shown = dict(row)
    for name in names:
        follow: Callable[[str], Any] = getattr(model, "follow", lambda name: None)
        target = follow(name) if name in row else None
        if target is None:
            raise QueryError("embed", f"{name[:50]!r} is no column that leads to other rows here.")
        try:
            shown[name] = None if row[name] is None else target.retrieve(row[name])
        except NotFoundError:
            shown[name] = None
    return shown


def columns_only(
    app: "ModelCollection", request: Request, rows: Iterable[Row], fields: Sequence[Field]
) -> Iterator[Row]:
    """Give rows of these fields; a feed needs the key besides, to link to each of them."""
    linked = negotiate(request, app.media).format == "atom"
    return iter(rows) if linked else projected(rows, fields)


def show(
    app: "ModelCollection", request: Request, model: Any, store: Any, row: Row, query: Query
) -> Row:
    """Give a row as it is shown; read what its page shows besides, and tell the template.

    Args:
        app: The collection.
        request: The request.
        model: The narrowed model.
        store: The same in the page's transaction, where it can only be read.
        row: The row as it is stored.
        query: Its columns, and what is embedded.
    """
    request.environ["wsgikit.action"] = "retrieve"
    fields = app.tell(request, model, query)
    shown = embedded(row, query.embed, store)
    if not app.is_page(request):
        return next(columns_only(app, request, [shown], fields)) if query.fields else shown
    relations = Relations(request, store)
    relations.learn((field, row[field.name]) for field in fields if field.references)
    around = neighbours(store, row) if model.key else {}
    url = links.url_maker(app, request, model)
    context = {
        "meta": fields,
        "row": shown,
        "heading": pages.heading_of(model, row),
        "label_of": relations.label_of,
        "reference": relations.reference,
        "backlinks": app.backlinks(request, store, row),
        "neighbours": {way: other and url(other) for way, other in around.items()},
    }
    app.describe_page(request, model, context)
    return shown
