"""The list page: what it shows, and the URLs of all that can be done with it.

The state of a list is its URL and nothing else.  So everything on the page that changes the list is
a link, or a form that sends the parameters of the URL; `State` makes them of the parameters that
the request came with.

    from wsgikit.model_collection.browsing import State

    state = State("/people/", [("age__gte", "18"), ("sort", "name"), ("cursor", "abc")])
    assert state.url(sort="-name") == "/people/?age__gte=18&sort=-name"
    assert state.hidden("sort") == [("age__gte", "18")]

Whatever changes which rows there are, or their order, begins at the first page: a cursor is left
out unless it is given.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from wsgikit.model import Field, Page
from wsgikit.model.describing import filter_name, quoted, searched, sortable
from wsgikit.model.selection import KIND_OPERATORS
from wsgikit.model_collection.links import WHOLE
from wsgikit.model_collection.relations import Relations, counted
from wsgikit.model_collection.wording import Wording
from wsgikit.query import RESERVED, Comparison, Query, comparisons

#: Columns of a list that nobody chose.
MAX_COLUMNS = 8

#: Rows of a page to choose from.
SIZES = (10, 25, 50, 100, 250, 1000)

#: Kinds whose values are seldom read in a list.
_UNTELLING = frozenset({"json", "array", "binary"})

#: Characters from which on a text is rather read on the page of its row.
_LONG = 500

Pair = tuple[str, str]


@dataclass(frozen=True)
class State:
    """The parameters of a list.

    Attributes:
        base: The URL of the collection.
        pairs: Those that say something, in their order.
    """

    base: str
    pairs: Sequence[Pair]

    def get(self, name: str) -> str | None:
        """Give the value of a parameter; several as one, as commas would."""
        values = [value for known, value in self.pairs if known == name]
        return ",".join(values) if values else None

    def url(self, /, **changes: str | None) -> str:
        """Give the URL of the list with other parameters; `None` leaves one out."""
        changes = {"cursor": None, **changes}
        pairs = [(name, value) for name, value in self.pairs if name not in changes]
        pairs += [(name, value) for name, value in changes.items() if value is not None]
        return f"{self.base}?{urlencode(pairs)}" if pairs else self.base

    def hidden(self, *names: str) -> list[Pair]:
        """Give what a form has to send along that sets these parameters itself."""
        return [(n, v) for n, v in self.pairs if n not in names and n != "cursor"]

    @property
    def filters(self) -> list[Pair]:
        """What decides which rows there are."""
        return [(n, v) for n, v in self.pairs if n == "q" or n not in RESERVED]


# -- columns -------------------------------------------------------------------------------


def telling_fields(model: Any) -> Sequence[Field]:
    """Give the fields that a list shows if nobody says which: all of them, if they are few."""
    fields = tuple(model.fields)
    if len(fields) <= MAX_COLUMNS:
        return fields
    first = [*model.key, getattr(model, "label", None)]
    rest = sorted((f for f in fields if f.name not in first), key=_is_untelling)
    chosen = [f for name in dict.fromkeys(first) for f in fields if f.name == name]
    return tuple([*chosen, *rest][:MAX_COLUMNS])


def _is_untelling(field: Field) -> bool:
    return field.kind in _UNTELLING or field.multiline or (field.length or 0) >= _LONG


def with_columns(query: Query, model: Any) -> Query:
    """Give a query for the columns that a page shows, if it names none."""
    fields = telling_fields(model)
    if query.fields or len(fields) == len(model.fields):
        return query
    return replace(query, fields=tuple(field.name for field in fields))


# -- the page ------------------------------------------------------------------------------


def list_context(
    state: State,
    query: Query,
    model: Any,
    page: Page,
    fields: Sequence[Field],
    relations: Relations,
    formats: Sequence[str],
) -> dict[str, Any]:
    """Give what the template of a list sees, besides what all templates see.

    Args:
        state: The parameters of the request.
        query: What they ask.
        model: The narrowed model.
        page: The rows.
        fields: The columns that are shown.
        relations: What foreign keys refer to; it learns what this page needs.
        formats: The other formats.
    """
    asked = [found for found in comparisons(query.filter) if state.get(found.parameter) is not None]
    _learn(relations, model, page, fields, asked)
    filters = _filters(model, state, relations)
    controls = [control["name"] for item in filters for control in item["controls"]]
    return {
        "all_fields": tuple(model.fields),
        "label_of": relations.label_of,
        "reference": relations.reference,
        "count": counted(page),
        "search": _search(model, state),
        "filters": filters,
        "filter_hidden": state.hidden(*controls),
        "chips": _chips(model, state, asked, relations),
        "clear_url": _clear_url(state),
        "sorts": _sorts(model, state, query, fields),
        "sizes": _sizes(model, state, query),
        "columns": _columns(model, state, fields),
        "exports": _exports(state, formats),
    }


def _learn(
    relations: Relations,
    model: Any,
    page: Page,
    fields: Iterable[Field],
    asked: Iterable[Comparison],
) -> None:
    """Read the labels of the rows, of the filters, and the choices of these."""
    pointing = [field for field in fields if field.references]
    values = [(field, row.get(field.name)) for row in page.data for field in pointing]
    by_name = {field.name: field for field in model.fields if field.references}
    for comparison in asked:
        field = by_name.get(comparison.name)
        if field is not None and comparison.operator in ("eq", "ne", "in", "notin"):
            values += [(field, _read(field, text)) for text in comparison.values]
    relations.learn(values, choose=by_name.values())


def _read(field: Field, text: Any) -> Any:
    """Read the value of a filter, which the model has taken already."""
    return field.read(text) if isinstance(text, str) else text


# -- search and filters --------------------------------------------------------------------


def _search(model: Any, state: State) -> dict[str, Any] | None:
    if not searched(model):
        return None
    return {"value": state.get("q") or "", "hidden": state.hidden("q")}


def _filters(model: Any, state: State, relations: Relations) -> list[dict[str, Any]]:
    """Describe the filter of each column: its controls are those of a GET form."""
    found = []
    for field in model.fields:
        controls = [*_controls(field, state, relations)]
        # A column whose name is empty cannot be named.
        if controls and field.name:
            found.append({"field": field, "controls": controls})
    return found


def _controls(field: Field, state: State, relations: Relations) -> Iterator[dict[str, Any]]:
    able = KIND_OPERATORS[field.kind]
    choices = _choices(field, relations)
    if choices is not None:
        yield _select(field, _equals(field), Wording("is"), choices, state)
    elif field.references is not None and "eq" in able:
        yield _input(field, _equals(field), Wording("is"), state) | {
            "search": relations.search(field)
        }
    elif "contains" in able:
        yield _input(field, "contains", Wording("contains"), state)
    elif "gte" in able:
        yield _input(field, "gte", Wording("from"), state)
        yield _input(field, "lte", Wording("to"), state)
    elif "eq" in able and field.kind != "binary":
        yield _input(field, _equals(field), Wording("is"), state)
    if field.nullable and "isnull" in able:
        empty = [("true", Wording("empty")), ("false", Wording("not empty"))]
        yield _select(field, "isnull", Wording("is empty"), empty, state)


def _equals(field: Field) -> str:
    """Give the operator for one value, by which an empty control means no filter."""
    return "eq" if filter_name(field.name, "eq") == field.name else "in"


def _choices(field: Field, relations: Relations) -> Sequence[tuple[str, str]] | None:
    """Give what can be chosen to filter by; `None` if it is to be typed."""
    if field.kind == "boolean":
        return [("true", Wording("yes")), ("false", Wording("no"))]
    if field.references is not None and "eq" in KIND_OPERATORS[field.kind]:
        options = relations.options(field)
        if options is None:
            return None
        return [(option["value"], option["text"]) for option in options]
    return [(choice, choice) for choice in field.choices] if field.kind == "enum" else None


def _control(field: Field, operator: str, label: Wording, state: State) -> dict[str, Any]:
    name = filter_name(field.name, operator)
    return {"name": name, "label": label, "operator": operator, "value": state.get(name) or ""}


def _input(field: Field, operator: str, label: Wording, state: State) -> dict[str, Any]:
    control = _control(field, operator, label, state)
    kind, form = _INPUTS.get(field.kind, ("text", _ANY))
    # A control drops what it cannot hold; and it has no place for a UTC offset.
    if field.timezone or (control["value"] and not form.fullmatch(control["value"])):
        kind = "text"
    return {**control, "kind": kind, "options": None}


_ANY = re.compile("", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?"

#: The control of a kind, and what it can hold.
_INPUTS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    **dict.fromkeys(("integer", "float", "decimal"), ("number", _NUMBER)),
    "date": ("date", re.compile(_DATE, re.ASCII)),
    "time": ("time", re.compile(_CLOCK, re.ASCII)),
    "datetime": ("datetime-local", re.compile(f"{_DATE}[T ]{_CLOCK}", re.ASCII)),
}


def _select(
    field: Field,
    operator: str,
    label: Wording,
    choices: Sequence[tuple[str, str]],
    state: State,
) -> dict[str, Any]:
    control = _control(field, operator, label, state)
    value = control["value"]
    if operator == "in":  # where a comma would separate values
        choices = [(quoted(one), text) for one, text in choices]
    if value and value not in dict(choices):
        choices = [*choices, (value, value)]
    options = [{"value": "", "text": Wording("any"), "selected": not value}]
    options += [{"value": v, "text": text, "selected": v == value} for v, text in choices if v]
    return {**control, "kind": "select", "options": options}


# -- chips ---------------------------------------------------------------------------------


#: What a filter asks of a column, with gaps for both.
_ASKS = {
    "eq": "{column} is {value}",
    "ne": "{column} is not {value}",
    "lt": "{column} < {value}",
    "lte": "{column} \u2264 {value}",
    "gt": "{column} > {value}",
    "gte": "{column} \u2265 {value}",
    "in": "{column} is one of {value}",
    "notin": "{column} is none of {value}",
    "contains": "{column} contains {value}",
    "startswith": "{column} begins with {value}",
    "endswith": "{column} ends with {value}",
}
_NULLS = {True: "{column} is empty", False: "{column} is not empty"}


def _chips(
    model: Any, state: State, asked: Iterable[Comparison], relations: Relations
) -> list[dict[str, Any]]:
    """Describe what narrows the list, each with the URL of the list without it."""
    chips = []
    if state.get("q"):
        chips.append(_chip(state, "q", Wording("Search: {words}", words=state.get("q"))))
    for found in asked:
        chips.append(_chip(state, found.parameter, _asks(model, found, relations)))
    if state.get("fields"):
        chips.append(_chip(state, "fields", Wording("Some columns")))
    return chips


def _chip(state: State, name: str, text: Wording) -> dict[str, Any]:
    return {"text": text, "remove_url": state.url(**{name: None})}


def _asks(model: Any, asked: Comparison, relations: Relations) -> Wording:
    fields = {field.name: field for field in model.fields}
    field = fields.get(asked.name)
    column = field.label if field is not None else _path_label(asked.name, model)
    if asked.operator == "isnull":
        [text] = asked.values
        return Wording(_NULLS[bool(_TRUTH.read(str(text)))], column=column)
    value: Any = ", ".join(_shown(field, text, relations) for text in asked.values)
    if len(asked.values) == 1 and field is not None and _is_measure(field, model):
        # Written in the form of whoever reads it.
        value = _MEASURES[field.kind](field, value)
    return Wording(_ASKS[asked.operator], column=column, value=value)


_TRUTH = Field("isnull", "boolean")


def _is_measure(field: Field, model: Any) -> bool:
    """Say whether a value is a number or a moment, and names no row."""
    return field.kind in _MEASURES and field.name not in model.key and not field.references


#: How such a value of a filter is read.
_MEASURES: Mapping[str, Callable[[Field, str], Any]] = {
    **dict.fromkeys(("integer", "date", "datetime", "time"), _read),
    # Of a float, no digits that nobody typed.
    **dict.fromkeys(("float", "decimal"), lambda _field, text: Decimal(text)),
}


def _shown(field: Field | None, text: Any, relations: Relations) -> str:
    if field is not None and field.references is not None:
        return relations.label_of(field, _read(field, text)) or str(text)
    if field is not None and field.kind == "boolean":
        return Wording("yes") if _read(field, text) else Wording("no")
    return str(text)


def _path_label(path: str, model: Any) -> str:
    """Name a path of foreign keys as people call its columns."""
    labels, rest = [], path
    while True:
        fields = {field.name: field for field in model.fields}
        name, dot, after = rest.partition(".")
        if rest in fields or not dot or name not in fields:
            labels.append(fields[rest].label if rest in fields else rest)
            return " \u203a ".join(labels)
        labels.append(fields[name].label)
        model, rest = model.follow(name), after


def _clear_url(state: State) -> str | None:
    narrowing = {name for name, _value in state.filters} | {"fields"}
    if not any(name in narrowing for name, _value in state.pairs):
        return None
    return state.url(**dict.fromkeys(narrowing))


# -- order, size, columns, formats ---------------------------------------------------------


def _sorts(
    model: Any, state: State, query: Query, fields: Iterable[Field]
) -> dict[str, dict[str, Any]]:
    """Give what a click on a column's heading does: ascending, descending, no order."""
    able = set(sortable(model))
    directions = {sort.name: sort.descending for sort in query.sort}
    first = query.sort[0].name if query.sort else None
    found = {}
    for name in (field.name for field in fields if field.name in able):
        descending = directions.get(name)
        if name != first:
            following: str | None = quoted(name)
        else:
            following = None if descending else quoted(f"-{name}")
        direction = {None: None, True: "descending", False: "ascending"}[descending]
        found[name] = {"url": state.url(sort=following), "direction": direction}
    return found


