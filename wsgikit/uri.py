r"""URIPattern: match a path against a URI template, and expand it back.

Use it alone wherever paths have a shape: it knows nothing of WSGI, and needs no dispatcher.

::

    from wsgikit.uri import URIPattern

    pattern = URIPattern("/blog/{year:int}[/{slug}]")
    assert pattern.match("/blog/2024/hello").urlvars == {"year": 2024, "slug": "hello"}
    assert pattern.match("/blog/last-year") is None
    assert pattern.expand(year=2024, slug="how & why") == "/blog/2024/how%20%26%20why"

The language is RFC 6570 with three additions: ranges (``{year:int}``), optional parts
(``[...]``) and open ends (a trailing ``|``).

==================================  ==========================================================
template                            meaning
==================================  ==========================================================
``/index/``                         the literal path
``{name}``                          one or more characters up to the next ``/``
``{name:range}``                    restricted to a range; a converting range yields its value
``{}`` or ``{:range}``              positional: goes to ``urlargs``
``[...]``                           optional; may nest, may hold variables
trailing ``|``                      open-ended: whole segments may follow, and are left alone
``{a,b}`` ``{name:3}`` ``{name*}``  RFC 6570: several, at most three characters, a list
``{+name}``                         anything, with reserved characters as they are
``{/name}`` ``{.name}`` ``{;name}`` the name after its operator, or nothing at all
``{?a,b}`` ``{&c}`` ``{#d}``        never matched; kept for ``expand`` and ``published``
==================================  ==========================================================

Ranges: ``segment`` (the default), ``word``, ``alpha``, ``digits``, ``alnum``, ``chunk`` (no ``/``
and no dot), ``unreserved``, ``key`` (unreserved characters and commas), ``any``, ``number``;
converting: ``int``, ``float``, ``uuid``, ``date``; and ``path``, a relative path without ``.``
and ``..`` segments.

How a path is read: from left to right, an optional part is present when it can be, a variable
takes as much as it can, and a variable before an optional part as little as it can.
``match(expand(**v)).urlvars == v`` holds for whatever ``expand`` accepts: a value that would be
read back as something else is refused, and a template that could not tell its variables apart
is refused when it is made.

Matching takes time in proportion to the path.
Where the end of a variable has to be searched for (``{name}.{ext}``, but not
``{name:chunk}.{ext}``), there may be three such places in a template, and with one, two or three
of them a path longer than 4096, 512 or 160 characters does not match.
"""

import re
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from uuid import UUID

from uritemplate import URITemplate

# What people write for a range: a regular expression, or one with a converter to the value
# and a formatter back to text.
RangeSpec = str | tuple[str, Callable[[str], Any], Callable[[Any], str]]

# What a converter or formatter may raise for a value it was not made for.
_UNFIT = (ValueError, ArithmeticError, TypeError, AttributeError)

# How long a path may be when the ends of no, one, two or three variables have to be searched
# for: a hostile path of that length takes some hundredths of a second; and how often the pattern
# may then have to try an optional part before it knows.
_LONGEST = (sys.maxsize, 4096, 512, 160)
_CHOICES = (10, 3, 2, 1)


class PatternError(ValueError):
    """A template that is malformed or ambiguous, or a value that does not fit it.

    The message ends with the template and a caret under the place that is meant.
    """


class Match(NamedTuple):
    """What a path says, read with a template."""

    #: Values by name; a variable of a part that was absent is absent.
    urlvars: dict[str, Any]
    #: Values of the positional variables; None for an absent one before one that is there.
    urlargs: tuple[Any, ...]
    #: How many characters of the path were consumed.
    end: int


