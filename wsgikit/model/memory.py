"""`MemoryModel`: a model in a dict, the worked example of the contract."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from wsgikit.model.contract import (
    ConflictError,
    FieldError,
    NotFoundError,
    Page,
    Row,
    ValidationError,
    Values,
    VersionError,
)
from wsgikit.model.fields import DEFAULT, REQUIRED, Field
from wsgikit.model.paging import foreign_cursor, make_page, read_position
from wsgikit.model.rows import clean, immutable, version_of
from wsgikit.query import Query, describe_ordering


class MemoryModel:
    """A model in a dict, for tests and prototypes: nothing outlives the process.

    Args:
        fields: The fields.  A key of one integer field that is not required counts up.
        key: The names of the key fields.
        name: What links and titles call it.
        page_size: Rows of a page when the query does not say.
        max_page_size: The most rows of a page.
    """

    read_only = False

    def __init__(
        self,
        fields: Iterable[Field],
        *,
        key: Sequence[str] = ("id",),
        name: str = "memory",
        page_size: int = 50,
        max_page_size: int = 1000,
    ) -> None:
        self.fields = tuple(fields)
        self.key = (key,) if isinstance(key, str) else tuple(key)
        self.name = name
        self.page_size = page_size
        self.max_page_size = max_page_size
        names = {field.name: field for field in self.fields}
        if not self.key or not set(self.key) <= set(names):
            raise ValueError(f"the key {self.key} is not among the fields {tuple(names)}")
        self._counts = len(self.key) == 1 and names[self.key[0]].kind == "integer"
        self._ordering = describe_ordering(name, self.key)
        self._rows: dict[tuple[Any, ...], Row] = {}
        self._highest = 0
        self._lock = threading.Lock()

    def list(self, query: Query) -> Page:
        """See `Model.list`."""
        limit = min(query.limit or self.page_size, self.max_page_size)
        cursor = read_position(query.cursor, self._ordering, len(self.key))
        with self._lock:
            keys = sorted(self._rows)
            try:
                if cursor is None:
                    chosen = keys[: limit + 1]
                elif cursor.backward:
                    chosen = [key for key in keys if key < cursor.position][-limit - 1 :]
                else:
                    chosen = [key for key in keys if key > cursor.position][: limit + 1]
            except TypeError as error:
                raise foreign_cursor() from error
            rows = [deepcopy(self._rows[key]) for key in chosen]
        return make_page(rows, limit, cursor, self._ordering, self.key)

    def stream(self, query: Query) -> Iterator[Row]:
        """See `Model.stream`."""
        with self._lock:
            rows = [deepcopy(self._rows[key]) for key in sorted(self._rows)]
        return iter(rows)

    def retrieve(self, key: Any) -> Row:
        """See `Model.retrieve`."""
        with self._lock:
            return deepcopy(self._find(key))

    def create(self, values: Values) -> Row:
        """See `Model.create`."""
        given = clean(self.fields, values)
        row = {f.name: deepcopy(given.get(f.name, f.default)) for f in self.fields}
        with self._lock:
            if self._counts and row[self.key[0]] is None:
                row[self.key[0]] = self._highest + 1
            missing = [name for name in self.key if row[name] is None]
            if missing:
                raise ValidationError([FieldError(n, "required", REQUIRED) for n in missing])
            key = tuple(row[name] for name in self.key)
            if key in self._rows:
                taken = FieldError(self.key[-1], "unique", "Another row has this key.")
                raise ConflictError([taken])
            if self._counts:
                self._highest = max(self._highest, key[0])
            self._rows[key] = row
            return deepcopy(row)

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """See `Model.update`."""
        fields = [immutable(field) if field.name in self.key else field for field in self.fields]
        with self._lock:
            row = self._find(key, version)
            for name, value in clean(fields, values, current=row).items():
                default = next(field.default for field in fields if field.name == name)
                row[name] = deepcopy(default if value is DEFAULT else value)
            return deepcopy(row)

    def delete(self, key: Any, version: str | None = None) -> None:
        """See `Model.delete`."""
        with self._lock:
            row = self._find(key, version)
            del self._rows[tuple(row[name] for name in self.key)]

    def _find(self, key: Any, version: str | None = None) -> Row:
        key = key if isinstance(key, tuple) else (key,)
        row = self._rows.get(key)
        # Python's 1, 1.0 and True are one key to a dict.
        if row is None or [type(row[n]) for n in self.key] != [type(part) for part in key]:
            raise NotFoundError(key)
        if version is not None and version != version_of(row):
            raise VersionError(deepcopy(row))
        return row
