"""The query of a collection: its filter, order and page, from a URL or from a JSON document.

Use it alone to read ``?age__gte=18&sort=-name&limit=20`` in an application of your own: it
knows neither WSGI nor SQL, nor which columns there are.

    from wsgikit.query import And, Comparison, Sort, parse_query

    query = parse_query("age__gte=18&sort=-name&limit=20")
    assert query.limit == 20 and query.sort == (Sort("name", descending=True),)
    assert query.filter == And((Comparison("age", "gte", ("18",), "age__gte"),))

The grammar, for the URL and for the body of a ``QUERY`` (RFC 10008) alike:

- ``column=value`` or ``column__op=value`` is a filter, with an operator of `OPERATORS`.  A
  foreign key may be followed with a dot: ``author.country=NZ``.  Filters combine with AND.
- ``in`` and ``notin`` take several values, separated by commas; double quotes protect a value
  with commas (as in CSV).  Only these may be given more than once.
- An empty value means "no filter", since plain HTML forms send every input; only an explicit
  ``__eq`` or ``__ne`` compares with the empty text.
- The words of `RESERVED` are no filters: ``q sort fields embed limit cursor count format``.
- A JSON document has the same names as members, with JSON values, and besides these ``and`` and
  ``or`` (a list of such conditions) and ``not`` (one).

What is unknown, repeated, undecodable or out of range raises `QueryError`, which names the
parameter.  Values stay as they were given: the model converts them by its columns' types.

A cursor is opaque to clients.  For us it is a position in an ordering and a direction, with a
mark of the ordering that it belongs to, so that it cannot be used with another.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

#: Parameters that never name a column.  A column of such a name is reached with an operator
#: (``limit__eq``).
RESERVED = frozenset({"q", "sort", "fields", "embed", "limit", "cursor", "count", "format"})

#: What a filter may ask of a column.
OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "in", "notin",
             "contains", "startswith", "endswith", "isnull")  # fmt: skip

#: Operators that take several values.
MANY = frozenset({"in", "notin"})

#: More parameters than any form of ours sends; the bound that `parse_body` has for forms.
MAX_PARAMETERS = 1000

#: Filters of one query.  SQLite takes expressions of at most 1,000 levels.
MAX_CONDITIONS = 200

#: Values of one ``in``; the least that a database takes as parameters of a statement is 32,766.
MAX_VALUES = 1000

#: Servers take no longer request line (gunicorn 8,190 bytes, wsgiref and Werkzeug 65,536).
MAX_CURSOR = 65_536

#: A larger limit means "as many as you give": the model clamps it to its own ceiling.
MAX_LIMIT = 10**9

#: One value of a cursor's position: a JSON scalar, or for any other type its name and text.
Part = str | int | float | list[str] | None

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: A part of a list of values: in double quotes, which are doubled inside, or bare.
_LISTED = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')


class QueryError(ValueError):
    """A query that cannot be answered.

    Attributes:
        parameter: The name of the parameter at fault; empty for the query itself.
        detail: One sentence: what is wrong, and what would be accepted.
    """

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}" if parameter else detail)
        self.parameter = parameter
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Comparison:
    """A filter on one column.

    Attributes:
        name: The column, or a path of foreign keys to one (``author.country``).
        operator: One of `OPERATORS`.
        values: As they were given: texts of a URL, or JSON values.  Several for ``in`` and
            ``notin``; none where no filter is meant.
        parameter: What the client called it, for messages.
        texts: Whether the values are texts, which are still to be read by the column's type.
    """

    name: str
    operator: str
    values: tuple[Any, ...]
    parameter: str
    texts: bool = True


@dataclass(frozen=True, slots=True)
class And:
    """All of these; everything, if there are none."""

    conditions: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these; nothing, if there are none."""

    conditions: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Not:
    """Exactly what the condition leaves out."""

    condition: "Condition"


Condition: TypeAlias = Comparison | And | Or | Not

EVERYTHING: Final = And()