class URIPattern:
    """A compiled URI template.

    Args:
        template: The template, as described above.
        ranges: More ranges by name: a regular expression without capturing groups, or
            ``(regex, convert, format)``. *convert* may raise ``ValueError`` or
            ``ArithmeticError`` to say that the text is not a value after all.

    Raises:
        PatternError: The template or one of the ranges is malformed or ambiguous.
    """

    def __init__(
        self, template: str, ranges: Mapping[str, "RangeSpec | Range"] | None = None
    ) -> None:
        if not isinstance(template, str):
            raise TypeError(f"a template is a str, not {type(template).__name__}")
        parser = _Parser(template, known_ranges(ranges))
        nodes = tuple(node for part in parser.parts for node in _nodes(part))
        compiler = _Compiler(template)
        regex = compiler.compile(nodes, ())

        #: The template as given.
        self.template = template
        #: Names of the variables in order, those of the query included, positional ones not.
        self.variables: tuple[str, ...] = tuple(parser.names)
        #: How many positional variables there are.
        self.positional = parser.positional
        #: The names of the ranges that were given, by the variable's name.
        self.ranges: dict[str, str] = parser.range_names
        #: Whether the template ends with ``|``.
        self.open_ended = parser.open_ended
        #: The template for clients: plain RFC 6570, each expansion of which matches.
        self.published = "".join(map(_published, parser.parts)) + parser.tail
        #: The path split at ``/`` as far as the template fixes it (None: that segment varies),
        #: and whether there can be no more segments than these.
        self.segments, self.bounded = _segments(nodes, parser.open_ended)

        self._parts = parser.parts
        self._tail = URITemplate(parser.tail) if parser.tail else None
        self._slots = compiler.slots
        self._longest = _LONGEST[compiler.searches]
        self._doubtful = compiler.doubtful
        # What is left for the next application has to start with "/" (PEP 3333), so an open
        # end is the end of a segment.
        end = r"(?:(?<=/)|(?=/|\Z))" if parser.open_ended else r"\Z"
        self._find = re.compile(regex + end, re.DOTALL).match

    def __repr__(self) -> str:
        return f"URIPattern({self.template!r})"

    def match(self, path: str) -> Match | None:
        """Read a decoded path; None when it does not have this shape."""
        found = self._find(path) if len(path) <= self._longest else None
        if found is None:
            return None
        urlvars: dict[str, Any] = {}
        urlargs: list[Any] = []
        try:
            for slot, text in zip(self._slots, found.groups(), strict=True):
                value = text if text is None or slot.decode is None else slot.decode(text)
                if slot.positional:
                    urlargs.append(value)
                elif text is not None:
                    urlvars[slot.name] = value
        except (ValueError, ArithmeticError):
            return None
        while urlargs and urlargs[-1] is None:
            urlargs.pop()
        return Match(urlvars, tuple(urlargs), found.end())

    def expand(self, /, *urlargs: Any, **urlvars: Any) -> str:
        """Write the path, percent-encoded, and the query if the template has one.

        Args:
            urlargs: Values of the positional variables (or give them as ``**{"0": ...}``).
            urlvars: Values by name; None is the same as not given, other names are ignored.
                An optional part is written when all its own variables are given.

        Raises:
            PatternError: A value is missing, does not fit its range, or would be read back
                as something else.
        """
        if len(urlargs) > self.positional:
            reason = f"takes {self.positional} positional values, not {len(urlargs)}"
            raise _error(reason, self.template, 0)
        given = urlvars | {str(index): value for index, value in enumerate(urlargs)}
        writer = _Writer(self.template, given)
        url = "".join(map(writer.write, self._parts))
        if (self._doubtful or writer.doubtful) and not writer.one_way:
            self._read_back(url, writer.written)
        return url if self._tail is None else url + writer.write_tail(self._tail)

    def publish(self, given: Container[str] = (), /, **values: Any) -> str:
        """Return the published path with some of the optional parts.

        Args:
            given: The variables whose parts are wanted; others that have to be there stay.
            values: What is written in the place of a variable, see ``expand``.

        Raises:
            PatternError: A value does not fit.
        """
        writer = _Writer(self.template, values)
        return "".join(_chosen(part, given, writer) for part in self._parts)

    def _read_back(self, url: str, written: dict[str, Any]) -> None:
        """Refuse values that this template would read as others."""
        path = unquote(re.split("[?#]", url, maxsplit=1)[0], errors="replace")
        found = self.match(path)
        if found is None or found.end != len(path):
            raise _error(
                f"no match for {_brief(url)}, made from {_brief(written)}", self.template, 0
            )
        read = {str(index): value for index, value in enumerate(found.urlargs) if value is not None}
        read |= found.urlvars
        for slot in self._slots:
            if read.get(slot.name) != written.get(slot.name):
                reason = (
                    f"{_brief(url)}, made from {_brief(written)}, would be read as {_brief(read)}"
                )
                raise _error(reason, self.template, slot.position)


# --- ranges -----------------------------------------------------------------------------------


