"""The answers about many rows: what a list offers, the question before, and what was done.

See `wsgikit.model_collection.selecting` for the form and for what becomes of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from webob import Request, Response, exc

from wsgikit.media import MediaType, respond
from wsgikit.model import (
    DeniedError,
    Field,
    FieldError,
    ModelError,
    NotFoundError,
    RefusedError,
    ValidationError,
    decode_key,
)
from wsgikit.model_collection import browsing, flashes, links, pages
from wsgikit.model_collection.relations import Relations, backlinks, snapshot
from wsgikit.model_collection.selecting import (
    ACTIONS,
    MAX_ROWS,
    MAX_SHOWN,
    NO_ROW,
    ChangedError,
    Order,
    Selection,
    carry_out,
    read_order,
    remaining,
    select,
)
from wsgikit.model_collection.showing import projected
from wsgikit.model_collection.wording import Wording
from wsgikit.model_collection.writing import transact
from wsgikit.query import Query

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection

IN_USE = Wording("Other rows refer to at least one of these.")


def offered(
    app: "ModelCollection", request: Request, model: Any, state: browsing.State
) -> dict[str, Any] | None:
    """Tell the template of a list what can be done with many rows; `None` for nothing."""
    url = _url(app, request, state) if "post_selection" in app.actions else None
    if url is None:
        return None
    formats = [kind.format for kind in app.others]
    actions = [name for name in ACTIONS if name == "export" or _may_write(model)]
    return {
        "url": url,
        "actions": actions if formats else actions[:-1],
        "ceiling": app.bulk_limit,
        "fields": settable(model) if "set" in actions else (),
        "formats": formats,
    }


def _url(app: "ModelCollection", request: Request, state: browsing.State) -> str | None:
    base = app.noun_url(request, "selection")
    return None if base is None else replace(state, base=base).url()


def _may_write(model: Any) -> bool:
    return not getattr(model, "read_only", False) and hasattr(model, "transaction")


def settable(model: Any) -> Sequence[Field]:
    """Give the fields that can be set to one value in many rows."""
    return [
        f for f in model.fields if f.writable and f.name not in model.key and f.kind != "binary"
    ]


def answer(app: "ModelCollection", request: Request, model: Any, query: Query) -> Response:
    """Answer a form about many rows.

    Args:
        app: The collection.
        request: The request.
        model: The narrowed model.
        query: That of the URL.
    """
    order = read_order(app.parse(request), query)
    if order.ids == ():
        return _refuse_none(app, request)
    key = links.key_fields(model)
    if order.action == "export":
        return _export(app, request, model, order)
    if not _may_write(model):
        raise DeniedError("Here, many rows cannot be written at once.")
    _require_settable(order, model)
    if not order.confirmed:
        return _ask(app, request, model, order)
    if app.require_match and not order.version:
        raise exc.HTTPPreconditionRequired("Send the _version that the confirmation shows.")

    def write(store: Any) -> int:
        selection = _confirmed(store, order, key, app.bulk_limit)
        return carry_out(store, order, selection)

    try:
        count = transact(model, write)
    except (RefusedError, ChangedError) as error:
        if not app.is_page(request):
            raise
        return _ask(app, request, model, order, error)
    return _done(app, request, order, count)


def _refuse_none(app: "ModelCollection", request: Request) -> Response:
    """Refuse to do it with no row; who looks at the list, and forgot to tick, is told there."""
    if not app.is_page(request):
        raise exc.HTTPBadRequest(NO_ROW)
    response = exc.HTTPSeeOther(location=_state(app, request).url())
    flashes.say(response, request, app.url(request), "chose_none")
    return response


def _confirmed(store: Any, order: Order, key: Sequence[Field], ceiling: int) -> Selection:
    """Find the rows of an order, which are still those that somebody confirmed."""
    try:
        selection = select(store, order, key, ceiling)
    except NotFoundError as error:
        if not order.version:
            raise
        raise ChangedError from error
    if order.version and order.version != selection.version(store):
        raise ChangedError
    return selection


def _require_settable(order: Order, model: Any) -> None:
    """Refuse a column that cannot be set, and a confirmed change that does not say to what."""
    if order.action != "set" or (not order.field and not order.confirmed):
        return
    if order.field not in [field.name for field in settable(model)]:
        message = "Is no column that can be set in many rows."
        raise ValidationError([FieldError(order.field, "unknown", message)])
    if order.confirmed and order.value is None:
        raise ValidationError([FieldError(order.field, "required", "Give a value.")])


def _state(app: "ModelCollection", request: Request) -> browsing.State:
    return browsing.State(app.url(request), links.parameters(request))


def _done(app: "ModelCollection", request: Request, order: Order, count: int) -> Response:
    if not app.is_page(request):
        return respond({"count": count}, request, app.media)
    response = exc.HTTPSeeOther(location=_state(app, request).url())
    code = "deleted" if order.action == "delete" else "set"
    flashes.say_count(response, request, app.url(request), code, count)
    return response


# -- confirming ------------------------------------------------------------------------------


def _ask(
    app: "ModelCollection",
    request: Request,
    model: Any,
    order: Order,
    error: ModelError | None = None,
) -> Response:
    """Ask whether to do it, with the number of rows; again, if something was wrong."""
    changed, key = isinstance(error, ChangedError), links.key_fields(model)
    with snapshot(model) as store:
        order = remaining(store, order, key) if changed else order
        selection = select(store, order, key, app.bulk_limit)
        version = selection.version(store)
        relations = Relations(request, store)
        shown = _confirmation(app, request, store, order, selection, relations, error)
    value = {"count": selection.count, "_version": version}
    shown |= {"hidden": _hidden(order, version), "changed": changed}
    if app.is_page(request):
        app.describe_page(request, model, shown)
    return respond(value, request, app.media, 412 if changed else pages.form_status(error))


def _confirmation(
    app: "ModelCollection",
    request: Request,
    store: Any,
    order: Order,
    selection: Selection,
    relations: Relations,
    error: ModelError | None,
) -> dict[str, Any]:
    """Give what the page shows."""
    state = _state(app, request)
    fields = browsing.telling_fields(store)
    rows = selection.rows[:MAX_SHOWN]
    relations.learn((f, row[f.name]) for row in rows for f in fields if f.references)
    control = _control(store, order)
    values = {} if control is None else {control.name: order.value}
    messages = pages.messages(error if isinstance(error, RefusedError) else None)
    if _is_in_use(error) and selection.count > 1:
        messages = {"": [IN_USE]}
    if control is not None and order.field in messages:
        messages[control.name] = messages.pop(order.field)
    return {
        "meta": fields,
        "data": rows,
        "order": order.action,
        "count": {"n": selection.count, "exact": True},
        "field": control,
        "fields": settable(store) if order.action == "set" else (),
        "values": values,
        "errors": messages,
        "choices": {} if control is None else relations.choices([control], values),
        "label_of": relations.label_of,
        "reference": relations.reference,
        "referring": _referring(app, request, store, order, selection),
        "post_url": _url(app, request, state),
        "cancel_url": state.url(),
        "formats": (),
    }


def _is_in_use(error: ModelError | None) -> bool:
    return any(one.code == "in_use" for one in getattr(error, "errors", ()))


def _referring(
    app: "ModelCollection", request: Request, store: Any, order: Order, selection: Selection
) -> Sequence[dict[str, Any]]:
    """Find what refers to rows that would be deleted; to nobody's gain if they are too many."""
    if order.action != "delete" or selection.count > MAX_SHOWN:
        return ()
    found = backlinks(request, app, store, selection.rows)
    return [link for link in found if link["count"] is None or link["count"]["n"]]


