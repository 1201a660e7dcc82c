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
  with commas (as in CSV).  Only these and ``fields`` may be given more than once, which adds
  values.
- An empty value means "no filter", since plain HTML forms send every input; only an explicit
  ``__eq`` or ``__ne`` compares with the empty text.
- The words of `RESERVED` are no filters: ``q sort fields embed limit cursor count format``.
- A JSON document has the same names as members, with JSON values (`null` asks for nulls), and
  besides these ``and`` and ``or`` (a list of such conditions) and ``not`` (one).

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
from dataclasses import dataclass, field, replace
from functools import partial
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

#: Filters of one query, and what joins them.  SQLite takes expressions of at most 1,000 levels.
MAX_CONDITIONS = 200

#: Levels of ``and``, ``or`` and ``not`` in one another.
MAX_NESTING = 32

#: Values of one ``in``.
MAX_VALUES = 1000

#: Values of all filters; the least that a database takes with a statement is 32,766 (SQLite).
MAX_ALL_VALUES = 10_000

#: Bits of a whole number in a document; Python writes no more than 4,300 digits.
MAX_BITS = 14_000

#: Words that ``q`` searches for, each of them in every search column.
MAX_WORDS = 50

#: Servers take no longer request line (gunicorn 8,190 bytes, wsgiref and Werkzeug 65,536).
MAX_CURSOR = 65_536

#: A larger limit means "as many as you give": the model clamps it to its own ceiling.
MAX_LIMIT = 10**9

#: One value of a cursor's position: a JSON scalar, or for any other type its name and text.
Part = str | int | float | list[str] | None

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: A part of a list of values: in double quotes, which are doubled inside, or bare.
_LISTED = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|\Z)')