@dataclass(frozen=True, slots=True)
class Sort:
    """A column that orders the rows; nulls count as less than anything."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asks of a list."""

    #: Rows a page; `None` for the model's own page size.
    limit: int | None = None
    #: Where the page begins, as given by an earlier page; `None` for the first.
    cursor: str | None = None
    #: Which rows.
    filter: Condition = EVERYTHING
    #: Words that must all occur in a row's search columns, separated by blanks.
    search: str = ""
    #: Their order; the key decides what is left open.
    sort: tuple[Sort, ...] = ()
    #: The columns of the rows; all of them if empty.
    fields: tuple[str, ...] = ()
    #: The foreign keys whose value is replaced by the row that it points to.
    embed: tuple[str, ...] = ()
    #: Whether to count all rows: up to a bound, or exactly.
    count: Literal["", "bounded", "exact"] = ""
    #: Whether all rows are wanted instead of a page (``limit=all``).
    whole: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"a limit is at least 1, not {self.limit}")

    @property
    def scope(self) -> str:
        """Which rows in which order, as a text: what a cursor belongs to."""
        return json.dumps([_plain(self.filter), self.search, _plain(self.sort)], default=str)

    @property
    def narrows(self) -> bool:
        """Whether a filter or a search leaves out rows, or might."""
        return bool(self.search) or any(True for _ in comparisons(self.filter))


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Give all comparisons of a condition, in order; those that mean no filter as well."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Not):
        yield from comparisons(condition.condition)
    else:
        for part in condition.conditions:
            yield from comparisons(part)


def _plain(part: Any) -> Any:
    if isinstance(part, tuple):
        return [_plain(item) for item in part]
    if isinstance(part, Comparison):
        return [part.name, part.operator, list(part.values)]
    if isinstance(part, Sort):
        return [part.name, part.descending]
    if isinstance(part, Not):
        return ["not", _plain(part.condition)]
    return [type(part).__name__, *map(_plain, part.conditions)]


# -- reading -----------------------------------------------------------------------------


def parse_query(text: str, document: Mapping[str, Any] | None = None) -> Query:
    """Read a query.

    Args:
        text: The part of the URL after ``?``, percent-encoded, without the ``?``.
        document: The body of a ``QUERY``, decoded from JSON; its members and those of the URL
            must not be the same.

    Raises:
        QueryError: For anything unknown, repeated, undecodable or out of range.
    """
    parsed = _Parser()
    for name, value in _pairs(text):
        parsed.add_text(name, value)
    if document is not None:
        parsed.add_document(document)
    return parsed.query()


