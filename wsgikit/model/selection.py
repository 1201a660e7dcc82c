"""Selections: a query, held against the fields of a model.

`resolve` finds the columns that a query names, checks that its operators suit them, and
converts its values by their kinds, so that a store only has to translate the result:
`wsgikit.sql` makes SQL of it, and `wsgikit.model.choosing` tests rows in Python.

    from wsgikit.model import Field, MemoryModel, resolve
    from wsgikit.model.selection import All, Test
    from wsgikit.query import parse_query

    people = MemoryModel([Field("id", "integer"), Field("age", "integer")])
    selection = resolve(parse_query("age__gte=18"), people)
    assert selection.condition == All((Test(people.fields[1], "gte", (18,)),))

Every test is true or false, never unknown: a null equals nothing and is neither less nor
greater than anything, and `Test.negated` is the exact complement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wsgikit.model.fields import NONFINITE, Field, Unfit, to_text
from wsgikit.query import (
    And,
    Comparison,
    Condition,
    Not,
    Query,
    QueryError,
    comparisons,
)

_COMMON = ("eq", "ne", "in", "notin", "isnull")
_ORDERED = ("eq", "ne", "lt", "lte", "gt", "gte", "in", "notin", "isnull")
_WORDS = ("contains", "startswith", "endswith")
_TEXTUAL = (*_ORDERED, *_WORDS)

#: The operators that suit each kind.
KIND_OPERATORS: Mapping[str, tuple[str, ...]] = {
    "text": _TEXTUAL,
    "integer": _ORDERED,
    "float": _ORDERED,
    "decimal": _ORDERED,
    "date": _ORDERED,
    "datetime": _ORDERED,
    "time": _ORDERED,
    "interval": _ORDERED,
    "boolean": _COMMON,
    "uuid": _COMMON,
    "enum": (*_COMMON, *_WORDS),
    "binary": _COMMON,
    "other": _COMMON,
    "json": ("isnull",),
    "array": ("isnull",),
}

#: The kinds whose columns can order a list.
SORTABLE = frozenset({"text", "integer", "float", "decimal", "boolean", "date", "datetime", "time",
                      "interval", "uuid", "enum"})  # fmt: skip

#: How many foreign keys one filter may follow.
MAX_STEPS = 3

#: Operators that are the complement of another.
_COMPLEMENTS = {"ne": "eq", "notin": "in"}

#: How the value of ``isnull`` is read, and a part of an enum's text.
_TRUTH = Field("isnull", "boolean")
_PLAIN_TEXT = Field("part", nul=False)

Fields: TypeAlias = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Step:
    """A foreign key that is followed.

    Attributes:
        field: The column that refers.
        model: The model of the rows that it refers to.
    """

    field: Field
    model: Any


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a column with values of its type.

    Attributes:
        field: The column, of the model that the last step leads to.
        operator: ``eq lt lte gt gte in contains startswith endswith``, or ``present``: it is
            not null.
        values: As the store holds them; exactly one, but for ``in`` (any number) and
            ``present`` (none).
        negated: Whether the complement is meant.
        path: The foreign keys on the way.  Where there is no such row, the test is false, and
            its complement true.
    """

    field: Field
    operator: str
    values: tuple[Any, ...]
    negated: bool = False
    path: tuple[Step, ...] = ()

    # For pytest, which collects classes of such names.
    __test__ = False