class QueryError(ValueError):
    """A query that cannot be answered.

    Attributes:
        parameter: The name of the parameter at fault; empty for the query itself.
        detail: A sentence: what is wrong, and what would be accepted.
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
    """What a client asks of a list.

    Raises:
        ValueError: If the limit is less than 1.
        QueryError: If there are more than `MAX_WORDS` words to search for.
    """

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
        if self.search and len(self.search.split(maxsplit=MAX_WORDS)) > MAX_WORDS:
            raise QueryError("q", f"Has more than {MAX_WORDS} words.")

    @property
    def scope(self) -> str:
        """Which rows in which order, as a text: what a cursor belongs to.

        Empty for all rows in the order of their keys.  What means the same is the same: the
        order of conditions does not count, and filters without a value are left out.
        """
        rows = _canonical(self.filter)
        if rows == _ALL and not self.search and not self.sort:
            return ""
        order = [[sort.name, sort.descending] for sort in self.sort]
        return json.dumps([rows, self.search.split(), order], default=str)

    @property
    def narrows(self) -> bool:
        """Whether a filter with a value, or a search, may leave out rows."""
        return bool(self.search.strip()) or _canonical(self.filter) != _ALL


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Give all comparisons of a condition, in order; those that mean no filter as well."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Not):
        yield from comparisons(condition.condition)
    else:
        for part in condition.conditions:
            yield from comparisons(part)


_ALL = ["And"]


def _canonical(condition: Condition) -> list[Any]:
    """Spell a condition so that the order of its parts does not count."""
    if isinstance(condition, Comparison):
        found = [condition.name, condition.operator, *condition.values]
        return ["Comparison", *found] if condition.values else _ALL
    if isinstance(condition, Not):
        return ["Not", _canonical(condition.condition)]
    parts = [_canonical(part) for part in condition.conditions]
    if isinstance(condition, And):
        parts = [part for part in parts if part != _ALL]
    return [type(condition).__name__, *sorted(parts, key=partial(json.dumps, default=str))]


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
    if not text and document is None:
        return _NOTHING_ASKED
    parser = _Parser()
    for name, value in _pairs(text):
        parser.add_parameter(name, value)
    if document is not None:
        parser.add_document(document)
    return parser.query()


_NOTHING_ASKED: Final = Query()


def split_operator(name: str) -> tuple[str, str]:
    """Split ``age__gte`` into column and operator; a name without one means ``eq``."""
    column, mark, operator = name.rpartition("__")
    return (column, operator) if mark and column and operator in OPERATORS else (name, "eq")


@dataclass(slots=True)
class _Parser:
    """What was read so far, by the names that the client used."""

    words: dict[str, Any] = field(default_factory=dict)
    filters: dict[str, Condition] = field(default_factory=dict)
    conditions_left: int = MAX_CONDITIONS
    values_left: int = MAX_ALL_VALUES

    def add_parameter(self, name: str, text: str) -> None:
        """Take a parameter of a URL."""
        if not name:
            raise QueryError("(empty)", "Is no name of a parameter.")
        column, operator = split_operator(name)
        before = self.filters.get(name)
        if operator in MANY and isinstance(before, Comparison):
            more = self._values(name, operator, _listed(name, text), len(before.values))
            self.filters[name] = replace(before, values=(*before.values, *more))
        elif name == "fields":
            self.words[name] = [*self.words.get(name, ()), *_listed(name, text)]
        elif name in RESERVED:
            self._add(self.words, name, text)
        else:
            texts = _texts(name, operator, text, explicit=name != column)
            values = self._values(name, operator, texts)
            self._spend()
            self._add(self.filters, name, Comparison(column, operator, values, name))

    def add_document(self, document: Mapping[str, Any]) -> None:
        """Take a JSON document."""
        if not isinstance(document, Mapping):
            raise QueryError("", 'A query is a JSON object, such as {"age__gte": 18}.')
        if "format" in document:
            raise QueryError("format", "Belongs in the URL.")
        for name, value in document.items():
            if name in RESERVED:
                self._add(self.words, name, value)
            else:
                self._add(self.filters, name, self._condition(name, value))

    def _add(self, target: dict[str, Any], name: str, value: Any) -> None:
        if name in target:
            raise QueryError(name, "Is given more than once; give it once.")
        target[name] = value

    def _condition(self, name: str, value: Any, level: int = 0) -> Condition:
        """Read one member of a JSON object of conditions."""
        self._spend()
        if name in ("and", "or"):
            if not isinstance(value, list) or not value:
                raise QueryError(name, "Must be a list of conditions, such as [{...}, {...}].")
            parts = tuple(self._object(name, item, level + 1) for item in value)
            return And(parts) if name == "and" else Or(parts)
        if name == "not":
            return Not(self._object(name, value, level + 1))
        column, operator = split_operator(name)
        values = self._values(name, operator, _json_values(name, operator, value))
        return Comparison(column, operator, values, name, texts=False)

    def _object(self, name: str, value: Any, level: int) -> Condition:
        if level > MAX_NESTING:
            raise QueryError(name, f"Is nested more than {MAX_NESTING} levels deep.")
        if not isinstance(value, dict) or not value:
            message = 'Must hold conditions, each an object such as {"age__gte": 18}.'
            raise QueryError(name, message)
        for word in sorted(RESERVED & value.keys()):
            raise QueryError(word, "Is no condition; write it at the top of the document.")
        parts = tuple(self._condition(*item, level) for item in value.items())
        return parts[0] if len(parts) == 1 else And(parts)

    def _spend(self) -> None:
        self.conditions_left -= 1
        if self.conditions_left < 0:
            raise QueryError("", f"A query has at most {MAX_CONDITIONS} conditions.")

    def _values(
        self, name: str, operator: str, values: Sequence[Any], before: int = 0
    ) -> tuple[Any, ...]:
        self.values_left -= len(values)
        if before + len(values) > MAX_VALUES:
            raise QueryError(name, f"Has more than {MAX_VALUES} values.")
        if self.values_left < 0:
            raise QueryError(name, f"A query has at most {MAX_ALL_VALUES} values.")
        return tuple(values)

    def query(self) -> Query:
        """Give all of it as a query."""
        words = self.words
        whole = words.get("limit") == "all"
        cursor = _text("cursor", words.get("cursor")) or None
        if whole and cursor:
            raise QueryError("cursor", "Has no place where all rows are asked for (limit=all).")
        return Query(
            limit=None if whole else _limit(words.get("limit")),
            cursor=cursor,
            filter=And(tuple(self.filters.values())),
            search=_text("q", words.get("q")).strip(),
            sort=tuple(_sorts(_names("sort", words.get("sort")))),
            fields=_names("fields", words.get("fields")),
            embed=_names("embed", words.get("embed")),
            count=_count(words.get("count")),
            whole=whole,
        )


# -- values, as they are given -----------------------------------------------------------


#: Operators that, given explicitly, compare with the empty text.
_WITH_EMPTY = frozenset({"eq", "ne"})


def _texts(name: str, operator: str, text: str, *, explicit: bool) -> Sequence[str]:
    """Read the value of a filter in a URL; an empty one means no filter."""
    if operator in MANY:
        return _listed(name, text)
    return [text] if text or (explicit and operator in _WITH_EMPTY) else []


def _listed(name: str, text: str) -> Sequence[str]:
    """Read values that commas separate."""
    values: list[str] = []
    position = 0
    while text:
        match = _LISTED.match(text, position)
        if match is None:
            raise QueryError(name, "Has a double quote out of place; double it inside quotes.")
        quoted, bare, comma = match.groups()
        values.append(bare if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if not comma:
            break
    return values


def _json_values(name: str, operator: str, value: Any) -> Sequence[Any]:
    """Read the value of a filter in a document; an empty list would say nothing."""
    if operator in MANY and (not isinstance(value, list) or not value):
        raise QueryError(name, 'Must be a list of at least one value, such as ["a", "b"].')
    values = value if operator in MANY else [value]
    for item in values:
        _require_scalar(name, item)
    return values


def _require_scalar(name: str, value: Any) -> None:
    if isinstance(value, dict | list):
        raise QueryError(name, "Must be a single value, such as text or a number.")
    if isinstance(value, str):
        _require_unicode(name, value)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise QueryError(name, "Is too large a number.")


def _pairs(text: str) -> list[tuple[str, str]]:
    if _BROKEN_ESCAPE.search(text):
        raise QueryError("", "The query string has a % that is not followed by two hex digits.")
    _require_unicode("", text)
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


def _require_unicode(name: str, text: str) -> None:
    # JSON can spell half a surrogate pair, which no database driver can encode.
    if not _is_unicode(text):
        raise QueryError(name, "Has a character that does not exist.")


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | None):
        raise QueryError(name, f"Must be text, not {_short(value)}.")
    _require_unicode(name, value or "")
    return value or ""


_WHOLE = re.compile(r"(\d+)(?:\.0*)?", re.ASCII)


def _limit(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and (whole := _WHOLE.fullmatch(value)):
        # Python reads no more than 4,300 digits.
        value = int(whole[1].lstrip("0")[:10] or "0")
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one type for numbers
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        message = f"Must be a whole number of at least 1, or all, not {_short(value)}."
        raise QueryError("limit", message)
    return min(value, MAX_LIMIT)


_COUNTS: Mapping[Any, Literal["", "bounded", "exact"]] = {
    None: "", "": "", "0": "", 0: "", "1": "bounded", 1: "bounded", "exact": "exact",
}  # fmt: skip


def _count(value: Any) -> Literal["", "bounded", "exact"]:
    if isinstance(value, dict | list) or value not in _COUNTS:
        raise QueryError("count", f"Must be 1 (up to a bound) or exact, not {_short(value)}.")
    return _COUNTS[value]


def _names(parameter: str, value: Any) -> tuple[str, ...]:
    """Read names that commas separate, or a JSON list of them."""
    names = _listed(parameter, value or "") if isinstance(value, str | None) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise QueryError(parameter, "Must be names of columns, separated by commas.")
    names = [name.strip() for name in names]
    if "" in names:
        raise QueryError(parameter, "Has an empty name.")
    if len(set(names)) < len(names):
        raise QueryError(parameter, "Names a column twice.")
    return tuple(names)


def _sorts(names: Iterable[str]) -> Iterator[Sort]:
    seen = set()
    for name in names:
        column = name.removeprefix("-")
        if not column or column in seen:
            raise QueryError("sort", "Must name each column once: -created,name for example.")
        seen.add(column)
        yield Sort(column, descending=name.startswith("-"))


def _short(value: Any) -> str:
    """Name a value in a message, shortly."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > MAX_LIMIT:
        return "so large a number"
    text = repr(value)
    return text if len(text) <= 22 else text[:21] + "…"


