"""The contract itself: `Model`, `Page`, and what a model raises."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from wsgikit.model.fields import Field
from wsgikit.query import Query

Row = dict[str, Any]
Values = Mapping[str, Any]

#: How many mistakes of a write of many rows are told.
MAX_ERRORS = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one value.

    Attributes:
        field: The field's name; empty when no single field is at fault.
        code: One of `required type length range choice unique reference in_use check
            unknown read_only`.
        detail: One sentence for people.
        row: Which row of many it is about, counted from 0; `None` if there is only one.
    """

    field: str
    code: str
    detail: str
    row: int | None = None


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


class RetryError(UnavailableError):
    """Everything was undone because of others; the very same may succeed now.

    A deadlock, a serialization failure, or a connection that was lost before anything was
    written.
    """


class LimitError(ModelError):
    """A write would touch more rows than it may; nothing was changed.

    Attributes:
        ceiling: How many it may touch.
    """

    def __init__(self, ceiling: int) -> None:
        super().__init__(f"This would change more than {ceiling} rows; nothing was changed.")
        self.ceiling = ceiling


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
        count_exact: Whether that is all of them, and not the bound of the count.
    """

    data: Sequence[Row]
    next: str | None = None
    prev: str | None = None
    count: int | None = None
    count_exact: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """What a write of many rows did.

    Attributes:
        count: How many rows were created or changed.
        created: How many of these are new.
        rows: Each as it was stored, in the order given; empty where that was not asked for.
    """

    count: int
    created: int
    rows: Sequence[Row] = ()


class Model(Protocol):
    """A table seen through six verbs.

    A key is a tuple of values in the order of `key`; a model of one key column also takes
    the bare value.  A model may have these as well:

    - `name`: a word for people and links; `label`: the field that stands for a row;
    - `kind`: a word for what it is, such as ``table`` or ``view``;
    - `read_only`: `False`, or a sentence that says why nothing can be written;
    - `version(row)`: its version as text; without it, a digest of the row;
    - `page_size` and `max_page_size`: rows of a page by default, and at most;
    - `search`: the names of the fields that `Query.search` looks in;
    - `follow(name)`: the model of the rows that a foreign key refers to, or `None`;
    - `refer(references)`: the same model, some of whose foreign keys lead to the given models
      (`None`: nowhere), as far as they did before; it is never asked for one that leads nowhere.
      By it what other collections hide stays hidden from filters and `Query.embed`;
    - `glance(query)`: the rows that a query selects, however many, or all rows of the model if
      there are no more than `Query.limit`; and whether these are all.  It saves a statement;
    - `is_indexed(name)`: whether the rows of one value of a field are found without reading all;
      of others in a large table, pages do not count how many there are;
    - the verbs of a `Store`: transactions, and writes of many rows.

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
            QueryError: If the query names what there is not, or its cursor is not one of this
                list.
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
        """Give all rows that the query selects, in its order, one by one, at constant memory.

        Its page (limit and cursor) and count say nothing here.

        Raises:
            QueryError: As for `list`; at the latest with the first row.
        """


class Store(Model, Protocol):
    """A model that can do several things at once, or nothing of them."""

    def transaction(
        self, *, read_only: bool = False, rollback: bool = False
    ) -> "AbstractContextManager[Store]":
        """Give the same model, all of whose verbs happen in one transaction.

        It is committed at the end of the `with` block, and undone by an exception.  A write that
        the store refused cannot be committed around, even if its error was caught; a
        transaction inside of this one can be undone alone.

        Args:
            read_only: Nothing is written, and all is read from one snapshot where the store
                can do that.
            rollback: Undo everything at the end: a dry run.

        Raises:
            RetryError: If others made the store undo everything, here or in a verb.
        """

    def bind(self, other: Any) -> Any:
        """Give another model of the same store, in the transaction that this one is in.

        Raises:
            ValueError: If it is of another store, or there is no transaction.
        """

    def create_many(
        self,
        rows: Iterable[Values],
        *,
        on_duplicate: Literal["refuse", "merge", "ignore"] = "refuse",
        returning: bool = False,
    ) -> Written:
        """Store many rows, or none of them.

        Args:
            rows: Their values; read once, one after the other, and not kept.
            on_duplicate: What to do with a row whose key is taken: refuse everything, change
                the given fields of the stored one (as `update` does), or leave that as it is.
            returning: Whether to give the rows as they were stored.

        Raises:
            ValidationError, ConflictError: With the mistakes of all rows, `MAX_ERRORS` at most;
                each says which row it is about.
        """

    def update_where(self, query: Query, values: Values, ceiling: int) -> int:
        """Change the given fields of all rows that a query selects; say how many.

        Raises:
            LimitError: If there are more than *ceiling*; nothing is changed then.
            ValidationError, ConflictError: As for one row.
        """

    def delete_where(self, query: Query, ceiling: int) -> int:
        """Remove all rows that a query selects; say how many.

        Raises:
            LimitError, ConflictError: As above.
        """
