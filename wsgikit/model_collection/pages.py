"""What the pages of a collection show: the texts of a form, and what was wrong with them.

Where somebody else saved first, a form is merged with what they stored.  So it carries marks of the
values that it was made with: a text whose mark is among them was not touched, and what is stored
now takes its place.  Only where both sides changed something there is something to decide.
"""

import base64
import hashlib
from collections.abc import Container, Mapping, Sequence
from datetime import datetime, time
from types import MappingProxyType
from typing import Any

from wsgikit.media import Upload
from wsgikit.model import (
    ConflictError,
    Field,
    ModelError,
    NotFoundError,
    Row,
    VersionError,
    immutable,
    to_text,
)
from wsgikit.model.fields import newlines
from wsgikit.model_collection.wording import Wording

CHANGED = "Somebody else changed this row in the meantime; nothing was saved."
GONE = "Somebody else deleted this row in the meantime. Save to store what you typed as a new one."
AGAIN = "Choose the file again."


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
    seen: Container[str] = (),
) -> dict[str, Any]:
    """Give what a form shows: its values, its errors, and the conflict with what is stored now.

    Args:
        fields: Those of the form.
        row: The stored row; `None` for a new one.
        typed: What was typed, if this is the form again.
        error: Why it is.
        seen: The marks that came with it.
    """
    stored = {f.name: _stored(f, row) for f in fields}
    given = {name: _shown(value) for name, value in (typed or {}).items()}
    conflict, changed = None, frozenset[str]()
    if isinstance(error, VersionError):
        known = [f.name for f in fields if f.name in given and f.kind != "binary"]
        differ = [name for name in known if _differ(stored[name], given[name])]
        changed = frozenset(name for name in differ if mark(name, given[name]) in seen)
        both = [n for n in differ if n not in changed and mark(n, stored[n]) not in seen]
        conflict = {name: stored[name] for name in both}
    values = stored | {name: text for name, text in given.items() if name not in changed}
    return {
        "row": row,
        "meta": fields,
        "values": values,
        "seen": " ".join(mark(f.name, stored[f.name]) for f in fields if f.writable and row),
        "errors": messages(error, typed or {}),
        "conflict": conflict,
        "changed": changed,
        "formats": (),
    }


def _stored(field: Field, row: Row | None) -> str | None:
    # A control for files is always empty (HTML, 4.10.5.1.17).
    if field.kind == "binary":
        return None
    return form_text(field.default if row is None else row[field.name])


def mark(name: str, text: str | None) -> str:
    """Give the mark of a value that a form is made with: a few characters of a digest."""
    told = f"{name}\0{newlines(text or '')}".encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hashlib.blake2b(told, digest_size=6).digest()).decode("ascii")


def messages(
    error: ModelError | None, typed: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Sequence[str]]:
    """Give the messages for each field; general ones under the empty name.

    Args:
        error: What is wrong.
        typed: What was typed: a form that is shown again has lost its files.
    """
    found: dict[str, Any] = {}
    if isinstance(error, VersionError | NotFoundError):
        found[""] = [CHANGED if isinstance(error, VersionError) else GONE]
    for item in getattr(error, "errors", ()):
        found.setdefault(item.field, []).append(item.detail)
    for name, value in typed.items():
        if _has_file(value):
            found.setdefault(name, []).append(AGAIN)
    return found


def form_status(error: ModelError | None) -> int:
    """Give the status of a form that is shown because of an error, or of none."""
    if error is None:
        return 200
    if isinstance(error, VersionError):
        return 412
    if isinstance(error, NotFoundError):
        return 404
    return 409 if isinstance(error, ConflictError) else 422


def _shown(value: Any) -> str | None:
    """Give what was typed to be shown again; a file, or a value given twice, cannot be."""
    return value if isinstance(value, str) else None


def _has_file(value: Any) -> bool:
    return isinstance(value, Upload) or (isinstance(value, list) and any(map(_has_file, value)))


def _differ(one: str | None, other: str | None) -> bool:
    return newlines(one or "") != newlines(other or "")