def _control(model: Any, order: Order) -> Field | None:
    """Give the field that the form asks for, under the name that the form has for it."""
    for field in settable(model):
        if order.action == "set" and field.name == order.field:
            return replace(field, name="value", required=not field.nullable)
    return None


def _hidden(order: Order, version: str) -> list[tuple[str, str]]:
    """Give what the form sends along: the same order, confirmed if nothing is missing."""
    pairs = [("all", "1")] if order.ids is None else [("id", " ".join(order.ids))]
    pairs.append(("action", order.action))
    if order.action == "set" and not order.field:
        return pairs
    pairs += [("field", order.field)] if order.field else []
    return [*pairs, ("_version", version), ("confirm", "1")]


# -- exporting -------------------------------------------------------------------------------


def _export(app: "ModelCollection", request: Request, model: Any, order: Order) -> Response:
    """Answer rows in another format; all of them where a link can name them."""
    offer = _offer(app.others, order.format)
    if order.ids is None:
        state = _state(app, request)
        limit = "all" if offer.format in links.WHOLE else state.get("limit")
        url = state.url(format=offer.format, limit=limit, count=None)
        return exc.HTTPSeeOther(location=url)
    if len(order.ids) > MAX_ROWS:
        # They are read one by one.
        raise exc.HTTPBadRequest(f"At most {MAX_ROWS} chosen rows are exported at once.")
    with snapshot(model) as store:
        key = links.key_fields(model)
        rows = [store.retrieve(decode_key(id, key)) for id in order.ids]
    fields = app.tell(request, model, order.query)
    value = {"data": [*projected(rows, fields)], "next": None, "prev": None}
    # What the form asks for counts, and not what the browser would like.
    environ = {**request.environ, "HTTP_ACCEPT": offer.name, "QUERY_STRING": ""}
    return respond(value, Request(environ), [offer])


def _offer(offers: Sequence[MediaType], name: str) -> MediaType:
    for offer in offers:
        if name in ("", offer.format):
            return offer
    able = ", ".join(offer.format for offer in offers) or "none"
    raise exc.HTTPBadRequest(f"There is no format {name[:50]!r}. There are: {able}.")
