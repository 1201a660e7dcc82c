"""Pages: from the rows that were read, with the cursors of the neighbours."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from wsgikit.model.contract import Page, Row
from wsgikit.model.fields import NONFINITE, Field, Unfit, to_text
from wsgikit.query import FOREIGN_CURSOR, Cursor, Part, QueryError, decode_cursor, encode_cursor

T = TypeVar("T")

#: How far a bounded count goes.  A person reads no further, and the database stops there.
COUNT_BOUND = 10_000


def read_position(text: str | None, ordering: str, length: int) -> Cursor | None:
    """Read the cursor of a query, with the Python values of its position.

    Args:
        text: The cursor; `None` for the first page.
        ordering: As in `wsgikit.query.encode_cursor`.
        length: How many columns order the list.

    Raises:
        QueryError: If it is no cursor of this ordering.
    """
    if text is None:
        return None
    cursor = decode_cursor(text, ordering, length)
    try:
        return Cursor(tuple(map(_read_part, cursor.position)), cursor.backward)
    except (Unfit, LookupError) as error:
        raise foreign_cursor() from error


def foreign_cursor() -> QueryError:
    """Make the refusal of a cursor that does not come from here."""
    return QueryError("cursor", FOREIGN_CURSOR)


#: How values that JSON cannot spell travel in cursors: by kind.
_PARTS = {
    kind: Field("part", kind, nonfinite=NONFINITE)
    for kind in ("decimal", "date", "time", "interval", "uuid", "binary", "float")
}
_PARTS["datetime"] = Field("part", "datetime")
_PARTS["moment"] = Field("part", "datetime", timezone=True)
_PARTS["clock"] = Field("part", "time", timezone=True)
_PART_KINDS = {Decimal: "decimal", date: "date", timedelta: "interval",
               UUID: "uuid", bytes: "binary", float: "float"}  # fmt: skip


def _read_part(part: Any) -> Any:
    if isinstance(part, list):
        return _PARTS[part[0]].read(part[1])
    if isinstance(part, int) and abs(part) >= 2**64:
        raise Unfit("range", "is no key")
    if isinstance(part, float) and not math.isfinite(part):
        raise Unfit("range", "is no key")
    return part


def _write_part(value: Any) -> Part:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return ["datetime" if value.tzinfo is None else "moment", value.isoformat()]
    if isinstance(value, time):
        return ["time" if value.tzinfo is None else "clock", value.isoformat()]
    kind = _PART_KINDS.get(type(value))
    return str(value) if kind is None else [kind, to_text(value) or ""]


def make_page(
    rows: Sequence[Row],
    limit: int,
    cursor: Cursor | None,
    ordering: str,
    columns: Sequence[str],
) -> Page:
    """Cut what was read for a page to its size, and give the cursors of its neighbours.

    Args:
        rows: Up to *limit* + 1 rows, in order; the one too many tells that there are more,
            after the page or (going backward) before it.
        limit: Rows of the page.
        cursor: Where the page begins; `None` for the first.
        ordering: As in `wsgikit.query.encode_cursor`.
        columns: The names of the ordering columns.
    """
    return Page(*cut_page(rows, limit, cursor, ordering, lambda row: [row[n] for n in columns]))


def cut_page(
    rows: Sequence[T],
    limit: int,
    cursor: Cursor | None,
    ordering: str,
    position: Callable[[T], Iterable[Any]],
) -> tuple[Sequence[T], str | None, str | None]:
    """Do what `make_page` does for rows of any form.

    Args:
        rows, limit, cursor, ordering: As for `make_page`.
        position: Gives the values of the ordering columns of a row.

    Returns:
        The rows of the page, and the cursors of the following page and of the one before.
    """
    backward = cursor is not None and cursor.backward
    more = len(rows) > limit
    if more:
        rows = rows[1:] if backward else rows[:-1]

    def neighbour(row: T, *, backward: bool) -> str:
        return encode_cursor(Cursor(tuple(map(_write_part, position(row))), backward), ordering)

    if not rows:
        return (), None, None
    after = neighbour(rows[-1], backward=False) if more or backward else None
    has_before = more if backward else cursor is not None
    return rows, after, neighbour(rows[0], backward=True) if has_before else None