def page_size(model: Any, query: Query) -> int:
    """Give how many rows a page has."""
    most = int(getattr(model, "max_page_size", 1000))
    return min(query.limit or int(getattr(model, "page_size", 50)), most)


def _sizes(model: Any, state: State, query: Query) -> list[dict[str, Any]]:
    most = int(getattr(model, "max_page_size", 1000))
    current = page_size(model, query)
    numbers = sorted({*(n for n in SIZES if n <= most), current})
    return [{"n": n, "url": state.url(limit=str(n)), "current": n == current} for n in numbers]


def _columns(model: Any, state: State, fields: Sequence[Field]) -> dict[str, Any]:
    shown = {field.name for field in fields}
    # Blanks around a name would not survive among others.
    able = [f for f in model.fields if f.name and f.name == f.name.strip()]
    options = [{"field": f, "value": quoted(f.name), "shown": f.name in shown} for f in able]
    return {"hidden": state.hidden("fields"), "options": options}


def _exports(state: State, formats: Iterable[str]) -> list[dict[str, str]]:
    found = []
    for name in formats:
        limit = "all" if name in WHOLE else state.get("limit")
        url = state.url(format=name, limit=limit, count=None)
        found.append({"format": name, "url": url})
    return found


# -- places in the list --------------------------------------------------------------------
#
# A keyset cursor does not know how many rows come before it.  So the links of a page tell it, in a
# number after the cursor.

