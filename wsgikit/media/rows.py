"""What formats of rows share: the rows of a value, their columns and their title."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from webob import Request

from wsgikit.media.kinds import CHUNK, close

#: The members of a list that a collection renders.
_ENVELOPE = frozenset({"data", "next", "prev", "count", "count_exact"})


def rows_of(value: Any) -> Iterable[Any] | None:
    """Return the rows of a list, an iterator or a page; None for what is one thing."""
    if isinstance(value, list | tuple | Iterator):
        return value
    page = page_of(value)
    rows: Iterable[Any] | None = None if page is None else page["data"]
    return rows


def page_of(value: Any) -> Mapping[str, Any] | None:
    """Return the members of a page, None for anything else.

    A page is anything with the attributes `data`, `next`, `prev` and `count`; or a mapping
    whose `data` is a list among no other members than those and `count_exact`, or an iterator.
    """
    if isinstance(value, Mapping):
        data = value.get("data")
        listed = isinstance(data, list | tuple) and value.keys() <= _ENVELOPE
        return value if listed or isinstance(data, Iterator) else None
    try:
        page = {"data": value.data, "next": value.next, "prev": value.prev, "count": value.count}
    except AttributeError:
        return None
    if page["count"] is None:
        del page["count"]
    elif getattr(value, "count_exact", None) is not None:
        page["count_exact"] = value.count_exact
    return page


def columns_of(request: Request, *rows: Any) -> tuple[Any, ...]:
    """Return `wsgikit.columns`: in order, what has a `name`, a `kind` and a `label`.

    Args:
        rows: Rows that they must describe by having all of their names; else they are left
            aside, since an action may well answer with something else than the model's rows.
    """
    columns = tuple(request.environ.get("wsgikit.columns", ()))
    names = {column.name for column in columns}
    described = all(isinstance(row, Mapping) and names <= row.keys() for row in rows)
    return columns if described else ()


def title_of(request: Request) -> str:
    """Return what the answer is called: `wsgikit.title`, else the last part of the path."""
    environ = request.environ
    # PEP 3333: the bytes of the path arrive as if they were Latin-1.
    raw = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    path = raw.decode("utf-8", "replace").strip("/")
    return str(environ.get("wsgikit.title") or path.rpartition("/")[2])


def deliver(pieces: Iterable[bytes], rows: Iterable[Any]) -> bytes | Iterator[bytes]:
    """Join the pieces that were made of a list; stream those made of an iterator.

    Args:
        pieces: They are joined into chunks of `CHUNK` bytes and a little more.
        rows: What they are made of. An iterator is closed at the end, if it can be.
    """
    return _in_chunks(pieces, rows) if isinstance(rows, Iterator) else b"".join(pieces)


def _in_chunks(pieces: Iterable[bytes], rows: Iterator[Any]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield b"".join(held)
                held.clear()
                size = 0
        yield b"".join(held)
    finally:
        close(rows)
