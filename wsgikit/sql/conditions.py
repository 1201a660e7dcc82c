"""Filters in SQL: which rows a `wsgikit.model.Selection` selects.

A filter is taken apart into its *shape* (operators, columns and paths: plain data that can be a
dictionary's key) and its values, which are bound as parameters.  So a statement is built once for
all filters of a shape:

    filtered = bind_filter(selection, statements)
    condition = Conditions(statements).build(filtered.shape)
    connection.execute(select.where(condition), filtered.parameters)

No test is NULL in effect: `resolve` has moved every "not" down to the tests, a test that is NULL
lets no row pass, and the complement of one lets rows with NULL pass.  A foreign key that is
followed is an EXISTS on the rows that the referenced model shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import types as sqltypes

from wsgikit.model import Selection
from wsgikit.model.selection import All, Part, Test
from wsgikit.query import QueryError
from wsgikit.sql.comparing import Condition, word_condition, word_pattern

if TYPE_CHECKING:
    from wsgikit.sql.statements import Statements

Shape: TypeAlias = tuple[Any, ...]

#: The size of a filter whose statement is kept for the next query: that many tests.  A test takes
#: some 4 kB, and each foreign key on its way as much as `STEP` of them.
MAX_KEPT = 60
STEP = 7

KEPT: Mapping[str, Any] = MappingProxyType({})
NOT_KEPT: Mapping[str, Any] = MappingProxyType({"compiled_cache": None})

#: Values of one query: SQLite takes 32,766 parameters, and a statement may name each twice.
MAX_VALUES = 10_000


# -- shape and values --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter, taken apart.

    Attributes:
        shape: All of it but the values.
        parameters: The values, by the names of their parameters.
    """

    shape: Shape
    parameters: Mapping[str, Any]


#: The filter that lets every row pass.
NO_FILTER = Filter(("all", ()), {})


def bind_filter(selection: Selection, statements: "Statements") -> Filter:
    """Take the filter and the search of a selection apart.

    Raises:
        QueryError: If it has more values than a statement can have parameters.
    """
    binder = _Binder()
    shape = binder.part(selection.condition, statements)
    if selection.words:
        names = tuple(field.name for field in selection.search)
        shape = ("all", (shape, binder.words(selection.words, names, statements.dialect)))
    if binder.number > MAX_VALUES:
        raise QueryError("", f"A query has at most {MAX_VALUES:,} values.")
    return Filter(shape, binder.parameters)


def options_of(shape: Shape) -> Mapping[str, Any]:
    """Give the options to execute a statement with a filter: a large one is not kept.

    A client chooses what it asks; 200 statements of 200 tests would take gigabytes.
    """
    return KEPT if _size(shape) <= MAX_KEPT else NOT_KEPT


def _size(shape: Shape) -> int:
    if shape[0] == "test":
        return 1 + STEP * len(shape[1])
    if shape[0] == "words":
        return len(shape[1]) * len(shape[2])
    return sum(map(_size, shape[1]))


class _Binder:
    """Collects the values of a filter."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self.number = 0

    def part(self, part: Part, statements: "Statements") -> Shape:
        if isinstance(part, Test):
            return self.test(part, statements)
        kind = "all" if isinstance(part, All) else "some"
        return (kind, tuple(self.part(item, statements) for item in part.parts))

    def test(self, test: Test, statements: "Statements") -> Shape:
        path = tuple(step.field.name for step in test.path)
        for name in path:
            statements = statements.reference(name)
        operator, value = statements.compared(test.field.name).term(test.operator, test.values)
        if operator == "never":
            return ("all" if test.negated else "some", ())
        parameter = "" if operator == "present" else self.bind(value)
        return ("test", path, test.field.name, operator, test.negated, parameter)

    def words(self, words: Sequence[str], names: tuple[str, ...], dialect: str) -> Shape:
        values = (word_pattern("contains", word, dialect) for word in words)
        return ("words", tuple(map(self.bind, values)), names)

    def bind(self, value: Any) -> str:
        name = f"filter_{len(self.parameters)}"
        if isinstance(value, tuple):
            for n, item in enumerate(value):
                self.parameters[f"{name}_{n}"] = item
        else:
            self.parameters[name] = value
        self.number += len(value) if isinstance(value, list | tuple) else 1
        return name


# -- SQL ---------------------------------------------------------------------------------


class Conditions:
    """Makes SQL of the shapes of filters.

    Args:
        statements: Those of the model that is asked.
        wide: As in `Compared.expression`.
    """

    def __init__(self, statements: "Statements", *, wide: bool = False) -> None:
        self.statements = statements
        self.dialect = statements.dialect
        self.wide = wide

    def build(self, shape: Shape) -> Condition:
        """Give the condition of a shape; its parameters are those of the `Filter`."""
        return self._part(shape, self.statements, self.statements.table.c)

    def _part(self, shape: Shape, statements: "Statements", columns: Any) -> Condition:
        if shape[0] == "all":
            return sa.and_(sa.true(), *(self._part(s, statements, columns) for s in shape[1]))
        if shape[0] == "some":
            return sa.or_(sa.false(), *(self._part(s, statements, columns) for s in shape[1]))
        if shape[0] == "words":
            return self._words(shape[1], shape[2], columns)
        return self._test(shape, statements, columns)

    def _words(self, parameters: Sequence[str], names: Sequence[str], columns: Any) -> Condition:
        words = [sa.bindparam(name, type_=sqltypes.String()) for name in parameters]
        texts = [sa.type_coerce(columns[name], sqltypes.NullType()) for name in names]
        return sa.and_(
            *(
                sa.or_(*(word_condition("contains", text, word, self.dialect) for text in texts))
                for word in words
            )
        )

    def _test(self, shape: Shape, statements: "Statements", columns: Any) -> Condition:
        _test, path, name, operator, negated, parameter = shape
        if path:
            inner = ("test", path[1:], name, operator, False, parameter)
            found = self._exists(path[0], inner, statements, columns)
            return sa.not_(found) if negated else found
        condition = statements.compared(name).condition(
            columns[name], operator, parameter, wide=self.wide
        )
        if not negated:
            return condition
        complement = sa.not_(condition)
        if operator == "present" or not statements.by_name[name].column.nullable:
            return complement
        absent = sa.type_coerce(columns[name], sqltypes.NullType()).is_(None)
        return sa.or_(absent, complement)

    def _exists(self, name: str, inner: Shape, statements: "Statements", columns: Any) -> Condition:
        target = statements.reference(name)
        source = target.source()
        found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(source)
        found = found.where(
            self._refers(name, source.c, statements, columns),
            self._test(inner, target, source.c),
        )
        return found.correlate_except(source).exists()

    def refers(self, name: str, target: Any) -> Condition:
        """The condition for a foreign key to point to a row.

        Args:
            name: The foreign key.
            target: The columns of the other rows.
        """
        return self._refers(name, target, self.statements, self.statements.table.c)

    def _refers(self, name: str, target: Any, statements: "Statements", columns: Any) -> Condition:
        model = statements.reference(name)
        [key] = model.key
        there = model.compared(key).expression(target[key], wide=self.wide)
        here = statements.compared(name).expression(columns[name], wide=self.wide)
        return there == here
