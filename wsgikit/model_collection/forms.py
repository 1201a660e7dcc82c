"""Answering a form: empty, filled from a row, or again with what was wrong with it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from webob import Request, Response

from wsgikit.media import respond
from wsgikit.model import ModelError, Row, VersionError
from wsgikit.model_collection import pages
from wsgikit.model_collection.reading import Sent
from wsgikit.model_collection.relations import Relations, snapshot
from wsgikit.model_collection.writing import version_in

if TYPE_CHECKING:
    from wsgikit.model_collection import ModelCollection

NEW, EDIT, DELETE = "get_new_form", "get_edit_form", "get_delete_form"


def answer(
    app: "ModelCollection",
    request: Request,
    model: Any,
    *,
    key: tuple[Any, ...] | None = None,
    sent: Sent | None = None,
    error: ModelError | None = None,
    action: str | None = None,
) -> Response:
    """Answer a form.

    Args:
        app: The collection.
        request: The request.
        model: The narrowed model.
        key: The row's key; `None` for a new row.
        sent: What was sent, if this is the form again.
        error: Why.
        action: The template; by default the new or the edit form's.

    Raises:
        DeniedError: If the model is read-only.
    """
    model = app.writable(model)
    sent = sent or Sent({})
    with snapshot(model) as store:
        row = None if key is None else store.retrieve(key)
        action = action or (NEW if row is None else EDIT)
        fields = pages.form_fields(model, row)
        shown = pages.form_state(fields, row, sent.texts, error, sent.seen)
        relations = Relations(request, store)
        shown["choices"] = relations.choices(shown["meta"], shown["values"])
        if row is not None and action == DELETE:
            relations.learn((f, row[f.name]) for f in shown["meta"] if f.references)
            shown["referring"] = app.backlinks(request, store, row)
    request.environ["wsgikit.action"] = action
    shown["version"] = None if row is None else _version(model, row, sent, error)
    shown |= {"label_of": relations.label_of, "reference": relations.reference}
    app.describe_page(request, model, shown)
    status = pages.form_status(error)
    # A program would have got a problem, or the row.
    vary = [("Vary", "Accept")] if len(app.media) > 1 else []
    return respond(shown["values"], request, app.pages, status=status, headers=vary)


def anew(
    app: "ModelCollection",
    request: Request,
    model: Any,
    *,
    key: tuple[Any, ...],
    sent: Sent,
    error: ModelError,
) -> Response:
    """Answer the form for a new row with what was typed for one that is gone."""
    named = dict(zip(model.key, map(pages.form_text, key), strict=True))
    sent = replace(sent, texts={**named, **(sent.texts or {})}, version=None)
    return answer(app, request, model, sent=sent, error=error)


def _version(model: Any, row: Row, sent: Sent, error: ModelError | None) -> str:
    """Give the version that a form is about: the one that was seen, whatever is stored by now."""
    if sent.version is None or isinstance(error, VersionError):
        return version_in(model, row)
    return sent.version
