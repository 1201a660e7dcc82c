"""`Statements`: what a `TableModel` prepares once, with bound parameters.

A narrowed model has statements of its own; one that is bound to a transaction shares them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_of
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from wsgikit.model import DEFAULT, Field, Row, immutable
from wsgikit.sql.cells import Column, Loader
from wsgikit.sql.columns import spelled
from wsgikit.sql.comparing import Compared
from wsgikit.sql.lists import Lists
from wsgikit.sql.plans import Plans

#: Statements that a model keeps for the combinations of columns that clients write.
MAX_STATEMENTS = 100


@dataclass
class Statements:
    """The statements of one table, seen through some of its columns.

    Attributes:
        table: The table.
        columns: The readable columns, in the table's order.
        key: The names of the key columns; empty if rows cannot be told apart.
        rows: The condition that is part of every statement; `None` for no condition.
        version: The name of the column that counts changes, if there is one.
        dialect: The name of the database's dialect.
        reference: Gives the statements of the model that a foreign key refers to.
        fixed: The values that all rows have, by column, as they are bound.
    """

    table: sa.Table
    columns: Sequence[Column]
    key: tuple[str, ...]
    rows: sa.ColumnElement[bool] | None
    version: str | None
    dialect: str
    reference: Callable[[str], "Statements"]
    fixed: Mapping[str, Any] = made_of(default_factory=dict)

    # -- columns -------------------------------------------------------------------------

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return tuple(column.field for column in self.columns)

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.field.name: column for column in self.columns}

    @cached_property
    def names(self) -> Sequence[str]:
        return list(self.by_name)

    @cached_property
    def key_columns(self) -> Sequence[Column]:
        return [self.by_name[name] for name in self.key]

    @cached_property
    def key_fields(self) -> Sequence[Field]:
        return [column.field for column in self.key_columns]

    @cached_property
    def changeable(self) -> Sequence[Field]:
        """The fields of a row that exists."""
        return [immutable(f) if f.name in self.key else f for f in self.fields]

    @cached_property
    def constraints(self) -> Mapping[str, Sequence[str]]:
        """The columns of each named constraint and index."""
        result = {"PRIMARY": list(self.key)}
        of_columns = [item for column in self.table.columns for item in column.constraints]
        for item in (*self.table.constraints, *self.table.indexes, *of_columns):
            if isinstance(item, sa.CheckConstraint):
                columns = [*self.columns_in(str(item.sqltext))]
            else:
                columns = [str(column.key) for column in getattr(item, "columns", ())]
            name = getattr(item, "name", None)
            if name and columns:
                result[str(name)] = columns
        return result

    def columns_in(self, text: str) -> Sequence[str]:
        """Find the columns that a condition in SQL names."""
        words = {*re.findall(r"\w+", text)}
        return [str(column.key) for column in self.table.columns if column.name in words]

    @cached_property
    def loaders(self) -> Mapping[bool, Sequence[tuple[str, Loader]]]:
        """What turns fetched cells into values, by whether they were fetched carefully."""
        return {
            False: [(c.field.name, c.load) for c in self.columns if c.load],
            True: [(c.field.name, c.careful_load) for c in self.columns if c.careful_load],
        }

    def compared(self, name: str) -> Compared:
        """Tell how filters compare a column."""
        found = self._compared.get(name)
        if found is None:
            found = self._compared[name] = Compared(self.by_name[name], self.dialect)
        return found

    @cached_property
    def _compared(self) -> dict[str, Compared]:
        return {}

    def source(self) -> sa.FromClause:
        """Give the rows that there are under another name, for use inside a condition."""
        if self.rows is None:
            return self.table.alias()
        # Not an alias with the condition beside it, which names the columns of the table.
        return sa.select(*self.table.columns).where(self.rows).subquery()

    # -- many rows -----------------------------------------------------------------------

    @cached_property
    def plans(self) -> Plans:
        return Plans(self)

    @cached_property
    def lists(self) -> Lists:
        return Lists(self)

    # -- one row -------------------------------------------------------------------------

    @cached_property
    def restriction(self) -> Sequence[sa.ColumnElement[bool]]:
        return () if self.rows is None else (self.rows,)

    @cached_property
    def select(self) -> sa.Select[Any]:
        columns = labelled(c.expression for c in self.columns)
        return sa.select(*columns).where(*self.restriction)

    @cached_property
    def retrieve(self) -> sa.Select[Any]:
        return self.select.where(*self._has_key)

    @cached_property
    def _has_key(self) -> Sequence[sa.ColumnElement[bool]]:
        return [
            column.column == sa.bindparam(f"key_{n}", type_=column.store)
            for n, column in enumerate(self.key_columns)
        ]

    @cached_property
    def lock(self) -> sa.Select[Any]:
        return self.retrieve.with_for_update()

    @cached_property
    def place(self) -> sa.ColumnElement[bool]:
        """The condition by which a locked row is written."""
        conditions = list(self._has_key)
        if self.version is not None and self.version in self.by_name:
            version = self.table.c[self.version]
            seen = sa.bindparam("row_version", type_=version.type)
            conditions.append(version.is_not_distinct_from(seen))
        return sa.and_(*conditions, *self.restriction)

    @cached_property
    def delete(self) -> sa.Delete:
        return sa.delete(self.table).where(self.place)

    # -- writes --------------------------------------------------------------------------

    @cached_property
    def writes(self) -> dict[Any, Any]:
        """The statements that write, by verb and columns."""
        return {}

    def write(self, verb: str, values: Row) -> tuple[Any, dict[str, Any]]:
        """Give the statement that writes these columns, and its parameters.

        Args:
            verb: ``INSERT``; ``UPDATE`` for the row of `place`; or ``UPDATE WHERE`` for rows
                that the caller still has to name.
            values: What to write.
        """
        fixed: list[tuple[str, bool]] = []
        parameters = {}
        for name, value in values.items():
            column = self.by_name[name]
            if value is DEFAULT:
                value = default_of(column.column, self.dialect)
            elif value is None and column.field.kind == "json":
                value = sa.null()  # and not JSON's null, which SQLAlchemy would make of it
            if isinstance(value, sa.ColumnElement | sa.TextClause):
                fixed.append((name, isinstance(value, sa.Null)))
            else:
                parameters[f"set_{self.names.index(name)}"] = value
        shape = (verb, tuple(values), tuple(fixed))
        statement = self.writes.get(shape)
        if statement is None:
            statement = self._build_write(*shape)
            if len(self.writes) < MAX_STATEMENTS:
                self.writes[shape] = statement
        return statement, parameters

    def _build_write(
        self, verb: str, names: Sequence[str], fixed: Sequence[tuple[str, bool]]
    ) -> Any:
        values: dict[str, Any] = {
            name: sa.bindparam(f"set_{self.names.index(name)}", type_=self.by_name[name].store)
            for name in names
        }
        for name, is_null in fixed:
            default = default_of(self.by_name[name].column, self.dialect)
            values[name] = sa.null() if is_null else default
        if self.version is not None:
            column = self.table.c[self.version]
            if verb != "INSERT":
                values[self.version] = sa.func.coalesce(column, 0) + 1
            elif column.default is None and column.server_default is None:
                values[self.version] = 1
        if verb == "INSERT":
            hidden = {name: self.fixed[name] for name in self.fixed if name not in self.by_name}
            return sa.insert(self.table).values({**hidden, **values})
        changed = sa.update(self.table).values(values)
        return changed.where(self.place) if verb == "UPDATE" else changed


def key_in(statements: Statements, parameter: str) -> sa.ColumnElement[bool]:
    """Give the condition that a row has one of several keys.

    Args:
        statements: Those of the table.
        parameter: The name of the parameter: a list of values, or of tuples for a key of
            several columns.
    """
    columns: list[Any] = [sa.type_coerce(c.column, c.store) for c in statements.key_columns]
    keys: Any = sa.bindparam(parameter, expanding=True)
    place = columns[0] if len(columns) == 1 else sa.tuple_(*columns)
    condition: sa.ColumnElement[bool] = place.in_(keys)
    return condition


def labelled(expressions: Any) -> Sequence[sa.Label[Any]]:
    # By number: the names of a foreign database's columns may be anything.
    return [expression.label(f"value_{n}") for n, expression in enumerate(expressions)]


def default_of(column: sa.Column[Any], dialect: str) -> Any:
    """Give what a new row would get, for use in an UPDATE."""
    default: Any = column.default
    if default is not None and default.is_sequence:
        return default.next_value()
    if default is not None:
        value = default.arg(None) if default.is_callable else default.arg
        return spelled(column, value)
    if dialect != "sqlite":
        return sa.text("DEFAULT")
    # SQLite has no DEFAULT keyword in UPDATE: give the expression itself.
    expression = getattr(column.server_default, "arg", column)
    if isinstance(expression, str):
        return sa.literal(expression)
    text = getattr(expression, "text", None)
    return expression if text is None else sa.literal_column(text)
