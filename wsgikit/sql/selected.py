"""Writes of all rows that a query selects: with one statement, or not at all.

The condition is the one that a list of the same query has, the restriction of the model
included.  The rows are counted first, up to the ceiling, so that a filter that is too wide costs
next to nothing; and once more by the statement that writes, since others may come between.

Where a model is restricted, a change could move rows out of sight.  So their keys are read and
locked first, and looked for again after the change.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from wsgikit.model import LimitError, Row, StoreError, ValidationError, resolve
from wsgikit.query import Query
from wsgikit.sql.bulk import BATCH
from wsgikit.sql.conditions import Conditions, Shape, bind_filter, options_of
from wsgikit.sql.faults import MIXED_CHARACTERS, code_of
from wsgikit.sql.sessions import Transaction
from wsgikit.sql.statements import key_in

if TYPE_CHECKING:
    from wsgikit.sql import TableModel


def _leads_away(shape: Shape) -> bool:
    """Whether a filter asks other rows: by a foreign key, and so maybe of the same table."""
    if shape[0] == "test":
        return bool(shape[1])
    return shape[0] != "words" and any(map(_leads_away, shape[1]))


class Selected:
    """The rows that a query selects, in a transaction that is open already.

    Args:
        model: The model.
        transaction: Where.
        query: The query; only its filter and its search matter.
        ceiling: How many rows may be written.

    Raises:
        QueryError: If the query does not suit the model.
    """

    def __init__(
        self, model: "TableModel", transaction: Transaction, query: Query, ceiling: int
    ) -> None:
        self.model = model
        self.prepared = model._prepared
        self.transaction = transaction
        self.connection = transaction.connection
        self.ceiling = ceiling
        self.filter = bind_filter(resolve(query, model), self.prepared)
        self.wide = False

    def delete(self) -> int:
        """Remove the rows; say how many."""
        self._bound()
        self.model._writing()
        return self._write(lambda where: sa.delete(self.prepared.table).where(where), {})

    def update(self, changes: Row) -> int:
        """Change the rows; say how many."""
        self._bound()
        if not changes:
            return 0
        self.model._writing()
        statement, parameters = self.prepared.write("UPDATE WHERE", changes)
        if self.prepared.restriction:
            return self._update_in_sight(statement, parameters)
        if self.prepared.dialect == "sqlite" and self.model.key and _leads_away(self.filter.shape):
            return self._write(lambda where: statement.where(self._found(where)), parameters)
        return self._write(statement.where, parameters)

    def _found(self, where: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        """Say the condition so that it holds for rows as they are before the first one changes.

        SQLite asks a condition row by row while it writes, so that one that leads to another row
        of the same table would see what was written to that.
        """
        columns = [column.column for column in self.prepared.key_columns]
        return sa.tuple_(*columns).in_(sa.select(*columns).where(where).correlate(None))

    def _bound(self) -> None:
        one: sa.Label[Any] = sa.literal_column("1").label("one")

        def counted(where: sa.ColumnElement[bool]) -> Any:
            some = sa.select(one).select_from(self.prepared.table).where(where)
            limited = some.limit(self.ceiling + 1).subquery()
            return sa.select(sa.func.count()).select_from(limited)

        self._require_few(self._execute(counted, {}).scalar_one())

    def _require_few(self, number: int) -> None:
        if number > self.ceiling:
            raise LimitError(self.ceiling)

    def _write(self, build: Callable[[Any], Any], parameters: Mapping[str, Any]) -> int:
        number = self._execute(build, parameters).rowcount
        self._require_few(number)
        return number

    def _execute(
        self, build: Callable[[Any], Any], parameters: Mapping[str, Any]
    ) -> sa.CursorResult[Any]:
        """Execute what is built around the condition."""
        self.transaction.renew()
        parameters = {**self.filter.parameters, **parameters}
        options = options_of(self.filter.shape)
        execute = partial(self.connection.execute, parameters=parameters, execution_options=options)
        try:
            return execute(build(self._where))
        except exc.DBAPIError as error:
            if self.wide or code_of(error)[0] not in MIXED_CHARACTERS:
                raise
        self.wide = True
        return execute(build(self._where))

    @property
    def _where(self) -> sa.ColumnElement[bool]:
        condition = Conditions(self.prepared, wide=self.wide).build(self.filter.shape)
        return sa.and_(condition, *self.prepared.restriction)

    # -- changes that could move rows out of sight -----------------------------------------

    def _update_in_sight(self, statement: sa.Update, parameters: Mapping[str, Any]) -> int:
        columns = [column.column for column in self.prepared.key_columns]

        def keys(where: sa.ColumnElement[bool]) -> Any:
            return sa.select(*columns).where(where).limit(self.ceiling + 1).with_for_update()

        found = iter(self._execute(keys, {}).all())
        number = 0
        while batch := [tuple(row) for row in islice(found, BATCH)]:
            self._update_batch(statement, parameters, batch)
            number += len(batch)
        self._require_few(number)
        return number

    def _update_batch(
        self, statement: sa.Update, parameters: Mapping[str, Any], keys: Sequence[Any]
    ) -> None:
        self.transaction.renew()
        values = [key[0] for key in keys] if len(self.model.key) == 1 else keys
        place = {"keys": values}
        written = self.connection.execute(statement.where(self._has_key), {**parameters, **place})
        if written.rowcount != len(keys):
            raise StoreError("The keys do not name these rows exactly; nothing was changed.")
        if self.connection.execute(self._in_sight, place).scalar_one() != len(keys):
            raise ValidationError([self.model._hidden_row()])

    @cached_property
    def _has_key(self) -> sa.ColumnElement[bool]:
        return key_in(self.prepared, "keys")

    @cached_property
    def _in_sight(self) -> sa.Select[Any]:
        table = self.prepared.table
        counted = sa.select(sa.func.count()).select_from(table)
        return counted.where(self._has_key, *self.prepared.restriction)
