"""What a client would like: the header `Prefer` (RFC 7240), read strictly.

Use it alone in a service of your own that offers dry runs or short answers::

    from wsgikit.model_collection.preferences import parse_preferences

    preferences = parse_preferences("return=minimal, tx=rollback")
    assert preferences.minimal is True
    assert preferences.rollback is True
    # Only the dry run was done, so only that is said in the answer.
    assert preferences.applied("tx") == "tx=rollback"

| preference | meaning |
|---|---|
| `return=minimal` or `representation` | an empty answer to a write, or what is stored now |
| `tx=rollback` or `commit` | do everything, then undo it (a dry run); or keep it |
| `resolution=merge-duplicates` or `ignore-duplicates` | what to do with rows that exist |
| `handling=strict` or `lenient` | refuse a preference that is not in this table, or ignore it |

The first of several equal names counts, and case does not matter: the grammars of `return` and
`handling` are literals, which have no case, and the others follow them.

A preference that is not known is ignored, as the RFC wants it, unless `handling=strict` asks for
an error.  A header that breaks the grammar is always an error, though: after a forgotten comma,
as in `return=minimal tx=rollback`, a server that ignored what it cannot read would store what was
meant to be tried only.

No environ key is read or written here; text goes in, and text comes out.  An answer that depends
on the header says `Vary: Prefer` (RFC 7240 section 2).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Name = Literal["return", "tx", "resolution", "handling"]

#: The preferences, their values, and what each value sets.
KNOWN: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # RFC 7240 section 4.2
    "return": {"minimal": {"minimal": True}, "representation": {"minimal": False}},
    # PostgREST has these two under the same names.
    "tx": {"rollback": {"rollback": True}, "commit": {"rollback": False}},
    "resolution": {
        "merge-duplicates": {"on_duplicate": "merge"},
        "ignore-duplicates": {"on_duplicate": "ignore"},
    },
    # RFC 7240 section 4.4
    "handling": {"strict": {"strict": True}, "lenient": {"strict": False}},
}

# RFC 7240 section 2, with the rules of RFC 9110 5.6: tokens, quoted strings, and white space that
# is bad around "=", but has to be read.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_SPACE = r"[ \t]*+"
_VALUE = rf"{_SPACE}(?:={_SPACE}(?:{_TOKEN}|{_QUOTED}){_SPACE})?+"
_PARAMETERS = rf"(?:;{_SPACE}(?:{_TOKEN}{_VALUE})?+)*+"
#: An element of the list; it may be empty (RFC 9110 5.6.1.2).
_ELEMENT = re.compile(
    rf"{_SPACE}(?:(?P<name>{_TOKEN})(?P<value>{_VALUE})(?P<parameters>{_PARAMETERS}))?+(?:,|\Z)"
)
_QUOTED_PAIR = re.compile(r"\\(.)")


class PreferenceError(ValueError):
    """A `Prefer` that cannot be read, or not be honoured where that was demanded (400)."""


@dataclass(frozen=True)
class Preferences:
    """What a client would like.

    Attributes:
        minimal: Whether the answer to a write should be without content; `None` for no wish.
        rollback: Whether a write should be undone once its answer is known.
        on_duplicate: What to do with a row whose key is taken, as `Store.create_many()` has it.
        strict: Whether a preference that is not known is an error.
        asked: The known preferences that the client sent, by name, in their order.
    """

    minimal: bool | None = None
    rollback: bool = False
    on_duplicate: Literal["refuse", "merge", "ignore"] = "refuse"
    strict: bool = False
    asked: Mapping[str, str] = field(default_factory=dict)

    def applied(self, *names: Name) -> str:
        """Give the text of `Preference-Applied` (RFC 7240 section 3); empty for no header.

        Args:
            names: What was really honoured.  Those that the client did not send are left out;
                `handling` is honoured by reading the header, so it needs no mention.
        """
        honoured = {*names, "handling"}
        return ", ".join(f"{name}={self.asked[name]}" for name in self.asked if name in honoured)


def parse_preferences(header: str | Iterable[str]) -> Preferences:
    """Read `Prefer`.

    Args:
        header: Its value, empty where there is none; or those of all header lines.

    Raises:
        PreferenceError: If it breaks the grammar; or, with `handling=strict`, if a preference,
            a value or a parameter is not known.
    """
    sent: dict[str, _Preference] = {}
    for line in [header] if isinstance(header, str) else header:
        for preference in _read(line):
            sent.setdefault(preference.name, preference)
    asked = {name: each.value for name, each in sent.items() if each.value in KNOWN.get(name, ())}
    meaning: dict[str, Any] = {}
    for name, value in asked.items():
        meaning |= KNOWN[name][value]
    if meaning.get("strict"):
        for preference in sent.values():
            _refuse_unknown(preference)
    return Preferences(**meaning, asked=asked)


@dataclass(frozen=True)
class _Preference:
    name: str
    value: str
    has_parameters: bool


def _read(line: str) -> Iterator[_Preference]:
    position = 0
    while position < len(line):
        match = _ELEMENT.match(line, position)
        if match is None:
            rest = line[position : position + 40].strip()
            raise PreferenceError(
                f"The header Prefer cannot be read from {rest!r} on: it is a list of preferences "
                "such as return=minimal, with commas between them."
            )
        position = match.end()
        if match["name"]:
            value = _unquote(match["value"].strip(" \t").removeprefix("=").strip(" \t"))
            given = match["parameters"].strip("; \t")
            yield _Preference(match["name"].lower(), value.lower(), bool(given))


def _unquote(word: str) -> str:
    """Give the text of a token or a quoted string; an empty one is no value (section 2)."""
    return _QUOTED_PAIR.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _refuse_unknown(preference: _Preference) -> None:
    name, demanded = preference.name[:50], "and handling=strict was asked for."
    values = KNOWN.get(preference.name)
    if values is None:
        known = ", ".join(KNOWN)
        raise PreferenceError(f"The preference {name} is none of {known}, {demanded}")
    if preference.value not in values:
        value, known = preference.value[:50], " or ".join(values)
        raise PreferenceError(f"The preference {name} is {known}, not {value!r}, {demanded}")
    if preference.has_parameters:
        raise PreferenceError(f"The preference {name} has no parameters, {demanded}")