@dataclass(slots=True)
class _Parser:
    """What was read so far."""

    words: dict[str, Any] = field(default_factory=dict)
    filters: list[Condition] = field(default_factory=list)
    lists: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    room: int = MAX_CONDITIONS

    def add_text(self, name: str, value: str) -> None:
        """Take a parameter of a URL."""
        if not name:
            raise QueryError("(empty)", "is no name of a parameter.")
        if name in RESERVED:
            self._once(name)
            self.words[name] = value
            return
        column, operator = split_operator(name)
        explicit = name != column
        values: tuple[str, ...] = (value,) if value or (explicit and operator in _EMPTY) else ()
        if operator in MANY:
            self._add_list(column, operator, name, _listed(name, value))
            return
        self._once(name)
        self._add(Comparison(column, operator, values, name))

    def _add_list(self, column: str, operator: str, name: str, values: Sequence[str]) -> None:
        """Take some values; what is given again continues the list."""
        if name in self.lists:
            before = self.filters[self.lists[name]]
            assert isinstance(before, Comparison)  # what lists has the places of
            values = (*before.values, *values)
        else:
            self.lists[name] = len(self.filters)
            self._add(EVERYTHING)
        _bound_values(name, values)
        self.filters[self.lists[name]] = Comparison(column, operator, tuple(values), name)

    def add_document(self, document: Mapping[str, Any]) -> None:
        """Take a JSON document."""
        if "format" in document:
            raise QueryError("format", "belongs into the URL.")
        for name, value in document.items():
            if name in RESERVED:
                self._once(name)
                self.words[name] = value
            else:
                self._add(self._condition(name, value))

    def _condition(self, name: str, value: Any) -> Condition:
        """Read one member of a JSON object of conditions."""
        if name in ("and", "or"):
            if not isinstance(value, list) or not value:
                raise QueryError(name, "must be a list of conditions, such as [{...}, {...}].")
            conditions = tuple(self._object(name, item) for item in value)
            return And(conditions) if name == "and" else Or(conditions)
        if name == "not":
            return Not(self._object(name, value))
        column, operator = split_operator(name)
        values = tuple(_json_values(name, operator, value))
        _bound_values(name, values)
        self._spend()
        return Comparison(column, operator, values, name, texts=False)

    def _object(self, name: str, value: Any) -> Condition:
        if not isinstance(value, dict) or not value:
            message = 'must hold conditions, each an object such as {"age__gte": 18}.'
            raise QueryError(name, message)
        for word in RESERVED & value.keys():
            raise QueryError(word, "is no condition; write it at the top of the document.")
        conditions = tuple(self._condition(*item) for item in value.items())
        return conditions[0] if len(conditions) == 1 else And(conditions)

    def _once(self, name: str) -> None:
        if name in self.seen:
            raise QueryError(name or "(empty)", "is given more than once; give it once.")
        self.seen.add(name)

    def _add(self, condition: Condition) -> None:
        self._spend()
        self.filters.append(condition)

    def _spend(self) -> None:
        self.room -= 1
        if self.room < 0:
            raise QueryError("", f"A query has at most {MAX_CONDITIONS} conditions.")

    def query(self) -> Query:
        """Give all of it as a query."""
        words = self.words
        whole = words.get("limit") == "all"
        cursor = _text("cursor", words.get("cursor")) or None
        if whole and cursor:
            raise QueryError("cursor", "has no place where all rows are asked for (limit=all).")
        return Query(
            limit=None if whole else _limit(words.get("limit")),
            cursor=cursor,
            filter=And(tuple(self.filters)) if self.filters else EVERYTHING,
            search=_text("q", words.get("q")).strip(),
            sort=tuple(_sorts(_names("sort", words.get("sort")))),
            fields=_names("fields", words.get("fields")),
            embed=_names("embed", words.get("embed")),
            count=_count(words.get("count")),
            whole=whole,
        )


#: Operators by which a value that is empty is compared with.
_EMPTY = frozenset({"eq", "ne"})


def split_operator(name: str) -> tuple[str, str]:
    """Split ``age__gte`` into column and operator; a name without one means ``eq``."""
    column, mark, operator = name.rpartition("__")
    return (column, operator) if mark and column and operator in OPERATORS else (name, "eq")


def _listed(name: str, text: str) -> Sequence[str]:
    """Read values that commas separate."""
    values: list[str] = []
    position = 0
    while text:
        match = _LISTED.match(text, position)
        if match is None:
            raise QueryError(name, "has a double quote out of place; double it inside quotes.")
        quoted, bare, end = match.groups()
        values.append(bare if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if not end:
            break
    return values


def _json_values(name: str, operator: str, value: Any) -> Iterable[Any]:
    if operator in MANY:
        if not isinstance(value, list):
            raise QueryError(name, 'must be a list of values, such as ["a", "b"].')
        if not value:
            raise QueryError(name, "is an empty list; give at least one value.")
        return value
    if isinstance(value, dict | list):
        raise QueryError(name, "must be a single value.")
    return [value]


def _bound_values(name: str, values: Sequence[Any]) -> None:
    if len(values) > MAX_VALUES:
        raise QueryError(name, f"has more than {MAX_VALUES} values.")


def _pairs(text: str) -> list[tuple[str, str]]:
    if _BROKEN_ESCAPE.search(text):
        raise QueryError("", "The query string has a % that is not followed by two hex digits.")
    try:
        return parse_qsl(
            text,
            keep_blank_values=True,
            errors="strict",
            separator="&",
            max_num_fields=MAX_PARAMETERS,
        )
    except UnicodeDecodeError as error:
        raise QueryError("", "The query string is not UTF-8.") from error
    except ValueError as error:
        raise QueryError("", f"The query string has over {MAX_PARAMETERS} parameters.") from error


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | None):
        raise QueryError(name, "must be text.")
    return value or ""


