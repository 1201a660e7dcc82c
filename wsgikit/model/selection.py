"""Selections: a query, held against the fields of a model.

`resolve` finds the columns that a query names, checks that its operators suit them, and
converts its values by their kinds, so that a store only has to translate the result.
`wsgikit.sql` makes SQL of it; `chosen` and `page_of` are what a store in memory needs.

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
_TEXTUAL = (*_ORDERED, "contains", "startswith", "endswith")

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
    "enum": _COMMON,
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

#: What the complement of an operator is called in a query.
_COMPLEMENTS = {"ne": "eq", "notin": "in"}


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
        names: The columns of a row in the model's order, the key among them.
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
    wanted = {_known("fields", name, fields).name for name in query.fields} or set(fields)
    return Selection(
        condition=_resolve(query.filter, model, negated=False),
        words=tuple(query.search.split()),
        search=_searched(query, model, fields),
        order=tuple(Order(_sortable(s.name, fields), s.descending) for s in query.sort),
        names=tuple(name for name in fields if name in wanted or name in model.key),
        embed=tuple(_embedded(name, model, fields) for name in query.embed),
    )


def is_empty_filter(query: Query) -> bool:
    """Whether some filter of a query has no value and thus says nothing."""
    return any(not comparison.values for comparison in comparisons(query.filter))


def _resolve(condition: Condition, model: Any, *, negated: bool) -> Part:
    if isinstance(condition, Comparison):
        return _test(condition, model, negated)
    if isinstance(condition, Not):
        return _resolve(condition.condition, model, negated=not negated)
    parts = tuple(_resolve(part, model, negated=negated) for part in condition.conditions)
    # De Morgan: the complement of "all of these" is "some complement".
    return All(parts) if isinstance(condition, And) != negated else Some(parts)


def _test(comparison: Comparison, model: Any, negated: bool) -> Part:
    path, field = _find(comparison, model)
    allowed = KIND_OPERATORS[field.kind]
    if comparison.operator not in allowed:
        message = f"Columns of the kind {field.kind} have only {', '.join(allowed)}."
        raise QueryError(comparison.parameter, message)
    if not comparison.values:
        return All() if not negated else Some()
    operator, values = comparison.operator, comparison.values
    if operator in _COMPLEMENTS:
        operator, negated = _COMPLEMENTS[operator], not negated
    if operator == "isnull":
        return Test(field, "present", (), negated is not _truth(comparison), path)
    if operator == "eq" and values == (None,):
        return Test(field, "present", (), not negated, path)
    converted = tuple(_value(comparison, field, value) for value in values)
    return Test(field, operator, converted, negated, path)


def _find(comparison: Comparison, model: Any) -> tuple[tuple[Step, ...], Field]:
    """Find the column of a name; a name with dots that is none is a path of foreign keys."""
    path: list[Step] = []
    rest = comparison.name
    while True:
        fields = {field.name: field for field in model.fields}
        if rest in fields:
            return tuple(path), fields[rest]
        name, dot, rest_of_path = rest.partition(".")
        if not dot or name not in fields or len(path) == MAX_STEPS:
            raise _unknown(comparison.parameter, rest, fields)
        path.append(_step(comparison.parameter, fields[name], model))
        model, rest = path[-1].model, rest_of_path


def _step(parameter: str, field: Field, model: Any) -> Step:
    follow: Callable[[str], Any] = getattr(model, "follow", lambda name: None)
    target = follow(field.name)
    if target is None:
        raise QueryError(parameter, f"The column {field.name} does not lead to other rows here.")
    return Step(field, target)


def _unknown(parameter: str, name: str, fields: Mapping[str, Field]) -> QueryError:
    known = ", ".join(fields)
    return QueryError(parameter, f"There is no column {name[:50]!r}. There are: {known}.")


def _known(parameter: str, name: str, fields: Mapping[str, Field]) -> Field:
    if name not in fields:
        raise _unknown(parameter, name, fields)
    return fields[name]


def _sortable(name: str, fields: Mapping[str, Field]) -> Field:
    field = _known("sort", name, fields)
    if field.kind not in SORTABLE:
        raise QueryError("sort", f"Columns of the kind {field.kind} have no order.")
    return field


def _embedded(name: str, model: Any, fields: Mapping[str, Field]) -> Step:
    return _step("embed", _known("embed", name, fields), model)


def _searched(query: Query, model: Any, fields: Mapping[str, Field]) -> tuple[Field, ...]:
    if not query.search:
        return ()
    names = [name for name in getattr(model, "search", ()) if name in fields]
    if not names:
        raise QueryError("q", "There are no columns to search here.")
    return tuple(fields[name] for name in names)


# -- values ------------------------------------------------------------------------------


def _value(comparison: Comparison, field: Field, value: Any) -> Any:
    """Convert a value of a filter; what may not be stored may still be asked for."""
    if value is None:
        raise QueryError(comparison.parameter, "is null; ask with __isnull instead.")
    try:
        found = field.read(value) if comparison.texts else field.read_value(value)
    except Unfit as unfit:
        raise QueryError(comparison.parameter, unfit.detail) from unfit
    if field.kind in ("float", "decimal") and to_text(found) in NONFINITE:
        raise QueryError(comparison.parameter, "Must be a finite number.")
    return found


_TRUTH = Field("isnull", "boolean")


def _truth(comparison: Comparison) -> bool:
    return bool(_value(comparison, _TRUTH, comparison.values[0]))