@dataclass(frozen=True, slots=True)
class All:
    """All of these hold; true if there are none."""

    parts: "tuple[Part, ...]" = ()


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds; false if there are none."""

    parts: "tuple[Part, ...]" = ()


Part: TypeAlias = Test | All | Some


@dataclass(frozen=True, slots=True)
class Order:
    """A column that orders the rows."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """A query whose columns exist, and whose values have their types.

    Attributes:
        condition: Which rows.
        words: Each of these must occur in one of *search*, whatever its case.
        search: The columns that are searched.
        order: What orders the rows, before the key does.
        names: The columns of a row in the model's order: the wanted ones, the key, and those
            of *embed*.
        embed: The foreign keys to be replaced by rows, with the models of these.
    """

    condition: Part
    words: tuple[str, ...]
    search: tuple[Field, ...]
    order: tuple[Order, ...]
    names: tuple[str, ...]
    embed: tuple[Step, ...]


def resolve(query: Query, model: Any) -> Selection:
    """Hold a query against a model.

    Args:
        query: What a client asks.
        model: A `wsgikit.model.Model`.  It may have `search` (the names of the columns that
            ``q`` searches) and `follow(name)` (the model that a foreign key refers to, or
            `None`).

    Raises:
        QueryError: For a column that there is not, an operator that does not suit it, or a
            value that is not of its type; it names the parameter, and what would do.
    """
    fields = {field.name: field for field in model.fields}
    names = tuple(fields)
    if query.fields:
        wanted = {*(_known("fields", name, fields).name for name in query.fields), *query.embed}
        names = tuple(name for name in names if name in wanted or name in model.key)
    return Selection(
        condition=_part(query.filter, model, fields, negated=False),
        words=_words(query),
        search=_searched(query, model, fields),
        order=tuple(Order(_sortable(s.name, fields), s.descending) for s in query.sort),
        names=names,
        embed=tuple(_step("embed", _known("embed", n, fields), model) for n in query.embed),
    )


def whole_order(selection: Selection, model: Any) -> tuple[Order, ...]:
    """Give all that orders the rows of a list: what was asked for, and then the key."""
    sorted_by = {order.field.name for order in selection.order}
    fields = {field.name: field for field in model.fields}
    keys = (Order(fields[name]) for name in model.key if name not in sorted_by)
    return (*selection.order, *keys)


def is_empty_filter(query: Query) -> bool:
    """Whether some filter of a query has no value and thus says nothing."""
    return any(not comparison.values for comparison in comparisons(query.filter))


# -- conditions --------------------------------------------------------------------------


def _part(condition: Condition, model: Any, fields: Fields, *, negated: bool) -> Part:
    if isinstance(condition, Comparison):
        return _test(condition, model, fields, negated=negated)
    if isinstance(condition, Not):
        return _part(condition.condition, model, fields, negated=not negated)
    parts = tuple(_part(part, model, fields, negated=negated) for part in condition.conditions)
    # De Morgan: the complement of "all of these" is "some complement".
    return All(parts) if isinstance(condition, And) != negated else Some(parts)


def _test(comparison: Comparison, model: Any, fields: Fields, *, negated: bool) -> Part:
    path, field = _find(comparison, model, fields)
    operator, values = comparison.operator, comparison.values
    if operator not in KIND_OPERATORS[field.kind]:
        raise QueryError(comparison.parameter, _no_operator(field, operator))
    if not values:
        return Some() if negated else All()
    if operator in _COMPLEMENTS:
        operator, negated = _COMPLEMENTS[operator], not negated
    if operator == "isnull" or (operator == "eq" and values[0] is None):
        is_null = operator == "eq" or _value(comparison, _TRUTH, values[0])
        return Test(field, "present", (), negated is not is_null, path)
    readable = _PLAIN_TEXT if operator in _WORDS and field.kind == "enum" else field
    converted = tuple(_value(comparison, readable, value) for value in values)
    return Test(field, operator, converted, negated, path)


def _find(comparison: Comparison, model: Any, fields: Fields) -> tuple[tuple[Step, ...], Field]:
    """Find the column of a name; a name with dots that is none is a path of foreign keys."""
    path: list[Step] = []
    parameter, rest = comparison.parameter, comparison.name
    while rest not in fields:
        name, dot, after = rest.partition(".")
        if not dot or name not in fields:
            raise QueryError(parameter, _no_filter(rest, fields))
        if len(path) == MAX_STEPS:
            raise QueryError(parameter, f"Follows more than {MAX_STEPS} foreign keys.")
        path.append(_step(parameter, fields[name], model))
        model, rest = path[-1].model, after
        fields = {field.name: field for field in model.fields}
    return tuple(path), fields[rest]


def _step(parameter: str, field: Field, model: Any) -> Step:
    follow: Callable[[str], Any] = getattr(model, "follow", lambda name: None)
    target = follow(field.name)
    if target is None:
        raise QueryError(parameter, f"The column {field.name} does not lead to other rows here.")
    return Step(field, target)


def _known(parameter: str, name: str, fields: Fields) -> Field:
    if name not in fields:
        raise QueryError(parameter, _no_column(name, fields))
    return fields[name]


def _no_filter(name: str, fields: Fields) -> str:
    column, mark, operator = name.rpartition("__")
    if mark and column in fields:
        return _no_operator(fields[column], operator)
    return _no_column(name, fields)


def _no_column(name: str, fields: Fields) -> str:
    return f"There is no column {name[:50]!r}. There are: {', '.join(fields)}."


def _no_operator(field: Field, operator: str) -> str:
    allowed = ", ".join(KIND_OPERATORS[field.kind])
    return f"The {field.kind} column {field.name} has no {operator[:50]!r}. It has: {allowed}."


def _sortable(name: str, fields: Fields) -> Field:
    field = _known("sort", name, fields)
    if field.kind not in SORTABLE:
        sortable = ", ".join(field.name for field in fields.values() if field.kind in SORTABLE)
        message = f"The {field.kind} column {name} has no order. These have: {sortable}."
        raise QueryError("sort", message)
    return field


def _searched(query: Query, model: Any, fields: Fields) -> tuple[Field, ...]:
    if not query.search:
        return ()
    found = tuple(fields[name] for name in getattr(model, "search", ()) if name in fields)
    if not found:
        raise QueryError("q", "There are no columns to search here.")
    return found


def _words(query: Query) -> tuple[str, ...]:
    """Split what is searched for; U+0000 is refused, which no search box can send."""
    if "\0" in query.search:
        raise QueryError("q", "Has a character that cannot be searched for.")
    return tuple(dict.fromkeys(query.search.split()))


# -- values ------------------------------------------------------------------------------


def _value(comparison: Comparison, field: Field, value: Any) -> Any:
    """Convert a value of a filter; what may not be stored may still be asked for."""
    if value is None:
        raise QueryError(comparison.parameter, "Must not be null; ask for nulls with __isnull.")
    try:
        found = field.read(value) if comparison.texts else field.read_value(value)
    except Unfit as unfit:
        raise QueryError(comparison.parameter, unfit.detail) from unfit
    if field.kind in ("float", "decimal") and to_text(found) in NONFINITE:
        raise QueryError(comparison.parameter, "Must be a finite number.")
    return found