def _plain(value: object) -> str:
    """The text of a value that is a text or looks the same everywhere."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | UUID | date):
        raise TypeError(f"{type(value).__name__} is not a text")
    return str(value)


@dataclass(frozen=True)
class Range:
    """What the text of a variable may be, and the value it stands for."""

    regex: str
    convert: Callable[[str], Any] | None = None
    format: Callable[[Any], str] = _plain
    #: Matches the characters that can carry a value on; after any other it has ended.
    inner: str | None = None
    #: Reserved characters that ``expand`` leaves as they are.
    safe: str = ""
    #: Nothing in it can be read in two ways: no need to ever try a shorter text.
    linear: bool = False

    @cached_property
    def fits(self) -> Callable[[str], object]:
        return re.compile(self.regex, re.DOTALL).fullmatch

    def text(self, value: Any) -> str:
        """Write a value, and refuse one that would not be read back as it is."""
        text = self.format(value)
        if not self.fits(text):
            raise ValueError("it is outside the range")
        if self.convert and not self.convert(text) == value:
            raise ValueError(f"{text!r} stands for another value")
        return text


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise OverflowError(text)
    return value


def _relative(text: str) -> str:
    if {".", ".."} & set(text.split("/")):
        raise ValueError("a relative path has no . or .. segments")
    return text


# The order of names here is the order in error messages.
# int is canonical (no "+", no leading zeros, no "-0"), so that an integer has one URL; its 4,300
# digits are Python's limit for int(text), and the limit for digits everywhere in wsgikit.
_RANGES = {
    "segment": Range(r"[^/]+"),
    "word": Range(r"\w+"),
    "alpha": Range(r"[A-Za-z]+"),
    "digits": Range(r"[0-9]+"),
    "alnum": Range(r"[A-Za-z0-9]+"),
    "chunk": Range(r"[^/.]+"),
    "unreserved": Range(r"[A-Za-z0-9\-._~]+"),
    "key": Range(r"[A-Za-z0-9\-._~,]+", safe=","),
    "any": Range(r".+", safe="/"),
    "number": Range(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)", inner="[0-9.]"),
    "int": Range(r"(?:0|-?[1-9][0-9]{0,4299})", int, str, inner="[0-9]"),
    "float": Range(
        r"-?(?:0|[1-9][0-9]{0,4299})(?:\.[0-9]{1,4300})?(?:[eE][+-]?[0-9]{1,4})?",
        _finite,
        lambda value: repr(float(value)),
        inner=r"[0-9.eE+\-]",
    ),
    "uuid": Range(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", UUID, str, inner="(?!)"),
    "date": Range(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", date.fromisoformat, date.isoformat, inner="(?!)"),
    "path": Range(r"(?!/).+", _relative, str.__str__, safe="/"),
}
_BUILTIN = {name: replace(known, linear=True) for name, known in _RANGES.items()}


def known_ranges(ranges: Mapping[str, RangeSpec | Range] | None) -> dict[str, Range]:
    """Return the built-in ranges and the given ones, ready for many patterns.

    Raises:
        PatternError: A range is not a usable regular expression.
    """
    return _BUILTIN | {name: _range(name, spec) for name, spec in (ranges or {}).items()}


def _range(name: str, spec: RangeSpec | Range) -> Range:
    if isinstance(spec, Range):
        return spec
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise PatternError(f"{name!r} cannot be the name of a range: write letters, digits and _")
    match spec:
        case str(regex):
            convert, write = None, _plain
        case (str(regex), convert, write) if callable(convert) and callable(write):
            pass
        case _:
            reason = f"range {name!r} is a regular expression or (regex, convert, format)"
            raise PatternError(f"{reason}, not {spec!r}")
    try:
        groups = re.compile(regex).groups
        re.compile(f"({regex})/")
    except re.error as error:
        raise _error(f"range {name!r}: {error.msg}", regex, error.pos or 0) from error
    if groups:
        group = re.search(r"(?<!\\)\((?!\?[^P])", regex)
        reason = f"range {name!r}: write (?:...) for a group"
        raise _error(reason, regex, group.start() if group else 0)
    if re.fullmatch(regex, ""):
        reason = f"range {name!r} accepts the empty text: write [...] around the variable instead"
        raise _error(reason, regex, 0)
    regex = f"(?:{regex})" if "|" in regex else regex
    return Range(regex, convert, write, safe="/" if _characters(regex).fullmatch("/") else "")


# One step through a regular expression: punctuation, or something that stands for one character.
_STEP = re.compile(
    r"""(?: \(\?: | \((?!\?) | [)|] | [*+?]+ | \{\d*,?\d*\} )
      | (?P<one> \\[dws] | \\[^A-Za-z0-9] | \[\^?\]?(?:\\.|[^\]\\])*\] | [^\\\[\](){}|*+?^$] )""",
    re.VERBOSE | re.DOTALL,
)


def _characters(regex: str) -> re.Pattern[str]:
    """Return a pattern for every character that a text in this range may hold (or more)."""
    ones = set()
    position = 0
    while position < len(regex):
        step = _STEP.match(regex, position)
        if step is None:
            return re.compile(".", re.DOTALL)
        ones |= {step["one"]} - {None}
        position = step.end()
    return re.compile("|".join(ones), re.DOTALL)


# --- what a template is made of ---------------------------------------------------------------

# What stands before and between the values of an expression, and the characters a value without
# a range may hold when it is alone and when it has to be told from its neighbours.
_SHAPES = {
    "": ("", ",", "[^/]", "[^/,]"),
    "+": ("", ",", ".", "[^,]"),
    "/": ("/", "/", "[^/]", "[^/]"),
    ".": (".", ".", "[^/]", "[^/.]"),
    ";": (";", ";", "[^/;]", "[^/;]"),
}
# Operators that are not matched, in the order in which they may follow each other.
_TAIL = "?&#"
_RESERVED = "=,!@|"  # by RFC 6570 2.2


@dataclass(frozen=True)
class _Literal:
    #: Decoded, as paths are when they are matched.
    text: str

    @cached_property
    def quoted(self) -> str:
        return quote(self.text, safe="/:@!$&'()*+,;=~")


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    position: int
    positional: bool = False
    range: Range | None = None
    length: int | None = None
    many: bool = False

    @property
    def shown(self) -> str:
        return "{}" if self.positional else f"{{{self.name}}}"

    @property
    def spec(self) -> str:
        """The variable as RFC 6570 writes it."""
        prefix = f":{self.length}" if self.length else ""
        return f"{self.name}{prefix}{'*' if self.many else ''}"

    def text(self, value: Any) -> Any:
        """Turn a value into what RFC 6570 expands: a text, or a list or dict of texts."""
        if self.range is not None:
            return self.range.text(value)
        texts = _texts(value)
        if self.length and not isinstance(texts, str):
            raise TypeError("only a text has a length")  # RFC 6570 2.4.1
        return texts[: self.length] if self.length else texts

    def encode(self, text: str) -> str:
        quoted = quote(text, safe="" if self.range is None else self.range.safe)
        # A "/" in front could make "//host" of it.
        return f"%2F{quoted[1:]}" if quoted.startswith("/") else quoted

    def as_read(self, value: Any, text: Any) -> Any:
        """What ``match`` has to give for a value that was written as *text*."""
        if self.range is not None and self.range.convert is not None:
            return value
        if self.many:
            return [text] if isinstance(text, str) else text
        return ",".join(text) if isinstance(text, list) else text


@dataclass(frozen=True)
class _Expression:
    operator: str
    variables: tuple[_Variable, ...]

    @cached_property
    def template(self) -> URITemplate:
        return URITemplate(self.text)

    @cached_property
    def required(self) -> bool:
        return self.operator in ("", "+")

    @property
    def text(self) -> str:
        return f"{{{self.operator}{','.join(variable.spec for variable in self.variables)}}}"

    def check(self, text: str) -> None:
        """Refuse what a variable without range or operator does not match."""
        if not text or "/" in text or ("," in text and len(self.variables) > 1):
            raise ValueError("it has to be one segment of a path")

    def expand(self, texts: Mapping[str, Any]) -> str:
        if self.operator or any(type(text) is not str for text in texts.values()):
            return str(self.template.expand(dict(texts)))
        if len(texts) == 1:
            return self.variables[0].encode(texts[self.variables[0].name])
        return ",".join(variable.encode(texts[variable.name]) for variable in self.variables)


@dataclass(frozen=True)
class _Optional:
    parts: "tuple[_Part, ...]"
    position: int

    @cached_property
    def own(self) -> list[_Variable]:
        """The variables that have to be given for this part to be written."""
        expressions = [part for part in self.parts if isinstance(part, _Expression)]
        return [v for found in expressions if found.required for v in found.variables]

    @cached_property
    def names(self) -> list[str]:
        """All names in it, those of nested parts included."""
        names: list[str] = []
        for part in self.parts:
            if isinstance(part, _Expression):
                names += [variable.name for variable in part.variables]
            elif isinstance(part, _Optional):
                names += part.names
        return names


_Part = _Literal | _Expression | _Optional


def _texts(value: Any) -> Any:
    """Turn a value into texts; in RFC 6570 an undefined item of a list does not exist."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, Mapping):
        return {_plain(name): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value if item is not None]
    return _plain(value)


