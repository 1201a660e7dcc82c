"""Rows as they are shown: of some fields only, and with the rows that they refer to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from wsgikit.model import Field, NotFoundError, Row
from wsgikit.query import Query, QueryError


def shown_fields(model: Any, query: Query) -> Sequence[Field]:
    """Give the fields of a row that a query wants to see, in the order in which it says so.

    Raises:
        QueryError: If there is no such field.
    """
    known = {field.name: field for field in model.fields}
    if not query.fields:
        return tuple(known.values())
    more = [name for name in query.embed if name not in query.fields]
    for name in query.fields:
        if name not in known:
            raise QueryError("fields", f"There is no column {name[:50]!r}.")
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
