"""Requests that may safely be sent again: the records behind ``Idempotency-Key``.

A client that got no answer sends its `POST` again, with the same key.  The record of a key is
written in the transaction that writes the rows: either both are stored, or neither is.

The records are rows of a model of the same store, with the fields `FIELDS`, for example a
`wsgikit.sql.TableModel` over `wsgikit.sql.idempotency_table()`.

How a request with a key proceeds, all in one transaction:

1. If there is a record, its fingerprint is compared.  The same request gets the rows that were
   made then, as they are now; another one is refused (`KeyReuseError`).
2. If there is none, it is written first.  Where another request is at it at the same time, the
   store makes us wait and then refuses: everything is repeated, and finds the record.
3. The rows are written, and their identifiers are put into the record.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from webob import Request, exc

from wsgikit.model import (
    ConflictError,
    Field,
    ModelError,
    NotFoundError,
    RetryError,
    to_text,
)
from wsgikit.query import Comparison, Query

#: What a model of records needs.
FIELDS = (
    Field("key", length=64, nullable=False, required=True),
    Field("fingerprint", length=64, nullable=False, required=True),
    Field("result", "json"),
    Field("created", "datetime", nullable=False, required=True),
)

#: How long a record is kept, at least.
LIFETIME = timedelta(hours=24)

#: Records that are removed at a time, and how often that is done: once in so many new ones.
SWEEP = 1000

#: Characters of a key.
MAX_KEY = 255

logger = logging.getLogger("wsgikit")


class KeyReuseError(ModelError):
    """The key was used for another request."""


@dataclass(frozen=True)
class Done:
    """What a request did: the identifiers of its rows, where they are known, and their number."""

    ids: Sequence[str | None]
    count: int
    created: int
    replayed: bool = False


class Fingerprint:
    """A digest of what was sent, taken while it passes."""

    def __init__(self, request: Request, *, many: bool = False) -> None:
        self._digest = hashlib.sha256()
        kind = f"{request.content_type} {many}"
        for part in (request.method, request.path_qs, request.headers.get("Prefer", ""), kind):
            self._add(part)

    def of(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the values of a row into account, and give them back."""
        self._add(json.dumps(values, sort_keys=True, default=to_text))
        return values

    def watch(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Give rows as they are, and take each into account."""
        return map(self.of, rows)

    @property
    def text(self) -> str:
        """The digest of all until now: 64 hexadecimal digits."""
        return self._digest.hexdigest()

    def _add(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._digest.update(b"%d:%s" % (len(data), data))


def key_of(request: Request) -> str | None:
    """Give the name of the record of a request: nobody else's key leads to it.

    Who that is, `REMOTE_USER` says, else the `Authorization` header.

    Raises:
        HTTPBadRequest: If its `Idempotency-Key` is empty or too long.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY:
        raise exc.HTTPBadRequest(f"An Idempotency-Key has 1 to {MAX_KEY} characters.")
    who = request.environ.get("REMOTE_USER") or request.headers.get("Authorization", "")
    return hashlib.sha256(repr((who, request.path, key)).encode()).hexdigest()


def claim(records: Any, key: str) -> Mapping[str, Any] | None:
    """Give the record of a key; `None` if there was none, and now is a new one.

    Args:
        records: The model of records, in the transaction that is going to write.
        key: What `key_of` gave.

    Raises:
        RetryError: If another request with this key has just been done.
    """
    try:
        found: Mapping[str, Any] = records.retrieve(key)
        return found
    except NotFoundError:
        pass
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try:
        records.create({"key": key, "fingerprint": "", "created": now})
    except ConflictError as error:
        raise RetryError("The same request is being done by another worker.", 1) from error
    return None


def settle(records: Any, key: str, fingerprint: Fingerprint, done: Done) -> None:
    """Complete the record of a key with what was done."""
    result = {"ids": list(done.ids), "count": done.count, "created": done.created}
    records.update(key, {"fingerprint": fingerprint.text, "result": result})


def replay(record: Mapping[str, Any], fingerprint: Fingerprint) -> Done:
    """Give what the request of a record did.

    Raises:
        KeyReuseError: If that was another request than this one.
    """
    if record["fingerprint"] != fingerprint.text:
        raise KeyReuseError("This Idempotency-Key was used for another request.")
    return Done(**record["result"], replayed=True)


def sweep(records: Any) -> None:
    """Remove some records that are too old to matter.

    What the request did is done by now; that the store is busy must not make an error of it.
    """
    before = (datetime.now(UTC) - LIFETIME).replace(tzinfo=None, microsecond=0)
    old = Comparison("created", "lt", (before,), "created", texts=False)
    try:
        found = records.list(Query(limit=SWEEP, filter=old, fields=("key",))).data
        keys = tuple(row["key"] for row in found)
        if keys:
            these = Comparison("key", "in", keys, "key", texts=False)
            records.delete_where(Query(filter=these), len(keys))
    except ModelError:
        logger.exception("old records of idempotent requests cannot be removed now")