def _published(part: _Part) -> str:
    """The part in plain RFC 6570; an optional part that has no exact equal is left out."""
    if isinstance(part, _Literal):
        return part.quoted
    if isinstance(part, _Expression):
        return part.text
    *before, last = part.parts
    if not isinstance(last, _Expression) or len(last.variables) > 1:
        return ""
    if not before:
        return last.text
    mark = before[0].text if len(before) == 1 and isinstance(before[0], _Literal) else ""
    if mark not in ("/", ".") or last.operator or last.variables[0].many:
        return ""
    return _Expression(mark, last.variables).text


def _chosen(part: _Part, given: Container[str], writer: "_Writer") -> str:
    """The part in plain RFC 6570, if it has to be there or is wanted."""
    if isinstance(part, _Optional):
        wanted = any(name in given or name in writer.values for name in part.names)
        return "".join(_chosen(one, given, writer) for one in part.parts) if wanted else ""
    if isinstance(part, _Literal):
        return part.quoted
    names = [variable.name for variable in part.variables]
    if all(name in writer.values for name in names):
        return writer.write_expression(part)
    return part.text if part.required or any(name in given for name in names) else ""


# --- from text to parts -----------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_SPEC = re.compile(r"(?P<name>[^:*]*)(?P<colon>:?)(?P<limit>[^*]*)(?P<many>\*?)")
_LENGTH = re.compile(r"[1-9][0-9]{0,3}")  # RFC 6570 2.4.1
_LITERAL = re.compile(r"[^][{}|]+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def _error(reason: str, template: str, position: int) -> PatternError:
    return PatternError(f"{reason}\n  {template}\n  {' ' * position}^")


class _Parser:
    """Reads a template once, from left to right."""

    def __init__(self, template: str, ranges: Mapping[str, Range]) -> None:
        self.template = template
        self.known = ranges
        self.at = 0
        self.names: list[str] = []
        self.positional = 0
        self.range_names: dict[str, str] = {}
        self.open_ended = False
        self.tail = ""
        self.tail_rank = -1
        self.seen: set[str] = set()
        if odd := _UNSEEN.search(template):
            shown = [_escaped(text) for text in (template, template[: odd.start()])]
            raise _error("percent-encode control characters", shown[0], len(shown[1]))
        self.parts = self.read_parts(opened=None)

    def error(self, reason: str, position: int) -> PatternError:
        return _error(reason, self.template, position)

    def read_parts(self, opened: int | None) -> "tuple[_Part, ...]":
        """Read up to the end, or to the ``]`` that closes the part opened at *opened*."""
        parts: list[_Part] = []
        while self.at < len(self.template):
            start, char = self.at, self.template[self.at]
            if char == "]" and opened is not None:
                return tuple(parts)
            if char in "]}":
                raise self.error(f"{char} closes nothing", start)
            if char == "|":
                self.read_open_end(start)
            elif self.tail and char != "{":
                raise self.error(_ONLY_QUERY, start)
            elif char == "[":
                parts.append(self.read_optional(start))
            elif char == "{":
                parts += self.read_expression(start, opened)
            else:
                parts += self.read_literal(start, opened)
        if opened is not None:
            raise self.error("[ is never closed", opened)
        return tuple(parts)

    def read_open_end(self, start: int) -> None:
        self.at += 1
        if self.at < len(self.template):
            raise self.error("| can only stand at the very end", start)
        self.open_ended = True

    def read_optional(self, start: int) -> _Optional:
        self.at += 1
        parts = self.read_parts(start)
        self.at += 1
        if not parts:
            raise self.error("the optional part is empty", start)
        return _Optional(parts, start)

    def read_literal(self, start: int, opened: int | None) -> list[_Part]:
        found = _LITERAL.match(self.template, start)
        assert found is not None
        self.at = found.end()
        text, mark, query = found[0].partition("?")
        if "#" in found[0]:
            reason = "the fragment is never matched: write {#name}"
            raise self.error(reason, start + found[0].index("#"))
        if bad := re.search("%(?![0-9A-Fa-f]{2})", found[0]):
            reason = "% starts a code of two hexadecimal digits (%25 is % itself)"
            raise self.error(reason, start + bad.start())
        if mark:
            # "/map?fixed=yes{&x}" is the only form with a "?" of its own that can be expanded
            # and needs no matching (RFC 6570 3.2.9).
            if opened is not None or not self.template.startswith("{&", self.at):
                reason = "the query is never matched: write {?name}"
                raise self.error(reason, start + len(text))
            self.tail, self.tail_rank = "?" + quote(query, safe="/:@!$&'()*+,;=~%?"), 0
        try:
            return [_Literal(unquote(text, errors="strict"))] if text else []
        except UnicodeDecodeError as error:
            raise self.error("percent-encoded text has to be UTF-8", start) from error

    def read_expression(self, start: int, opened: int | None) -> list[_Part]:
        end = self.template.find("}", start)
        if end < 0 or "{" in self.template[start + 1 : end]:
            raise self.error("{ is never closed", start)
        self.at = end + 1
        operator = self.template[start + 1]
        if operator in _RESERVED:
            raise self.error(f"RFC 6570 reserves the operator {operator}", start + 1)
        operator = operator if operator in _SHAPES or operator in _TAIL else ""
        variables = self.read_variables(start + 1 + len(operator), end, operator)
        expression = _Expression(operator, variables)
        if operator and operator in _TAIL:
            self.add_tail(expression, start, opened)
            return []
        if self.tail:
            raise self.error(_ONLY_QUERY, start)
        if expression.required and len(variables) > 1 and any(v.many for v in variables):
            raise self.error("a list has to be alone in its expression", start)
        return [expression]

    def add_tail(self, expression: _Expression, start: int, opened: int | None) -> None:
        if opened is not None:
            raise self.error("a query is optional by itself: write it at the end", start)
        rank = _TAIL.index(expression.operator)
        if rank < self.tail_rank or (rank == self.tail_rank and rank != _TAIL.index("&")):
            raise self.error(_ONLY_QUERY, start)
        self.tail, self.tail_rank = self.tail + expression.text, rank

    def read_variables(self, start: int, end: int, operator: str) -> tuple[_Variable, ...]:
        variables = []
        specs = self.template[start:end].split(",")
        for spec in specs:
            alone = len(specs) == 1 and not operator
            variables.append(self.read_variable(spec, start, alone, operator in tuple(_TAIL)))
            start += len(spec) + 1
        return tuple(variables)

    def read_variable(self, spec: str, start: int, alone: bool, tail: bool) -> _Variable:
        found = _SPEC.fullmatch(spec)
        if found is None:
            raise self.error("* can only stand at the end of a variable", start + spec.index("*"))
        name, limit, many = found["name"], found["limit"], bool(found["many"])
        positional = alone and not name and not many
        if positional:
            name, self.positional = str(self.positional), self.positional + 1
        elif not _NAME.fullmatch(name):
            raise self.error("a name is made of letters, digits, _ and single dots", start)
        if name in self.seen:
            raise self.error(f"there are two variables {name!r}", start)
        self.seen.add(name)
        if not positional:
            self.names.append(name)
        length, limits = None, None
        if found["colon"]:
            at = start + found.start("limit")
            if many:
                raise self.error("a list (*) can have neither a range nor a length", at)
            if _LENGTH.fullmatch(limit):
                length = int(limit)
            else:
                limits = self.read_range(name, limit, at, tail)
        return _Variable(name, start, positional, limits, length, many)

    def read_range(self, name: str, limit: str, at: int, tail: bool) -> Range:
        if limit not in self.known:
            raise self.error(f"unknown range {limit!r}: there are {', '.join(self.known)}", at)
        if tail:
            raise self.error("a variable of the query is never matched: no range here", at)
        self.range_names[name] = limit
        return self.known[limit]


_ONLY_QUERY = "only {?...}, {&...} and {#...}, in this order, can end a template"


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


# --- from parts to a regular expression -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Slot:
    """One capturing group: a variable together with the operator before it."""

    name: str
    position: int
    positional: bool
    regex: str
    decode: Callable[[str], Any] | None
    #: What it starts with: its operator, and its name where that comes next.
    first: str
    #: Characters that it may hold after that, and those with which it can carry on.
    chars: re.Pattern[str]
    inner: re.Pattern[str]
    #: A list, whose items are told apart by the operator.
    many: bool
    #: Never needs a second try by itself.
    linear: bool
    #: Whatever its text is, it is read back as it was written.
    plain: bool

    def carries_on(self, start: "str | _Slot") -> bool:
        """Whether what starts here could just as well belong to this variable."""
        return _can_begin(self.inner, start)


@dataclass(frozen=True, slots=True)
class _Group:
    """What may be absent: an optional part, or an operator with its variable."""

    nodes: "tuple[_Node, ...]"
    position: int


_Node = str | _Slot | _Group


def _nodes(part: _Part) -> "tuple[_Node, ...]":
    """Reduce a part to literals, slots and groups, which is all that matching knows."""
    if isinstance(part, _Literal):
        return (part.text,)
    if isinstance(part, _Optional):
        inner = tuple(node for inner in part.parts for node in _nodes(inner))
        return (_Group(inner, part.position),)
    several = len(part.variables) > 1
    slots = [_slot(part.operator, variable, several) for variable in part.variables]
    if not part.required:
        return tuple(_Group((slot,), slot.position) for slot in slots)
    between: list[_Node] = [","] * (2 * len(slots) - 1)
    between[::2] = slots
    return tuple(between)


def _slot(operator: str, variable: _Variable, several: bool) -> _Slot:
    first, between, alone, apart = _SHAPES[operator]
    char = apart if several or variable.many else alone
    least = 0 if first and operator != ";" else 1
    length = variable.length or ""
    times = f"{{{least},{length}}}" if length else "*+"[least]
    known = variable.range or Range(char + times, linear=True)
    item = known.regex
    if operator == ";":
        name = re.escape(variable.name)
        item = f"{name}={item}" if variable.range else f"{name}(?:={item})?"
    regex = re.escape(first) + item
    chars, inner = known.regex, known.inner
    if variable.many:
        regex = f"(?:{regex})+" if first else f"{alone}+"
        chars, inner = f"{alone}|{re.escape(between)}", None
    return _Slot(
        variable.name,
        variable.position,
        variable.positional,
        regex,
        _decoder(first, variable),
        f";{variable.name}" if operator == ";" else first,
        _characters(chars),
        re.compile(inner) if inner else _characters(chars),
        variable.many,
        linear=known.linear,
        plain=not (operator or variable.many or variable.length) and known.linear,
    )


def _decoder(first: str, variable: _Variable) -> Callable[[str], Any] | None:
    """Return what turns the text of a slot into the value."""
    convert = variable.range.convert if variable.range else None
    before = len(variable.name) + 1 if first == ";" else 0
    if variable.many:
        separator = first or ","
        return lambda text: [item[before:] for item in text[len(first) :].split(separator)]
    if not first:
        return convert
    if convert is None:
        return lambda text: text[1 + before :]
    return lambda text: convert(text[1 + before :])


# Every ASCII character, and letters, digits, blanks and symbols of others.
_SAMPLE = [*map(chr, range(128)), "é", "ß", "日", "٣", "\u2028", "\u00a0", "→"]


def _overlap(one: re.Pattern[str], other: re.Pattern[str]) -> bool:
    return any(one.fullmatch(char) and other.fullmatch(char) for char in _SAMPLE)


def _can_begin(chars: re.Pattern[str], start: str | _Slot) -> bool:
    """Whether this starts, or can start, with one of these characters."""
    if isinstance(start, str) or start.first:
        return bool(chars.match(_fixed(start)))
    return _overlap(chars, start.chars)


def _starts(nodes: tuple[_Node, ...]) -> list[str | _Slot]:
    """Return everything that the nodes can start with."""
    found: list[str | _Slot] = []
    for node in nodes:
        if not isinstance(node, _Group):
            return [*found, node]
        found += _starts(node.nodes)
    return found


def _alike(one: str | _Slot, other: str | _Slot) -> bool:
    """Whether the first characters may not be enough to tell the two apart."""
    if _fixed(one) and _fixed(other):
        return _fixed(one).startswith(_fixed(other)) or _fixed(other).startswith(_fixed(one))
    if _fixed(one):
        one, other = other, one
    assert isinstance(one, _Slot)
    return _can_begin(one.chars, other)


def _fixed(start: str | _Slot) -> str:
    """Return the text that it starts with, whatever the values are."""
    return start if isinstance(start, str) else start.first


# A regular expression that can be made to take as little as it can by a "?" at its end.
_GREEDY = re.compile(r"(?:\(\?!/\)|\\?.)?(?:\[\^?\]?(?:\\.|[^\]\\])*\]|\\[dws]|\.)[+*]", re.DOTALL)


class _Compiler:
    """Writes the regular expression, and finds out where a path could be read in two ways.

    A variable that cannot be carried on by what follows it needs no second try, which the
    atomic group tells ``re``: such a template matches in linear time.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.slots: list[_Slot] = []
        self.searches = 0
        self.choices = 0

    @property
    def doubtful(self) -> bool:
        """Whether there are values that would not be read as they were written."""
        return bool(self.searches or self.choices) or not all(slot.plain for slot in self.slots)

    def compile(self, nodes: tuple[_Node, ...], after: tuple[_Node, ...]) -> str:
        rest = [nodes[index + 1 :] + after for index in range(len(nodes))]
        return "".join(map(self.compile_one, nodes, rest))

    def compile_one(self, node: _Node, after: tuple[_Node, ...]) -> str:
        if isinstance(node, str):
            return re.escape(node)
        if isinstance(node, _Slot):
            return self.compile_slot(node, after)
        if any(_alike(one, other) for one in _starts(node.nodes) for other in _starts(after)):
            self.choices += 1
        inner = self.compile(node.nodes, after)
        if self.choices > _CHOICES[self.searches]:
            reason = "too many parts that may be absent start like what follows them"
            raise _error(reason, self.template, node.position)
        return f"(?:{inner})?"

    def compile_slot(self, slot: _Slot, after: tuple[_Node, ...]) -> str:
        self.slots.append(slot)
        rivals = [start for start in _starts(after) if slot.carries_on(start)]
        for rival in rivals:
            if isinstance(rival, _Slot) and slot.linear and rival.linear:
                self.refuse_neighbours(slot, rival)
        if not rivals:
            return f"((?>{slot.regex}))" if slot.linear else f"({slot.regex})"
        self.searches += 1
        if self.searches == len(_LONGEST):
            reason = f"too many variables without a clear end: restrict {slot.name!r} by a range"
            raise _error(reason, self.template, slot.position)
        lazy = isinstance(after[0], _Group) and _GREEDY.fullmatch(slot.regex)
        return f"({slot.regex}?)" if lazy else f"({slot.regex})"

    def refuse_neighbours(self, slot: _Slot, rival: _Slot) -> None:
        if slot.many or not rival.first:
            reason = f"nothing tells where {slot.name!r} ends and {rival.name!r} begins"
            raise _error(reason, self.template, rival.position)


def _segments(nodes: tuple[_Node, ...], open_ended: bool) -> tuple[tuple[str | None, ...], bool]:
    """Return the segments that the nodes fix, and whether there can be no more."""
    done: list[str | None] = []
    current: str | None = ""
    for index, node in enumerate(nodes):
        if isinstance(node, str):
            first, *others = node.split("/")
            current = None if current is None else current + first
            for segment in others:
                done.append(current)
                current = segment
        elif _crosses(node):
            if all(_begins_segment(start) for start in _starts(nodes[index:])):
                done.append(current)
            return tuple(done), False
        else:
            current = None
    if not (open_ended and current == ""):
        done.append(current)
    return tuple(done), not open_ended


def _crosses(node: _Node) -> bool:
    """Whether the node may hold a ``/``."""
    if isinstance(node, str):
        return "/" in node
    if isinstance(node, _Group):
        return any(map(_crosses, node.nodes))
    return node.first == "/" or bool(node.chars.match("/"))


def _begins_segment(start: str | _Slot) -> bool:
    return _fixed(start).startswith("/")


# --- from values to text ----------------------------------------------------------------------


class _Writer:
    """Writes the parts of one template with one set of values."""

    def __init__(self, template: str, given: Mapping[str, Any]) -> None:
        self.template = template
        self.values = {name: value for name, value in given.items() if value is not None}
        #: What ``match`` has to find in the result.
        self.written: dict[str, Any] = {}
        #: A list was given for a plain variable; a mapping, which no template can read.
        self.doubtful = False
        self.one_way = False

    def write(self, part: _Part) -> str:
        if isinstance(part, _Literal):
            return part.quoted
        if isinstance(part, _Expression):
            return self.write_expression(part)
        return "".join(map(self.write, part.parts)) if self.wants(part) else ""

    def wants(self, part: _Optional) -> bool:
        """Whether this part is written; a value that cannot be placed is a mistake."""
        given = [name for name in part.names if name in self.values]
        for variable in part.own if given else ():
            if variable.name not in self.values:
                reason = f"{given[0]!r} can only be written together with {variable.name!r}"
                raise _error(reason, self.template, variable.position)
        return bool(given)

    def write_expression(self, part: _Expression) -> str:
        texts = {}
        for variable in part.variables:
            text = self.text(variable, part) if variable.name in self.values else None
            # RFC 6570 2.3: an empty list or mapping is the same as undefined.
            if text is not None and text != [] and text != {}:
                texts[variable.name] = text
                self.note(variable, text)
            elif part.required:
                raise _error(f"no value for {variable.shown}", self.template, variable.position)
        try:
            return part.expand(texts)
        except ValueError as error:
            reason = f"cannot be encoded: {error}"
            raise _error(reason, self.template, part.variables[0].position) from error

    def text(self, variable: _Variable, part: _Expression) -> Any:
        value = self.values[variable.name]
        try:
            text = variable.text(value)
            if not (part.operator or variable.range) and isinstance(text, str):
                part.check(text)
        except _UNFIT as error:
            reason = f"{_brief(value)} does not fit {variable.shown}: {error}"
            raise _error(reason, self.template, variable.position) from error
        return text

    def note(self, variable: _Variable, text: Any) -> None:
        self.written[variable.name] = variable.as_read(self.values[variable.name], text)
        if not isinstance(text, str):
            self.doubtful = True
            self.one_way = self.one_way or isinstance(text, dict)

    def write_tail(self, tail: URITemplate) -> str:
        """Write the query and the fragment, which no pattern reads back."""
        end = len(self.template)
        names = [name for name in tail.variable_names if name in self.values]
        try:
            url = str(tail.expand({name: _texts(self.values[name]) for name in names}))
        except (TypeError, ValueError) as error:
            raise _error(f"a value does not fit: {error}", self.template, end) from error
        # uritemplate leaves a fragment alone when some of it looks encoded.
        if not re.fullmatch("[!-~]*", url):
            raise _error("a fragment is either encoded or not", self.template, end)
        return url


def _brief(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an int of more than 4,300 digits
        text = f"this {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