def _limit(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()):
        raise QueryError("limit", f"must be a whole number from 1, or all, not {_short(value)}.")
    digits = value.lstrip("0")
    if not digits:
        raise QueryError("limit", "must be a whole number from 1, or all, not 0.")
    return int(digits) if len(digits) < len(str(MAX_LIMIT)) else MAX_LIMIT


_COUNTS: Mapping[Any, Literal["", "bounded", "exact"]] = {
    None: "", "": "", "0": "", "1": "bounded", "exact": "exact",
}  # fmt: skip


def _count(value: Any) -> Literal["", "bounded", "exact"]:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str | None) or text not in _COUNTS:
        raise QueryError("count", f"must be 1 or exact, not {_short(value)}.")
    return _COUNTS[text]


def _names(parameter: str, value: Any) -> tuple[str, ...]:
    """Read names that commas separate, or a JSON list of them."""
    names = _listed(parameter, value) if isinstance(value, str) else value or ()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise QueryError(parameter, "must be names of columns, separated by commas.")
    names = [name.strip() for name in names]
    if "" in names:
        raise QueryError(parameter, "has an empty name.")
    if len(set(names)) < len(names) or len(names) > MAX_PARAMETERS:
        raise QueryError(parameter, "names a column twice.")
    return tuple(names)


def _sorts(names: Iterable[str]) -> Iterator[Sort]:
    seen = set()
    for name in names:
        column = name.removeprefix("-")
        if not column or column in seen:
            raise QueryError("sort", "must name each column once: -created,name for example.")
        seen.add(column)
        yield Sort(column, descending=name.startswith("-"))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 22 else text[:21] + "…"


# -- cursors -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position between two rows of an ordering.

    Attributes:
        position: One part per ordering column, or one offset where rows have no key.
        backward: Whether the page lies before the position rather than after it.
    """

    position: tuple[Part, ...]
    backward: bool = False


def encode_cursor(cursor: Cursor, ordering: str) -> str:
    """Write a cursor as URL-safe text.

    Args:
        cursor: The position.
        ordering: What the position means (the model, its filter and its sort), as text of
            any length; `decode_cursor` accepts the cursor for the same ordering only.
    """
    data = [int(cursor.backward), list(cursor.position), _mark(ordering)]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def decode_cursor(text: str, ordering: str, length: int) -> Cursor:
    """Read a cursor that `encode_cursor` wrote.

    Args:
        text: The text of a client.
        ordering: The ordering of the list that is asked for.
        length: How many parts its positions have.

    Raises:
        QueryError: If the text is no cursor, or one of another ordering.
    """
    if len(text) > MAX_CURSOR:
        raise QueryError("cursor", "is not one that this collection gave.")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        backward, position, mark = json.loads(raw)
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise QueryError("cursor", "is not one that this collection gave.") from error
    if mark != _mark(ordering):
        raise QueryError("cursor", "belongs to a list with another filter or order.")
    if backward not in (0, 1) or not isinstance(position, list) or len(position) != length:
        raise QueryError("cursor", "is not one that this collection gave.")
    if not all(_is_part(part) for part in position):
        raise QueryError("cursor", "is not one that this collection gave.")
    return Cursor(tuple(position), bool(backward))


def _is_part(part: object) -> bool:
    if isinstance(part, list):
        return len(part) == 2 and all(map(_is_text, part))
    return _is_text(part) or isinstance(part, int | float | None)


def _is_text(part: object) -> bool:
    # JSON can spell a lone surrogate, which no database driver can encode.
    return isinstance(part, str) and not any("\ud800" <= c <= "\udfff" for c in part)


def _mark(ordering: str) -> str:
    # Not a signature: a client that forges a cursor gets a page of what it may see anyway.
    return format(binascii.crc32(ordering.encode()), "08x")


def describe_ordering(model: str, columns: Sequence[str], query: Query | None = None) -> str:
    """Name an ordering for `encode_cursor`: the model, its ordering columns, and the query."""
    return json.dumps([model, *columns, "" if query is None else query.scope])