# -- cursors -----------------------------------------------------------------------------

#: What is said of any text that is no cursor, whatever is wrong with it.
FOREIGN_CURSOR = "Is not one that this collection gave."


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
        raise QueryError("cursor", FOREIGN_CURSOR)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        backward, position, mark = json.loads(raw)
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise QueryError("cursor", FOREIGN_CURSOR) from error
    if mark != _mark(ordering):
        raise QueryError("cursor", "Belongs to a list with another filter or order.")
    if backward not in (0, 1) or not isinstance(position, list) or len(position) != length:
        raise QueryError("cursor", FOREIGN_CURSOR)
    if not all(_is_part(part) for part in position):
        raise QueryError("cursor", FOREIGN_CURSOR)
    return Cursor(tuple(position), bool(backward))


def _is_part(part: object) -> bool:
    if isinstance(part, list):
        return len(part) == 2 and all(map(_is_text, part))
    return _is_text(part) or isinstance(part, int | float | None)


def _is_text(part: object) -> bool:
    return isinstance(part, str) and _is_unicode(part)


def _mark(ordering: str) -> str:
    # Not a signature: a client that forges a cursor gets a page of what it may see anyway.
    return format(binascii.crc32(ordering.encode()), "08x")


def describe_ordering(model: str, columns: Sequence[str], query: Query | None = None) -> str:
    """Name an ordering for `encode_cursor`: the model, its ordering columns, and the query."""
    return json.dumps([model, *columns, "" if query is None else query.scope])
