"""What the pages of a collection show: the texts of a form, and what was wrong with them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from wsgikit.model import ConflictError, Field, ModelError, Row, VersionError, immutable, to_text
from wsgikit.model_collection.wording import Wording

CHANGED = "Somebody else changed this row in the meantime; nothing was saved."


#: What the pages of a row are called in the breadcrumbs, after the row.
LAST = {
    "get_new_form": Wording("New"),
    "get_edit_form": Wording("Edit"),
    "get_delete_form": Wording("Delete"),
    "get_import_form": Wording("Import"),
    "post_import": Wording("Import"),
    "post_selection": Wording("Selected rows"),
}

Crumb = dict[str, str | None]


def heading_of(model: Any, row: Row) -> str:
    """Name a row for people: by its label, else by its key."""
    label = getattr(model, "label", None)
    if label in row and row[label] not in (None, ""):
        return to_text(row[label]) or ""
    return ", ".join(to_text(row[name]) or "" for name in model.key if name in row)


def breadcrumbs(
    home: str | None,
    base: Crumb,
    row: Crumb | None = None,
    last: str | None = None,
    above: Sequence[Crumb] = (),
) -> Sequence[Crumb]:
    """Give the way to a page: texts and URLs, the last without one.

    Args:
        home: The URL of the home page, if there is one.
        base: The collection.
        row: The row, on one of its pages.
        last: What the page is called, if it is none of these; empty for one that calls itself
            something.
        above: What is between the home page and the collection.
    """
    first: Crumb | None = {"text": Wording("Home"), "href": home} if home else None
    way: list[Crumb] = [step for step in (first, *above, base, row) if step is not None]
    if last is None:
        way[-1] = {**way[-1], "href": None}
    return [*way, {"text": last, "href": None}] if last else way


def form_fields(model: Any, row: Row | None) -> Sequence[Field]:
    """Give the fields of a form: a new row's key that the store gives is not asked for."""
    if row is not None:
        return [immutable(f) if f.name in model.key else f for f in model.fields]
    return [f for f in model.fields if f.writable and not (f.name in model.key and f.has_default)]


def form_text(value: Any) -> str | None:
    """Write a value as a control of a form keeps it.

    Browsers shorten a local time: without seconds that are zero, or zeros at the end (HTML,
    "normalized local date and time string").
    """
    if isinstance(value, datetime | time) and value.tzinfo is None:
        text = value.isoformat(timespec="auto" if value.second or value.microsecond else "minutes")
        return text.rstrip("0") if value.microsecond else text
    return to_text(value)


def form_state(
    fields: Sequence[Field],
    row: Row | None,
    typed: Mapping[str, Any] | None,
    error: ModelError | None,
) -> dict[str, Any]:
    """Give what a form shows: its values, its errors, and the conflict with what is stored now.

    Args:
        fields: Those of the form.
        row: The stored row; `None` for a new one.
        typed: What was typed, if this is the form again.
        error: Why it is.
    """
    stored = {f.name: form_text(f.default if row is None else row[f.name]) for f in fields}
    texts = stored | {name: _shown(value) for name, value in (typed or {}).items()}
    conflict = None
    if isinstance(error, VersionError):
        conflict = {n: t for n, t in stored.items() if n in texts and _differ(t, texts[n])}
    return {
        "row": row,
        "meta": fields,
        "values": texts,
        "errors": messages(error),
        "conflict": conflict,
        "formats": (),
    }


def messages(error: ModelError | None) -> dict[str, Sequence[str]]:
    """Give the messages for each field; general ones under the empty name."""
    if isinstance(error, VersionError):
        return {"": [CHANGED]}
    found: dict[str, Any] = {}
    for item in getattr(error, "errors", ()):
        found.setdefault(item.field, []).append(item.detail)
    return found


def form_status(error: ModelError | None) -> int:
    """Give the status of a form that is shown because of an error, or of none."""
    if error is None:
        return 200
    if isinstance(error, VersionError):
        return 412
    return 409 if isinstance(error, ConflictError) else 422


def _shown(value: Any) -> str | None:
    """Give what was typed to be shown again; a file, or a value given twice, cannot be."""
    return value if isinstance(value, str) else None


def _differ(one: str | None, other: str | None) -> bool:
    return (one or "").replace("\r\n", "\n") != (other or "").replace("\r\n", "\n")
