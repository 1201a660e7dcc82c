"""Many rows at once: what people ticked, or all rows of a list, to delete, change or export.

A form to ``/people/;selection?<the query of the list>`` sends the rows and what to do with them:

| field | what it says |
|---|---|
| `id` | the identifiers of rows as in their URLs, several times or with blanks between them |
| `all=1` | instead of these: all rows that the query of the URL selects |
| `action` | `delete`, `set` or `export` |
| `field`, `value` | for `set`: the column, and what a form would send for it |
| `format` | for `export`: `csv`, `json` or another format of the collection |
| `confirm=1` | do it; without this the answer is a page that says how many rows it would be |
| `_version` | which state of these rows was confirmed; the page sends it along |

The write is one transaction: all of it is done, or nothing.  Nothing is done either if a row was
changed since the page was shown, if other rows match by now, or if there are more than the
collection's `bulk_limit`; the page is shown again then.  No rows, or one that is not there, is
refused: a mistake must not mean all rows.

Up to 1,000 rows are looked at and locked one by one.  Of more rows only the number is compared.

Here is which rows these are, and what is done to them; `confirming` has the answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from typing import Any

from webob import exc

from wsgikit.media import Form
from wsgikit.model import (
    DeniedError,
    Field,
    LimitError,
    ModelError,
    NotFoundError,
    Row,
    Text,
    VersionError,
    decode_key,
)
from wsgikit.model.paging import COUNT_BOUND
from wsgikit.model_collection import links
from wsgikit.model_collection.relations import pages_of
from wsgikit.model_collection.wording import Wording
from wsgikit.model_collection.writing import version_in
from wsgikit.query import And, Comparison, Condition, Or, Query, QueryError

ACTIONS = ("delete", "set", "export")

#: Rows that are looked at one by one.
MAX_ROWS = 1000

#: Rows that the confirmation shows.
MAX_SHOWN = 20

#: Keys of one statement.  SQLite takes expressions of at most 1,000 levels.
_CHUNK = 100

CHANGED = Wording("These rows have changed in the meantime; nothing was done yet.")
NO_ROW = Wording("No row was chosen, so nothing was done.")


class ChangedError(ModelError):
    """The rows are no longer those that somebody confirmed."""


# -- what is asked ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """What is to be done, and with which rows.

    Attributes:
        action: One of `ACTIONS`.
        ids: The identifiers of the rows, perhaps none; `None` for all that the query selects.
        query: What selects rows, in which order they come, and with which fields.
        field: The column that is set.
        value: What it is set to, as a form sends it; `None` if that is still to be said.
        format: The format of an export.
        version: The state of the rows that was confirmed.
        confirmed: Whether to do it.
    """

    action: str
    ids: tuple[str, ...] | None
    query: Query
    field: str
    value: str | None
    format: str
    version: str
    confirmed: bool


def read_order(form: Any, query: Query) -> Order:
    """Read a form.

    Raises:
        HTTPBadRequest: If it is none, or one that does not say what to do.
    """
    if not isinstance(form, Form):
        raise exc.HTTPBadRequest("Send a form, with action, and id or all.")
    action = _one(form, "action")
    if action not in ACTIONS:
        raise exc.HTTPBadRequest(f"The action must be one of {', '.join(ACTIONS)}.")
    everything = _one(form, "all")
    if everything not in ("", "1"):
        raise exc.HTTPBadRequest("all must be 1, or left out.")
    ids = tuple(dict.fromkeys(_ids(form)))
    return Order(
        action,
        None if everything else ids,
        replace(query, limit=None, cursor=None, count="", embed=(), whole=False),
        _one(form, "field"),
        _one(form, "value") if "value" in form else None,
        _one(form, "format"),
        _one(form, "_version"),
        _one(form, "confirm") == "1",
    )


def _one(form: Form, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise exc.HTTPBadRequest(f"Give {name} once, as text.")
    return value


def _ids(form: Form) -> Iterator[str]:
    found = form.get("id", [])
    for value in found if isinstance(found, list) else [found]:
        if not isinstance(value, str):
            raise exc.HTTPBadRequest("An id is no file.")
        yield from value.split()


# -- which rows it is ------------------------------------------------------------------------


@dataclass(frozen=True)
class Selection:
    """The rows of an order, as they are now.

    Attributes:
        rows: All of them, or the first ones.
        count: How many they are.
        query: What selects them.
    """

    rows: Sequence[Row]
    count: int
    query: Query

    @property
    def complete(self) -> bool:
        """Whether all rows are known, and not only how many they are."""
        return len(self.rows) == self.count

    def version(self, store: Any) -> str:
        """Name the state of these rows."""
        if not self.complete:
            return str(self.count)
        digest = sha256()
        for part in sorted(repr((_key_of(store, r), version_in(store, r))) for r in self.rows):
            digest.update(part.encode("utf-8", "surrogatepass"))
        return f"{self.count}-{digest.hexdigest()[:22]}"


def select(store: Any, order: Order, key: Sequence[Field], ceiling: int) -> Selection:
    """Find the rows of an order.

    Args:
        store: The narrowed model.
        order: What is asked.
        key: The fields of the model's key.
        ceiling: How many there may be.

    Raises:
        NotFoundError: If one of them is not there.
        LimitError: If there are too many.
        QueryError: If the query selects none.
    """
    if order.ids is not None:
        if len(order.ids) > ceiling:
            raise LimitError(ceiling)
        chosen = [store.retrieve(decode_key(id, key)) for id in order.ids]
        return Selection(chosen, len(chosen), order.query)
    query = Query(filter=order.query.filter, search=order.query.search, sort=order.query.sort)
    rows = _first(store, query, min(ceiling, MAX_ROWS) + 1)
    if not rows:
        raise QueryError("", "No row matches, so nothing was done.")
    count = len(rows) if len(rows) <= min(ceiling, MAX_ROWS) else _count(store, query, ceiling)
    if count > ceiling:
        raise LimitError(ceiling)
    if any(links.row_id(row, key) is None for row in rows):
        raise DeniedError("One of these rows has a key that no URL can spell.")
    return Selection(rows if count <= MAX_ROWS else rows[:MAX_SHOWN], count, query)


def remaining(store: Any, order: Order, key: Sequence[Field]) -> Order:
    """Give an order without the rows that are gone by now.

    Raises:
        NotFoundError: If all of them are.
    """
    if order.ids is None:
        return order
    there = tuple(id for id in order.ids if _is_there(store, id, key))
    if not there:
        raise NotFoundError
    return replace(order, ids=there)


def _is_there(store: Any, id: str, key: Sequence[Field]) -> bool:
    try:
        store.retrieve(decode_key(id, key))
    except NotFoundError:
        return False
    return True


def _first(store: Any, query: Query, number: int) -> Sequence[Row]:
    found = pages_of(store, replace(query, limit=min(number, MAX_ROWS)))
    return [*islice((row for rows in found for row in rows), number)]


def _count(store: Any, query: Query, ceiling: int) -> int:
    """Count the rows of a query, which are more than a few; more than the ceiling is enough."""
    page = store.list(
        replace(
            query,
            limit=1,
            sort=(),
            fields=store.key,
            count="exact" if ceiling >= COUNT_BOUND else "bounded",
        )
    )
    return ceiling + 1 if page.count is None or not page.count_exact else int(page.count)


def _key_of(model: Any, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in model.key)


# -- doing it --------------------------------------------------------------------------------


def carry_out(store: Any, order: Order, selection: Selection) -> int:
    """Delete or change the rows of a selection, in a transaction; say how many.

    Raises:
        ChangedError: If they are no longer those that were found.
        ValidationError, ConflictError: As the model.
    """
    if not selection.complete:
        return _expect(selection.count, _write(store, order, selection.query, selection.count))
    try:
        # The rows are locked, all of them, before the first one is written.
        for row in selection.rows:
            store.update(_key_of(store, row), {}, version_in(store, row))
    except (VersionError, NotFoundError) as error:
        raise ChangedError from error
    if not hasattr(store, "delete_where"):
        return _one_by_one(store, order, selection.rows)
    done, rows = 0, [*selection.rows]
    while rows:
        some, rows = rows[:_CHUNK], rows[_CHUNK:]
        condition = _of_keys(store.key, [_key_of(store, row) for row in some])
        done += _expect(len(some), _write(store, order, Query(filter=condition), len(some)))
    return done


def _write(store: Any, order: Order, query: Query, ceiling: int) -> int:
    query = Query(filter=query.filter, search=query.search)
    if not hasattr(store, "delete_where"):
        raise DeniedError("This store writes one row at a time.")
    try:
        if order.action == "delete":
            return int(store.delete_where(query, ceiling))
        return int(store.update_where(query, _values(order), ceiling))
    except LimitError as error:
        raise ChangedError from error


def _one_by_one(store: Any, order: Order, rows: Iterable[Row]) -> int:
    count = 0
    for row in rows:
        if order.action == "delete":
            store.delete(_key_of(store, row))
        else:
            store.update(_key_of(store, row), _values(order))
        count += 1
    return count


def _values(order: Order) -> Mapping[str, Any]:
    return {order.field: Text(order.value or "")}


def _expect(count: int, done: int) -> int:
    if done != count:
        raise ChangedError
    return done


def _of_keys(names: Sequence[str], keys: Iterable[tuple[Any, ...]]) -> Condition:
    """Give the condition for the rows of some keys."""

    def part(name: str, operator: str, *values: Any) -> Comparison:
        return Comparison(name, operator, values, name, texts=False)

    if len(names) == 1:
        return part(names[0], "in", *(value for (value,) in keys))
    each = ((part(n, "eq", v) for n, v in zip(names, key, strict=True)) for key in keys)
    return Or(tuple(And(tuple(parts)) for parts in each))