_NUMBERED = re.compile(r"(.+)\.([0-9]{1,15})", re.ASCII | re.DOTALL)


def unnumbered(query: Query) -> tuple[Query, int | None]:
    """Give a query as models know it, and the number of its first row, if its cursor has one."""
    match = _NUMBERED.fullmatch(query.cursor or "")
    if match is None:
        return query, None
    return replace(query, cursor=match[1]), int(match[2]) or None


def numbered(cursor: str | None, number: int | None = None) -> str | None:
    """Give a cursor with the number of the row that its page begins with; 0 if that is unknown."""
    if cursor is None or (number is None and not _NUMBERED.fullmatch(cursor)):
        return cursor
    return f"{cursor}.{number or 0}"


def first_row(page: Page, number: int | None) -> int | None:
    """Say which row of the list a page begins with, counted from 1; `None` if nobody knows.

    Args:
        page: The page.
        number: What the link to it said: rows that came or went since may have made it wrong.
    """
    if page.prev is None:
        return 1
    return number if number is not None and number > 1 else None


def neighbour_cursors(page: Page, first: int | None, limit: int) -> tuple[str | None, str | None]:
    """Give the cursors of the pages after and before a page, with their numbers.

    Args:
        page: The page.
        first: The number of its first row, if that is known.
        limit: Rows of a page.
    """
    if first is None:
        return numbered(page.next), numbered(page.prev)
    return numbered(page.next, first + len(page.data)), numbered(page.prev, max(1, first - limit))


def row_range(page: Page, first: int | None) -> dict[str, int] | None:
    """Give the numbers of the first and the last row of a page."""
    if first is None or not page.data:
        return None
    return {"first": first, "last": first + len(page.data) - 1}
