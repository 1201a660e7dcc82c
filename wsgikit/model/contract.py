"""The contract itself: `Model`, `Page`, and what a model raises."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wsgikit.model.fields import Field
from wsgikit.query import Query

Row = dict[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one value.

    Attributes:
        field: The field's name; empty when no single field is at fault.
        code: One of `required type length range choice unique reference in_use check
            unknown read_only`.
        detail: One sentence for people.
    """

    field: str
    code: str
    detail: str


class ModelError(Exception):
    """The base of what a model raises on purpose."""


class NotFoundError(ModelError, KeyError):
    """There is no row of this key."""


class RefusedError(ModelError):
    """The values cannot be stored; `errors` says which and why."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{e.field}: {e.detail}" for e in self.errors))


class ValidationError(RefusedError, ValueError):
    """The values themselves are wrong; one entry per field."""


class ConflictError(RefusedError):
    """The values are right, but clash with other rows."""


class VersionError(ModelError):
    """The row is no longer the version that the caller saw; `row` is what it is now."""

    def __init__(self, row: Row) -> None:
        self.row = row
        super().__init__("The row was changed in the meantime.")


class DeniedError(ModelError, PermissionError):
    """This model, or its database, does not allow the operation."""


class UnavailableError(ModelError):
    """The store cannot be reached, or is busy.

    Attributes:
        retry_after: Seconds after which another try is worthwhile.
    """

    def __init__(self, detail: str, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreError(ModelError):
    """The store failed in a way that is nobody's fault who asked; the cause is chained."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and where to go from here.

    Attributes:
        data: The rows.
        next: The cursor of the following page (a URL once a collection has rendered it).
        prev: The cursor of the page before.
        count: How many rows there are in all, where that was asked for.
    """

    data: Sequence[Row]
    next: str | None = None
    prev: str | None = None
    count: int | None = None


class Model(Protocol):
    """A table seen through six verbs.

    A key is a tuple of values in the order of `key`; a model of one key column also takes
    the bare value.  A model may have these as well: `name` (a word for people and links),
    `read_only` (`False`, or a sentence that says why nothing can be written), `label` (the
    field that stands for a row) and `version(row)` (its version as text; without it, a
    digest of the row).

    Every verb raises `UnavailableError` when the store cannot be reached, and `StoreError`
    when it fails in an unforeseen way.
    """

    @property
    def fields(self) -> Sequence[Field]:
        """The fields, in the order in which they are shown."""

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key fields; empty when rows cannot be told apart."""

    def list(self, query: Query) -> Page:
        """Give the page that the query names.

        Raises:
            QueryError: If the query's cursor is not one of this list.
        """

    def retrieve(self, key: Any) -> Row:
        """Give the row of a key.

        Raises:
            NotFoundError: If there is none.
        """

    def create(self, values: Values) -> Row:
        """Store a new row, and give it as it was stored.

        Raises:
            ValidationError: If the values do not fit.
            ConflictError: If another row stands in the way.
        """

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        """Change the given fields of a row, and give it as it was stored.

        Args:
            key: The key of the row.
            values: The fields to change; `DEFAULT` sets one to what a new row would get.
            version: Change it only if this is its version, in one step with the change.

        Raises:
            NotFoundError, ValidationError, ConflictError: As above.
            VersionError: If the row has another version.
        """

    def delete(self, key: Any, version: str | None = None) -> None:
        """Remove a row.

        Raises:
            NotFoundError, VersionError: As above.
            ConflictError: If other rows refer to it.
        """

    def stream(self, query: Query) -> Iterator[Row]:
        """Give all rows that the query selects, one by one, at constant memory."""
