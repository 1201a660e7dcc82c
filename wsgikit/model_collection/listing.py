"""Answering a list: a page of rows for programs or for people, or all rows as a stream."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from webob import Request, Response

from wsgikit.media import negotiate, respond
from wsgikit.model_collection import browsing, confirming, links
from wsgikit.model_collection.relations import Relations, snapshot
from wsgikit.model_collection.showing import columns_only, projected
from wsgikit.query import Query, QueryError

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection


def answer(app: "ModelCollection", request: Request, model: Any, query: Query) -> Response:
    """Answer what a query asks of a list.

    Args:
        app: The collection.
        request: The request.
        model: The narrowed model.
        query: As the URL and perhaps the body say it.

    Raises:
        QueryError: If the list has no such thing.
    """
    if query.whole:
        return _whole(app, request, model, query)
    query, number = browsing.unnumbered(query)
    if app.is_page(request):
        return _page_for_people(app, request, model, query, number)
    page = model.list(query)
    cursors = browsing.numbered(page.next), browsing.numbered(page.prev)
    found = _neighbours(app, request, *cursors)
    fields = app.tell(request, model, query)
    rows = [*columns_only(app, request, page.data, fields)] if query.fields else page.data
    value: dict[str, Any] = {"data": rows, "next": found["next"], "prev": found["prev"]}
    if page.count is not None:
        value |= {"count": page.count, "count_exact": page.count_exact}
    return respond(value, request, app.media, headers=[_header(app, request, found)])


def _page_for_people(
    app: "ModelCollection", request: Request, model: Any, query: Query, number: int | None
) -> Response:
    """Answer one page of rows, with what a person may want to do next.

    Args:
        number: Which row of the list is the first, if the link to the page said so.
    """
    state = browsing.State(app.url(request), links.parameters(request))
    query = browsing.with_columns(query, model)
    with snapshot(model) as store:
        page = store.list(replace(query, count=query.count or "bounded"))
        fields = app.tell(request, model, query)
        first = browsing.first_row(page, number)
        cursors = browsing.neighbour_cursors(page, first, browsing.page_size(model, query))
        found = _neighbours(app, request, *cursors)
        relations = Relations(request, store)
        shown = browsing.list_context(state, query, store, page, fields, relations, app.formats)
    value = {"data": page.data, "next": found["next"], "prev": found["prev"]}
    key = app.key_fields(model)
    shown |= {
        "many": confirming.offered(app, request, model, state),
        "meta": fields,
        "range": browsing.row_range(page, first),
        "row_id": lambda row: links.row_id(row, key),
        **found,
        **value,
    }
    app.describe_page(request, model, shown)
    return respond(value, request, app.media, headers=[_header(app, request, found)])


def _whole(app: "ModelCollection", request: Request, model: Any, query: Query) -> Response:
    """Answer all rows as a stream."""
    if negotiate(request, app.media).format not in links.WHOLE:
        able = ", ".join(f"format={name}" for name in app.formats if name in links.WHOLE)
        raise QueryError("limit", f"All rows at once can be had with: {able or 'no format'}.")
    if query.count:
        raise QueryError("count", "is of no use where all rows come.")
    fields = app.tell(request, model, query)
    rows = model.stream(query)
    if query.fields:
        rows = projected(rows, fields)
    value = {"data": rows, "next": None, "prev": None}
    return respond(value, request, app.media, headers=[app.link_header(request, {})])


def _neighbours(
    app: "ModelCollection", request: Request, after: str | None, before: str | None
) -> dict[str, str | None]:
    """Give the URLs of the other pages, by their cursors."""
    url = app.url(request)
    return {
        "first": links.page_url(request, url, cursor=None),
        "prev": links.page_url(request, url, cursor=before) if before else None,
        "next": links.page_url(request, url, cursor=after) if after else None,
    }


def _header(
    app: "ModelCollection", request: Request, found: Mapping[str, str | None]
) -> tuple[str, str]:
    # The document of a QUERY is not in its URL.
    by_url = str(request.method) != "QUERY"
    formats = [(kind.format, kind.name) for kind in app.others if by_url]
    more = links.alternates(request, app.url(request), formats)
    return app.link_header(request, found, more)
