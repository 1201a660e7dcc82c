"""The languages of pages: which one a visitor gets, its texts, and how it writes numbers and dates.

Texts come from gettext catalogues: those of wsgikit, and a project's own in the directory
``locale`` beside its templates (``locale/de/LC_MESSAGES/messages.mo``), which are asked first.
Numbers and dates are written by Babel's tables, where Babel is installed (the extra ``i18n``),
and otherwise as ISO 8601 and plain decimals.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time
from functools import cache, cached_property, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any

from webob import Request

BUILT_IN = Path(__file__).resolve().parent.parent.parent / "templates"

#: The language of the texts in templates and code.
SOURCE = "en"

#: Characters of an Accept-Language header that are looked at; browsers send less than 100.
MAX_HEADER = 500

_RANGE = re.compile(
    r"[ \t]*+(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*+)"
    r"[ \t]*+(?:;[ \t]*+q=([01](?:\.[0-9]{0,3})?))?[ \t]*+"
)
_NUMBER = re.compile(r"(-?)([0-9]+)(\.[0-9]+)?", re.ASCII)
#: Shorter numbers are not grouped: they may be years, and read well enough (ISO 80000-1, 7.3.1).
_GROUPED = 5
#: Scripts that are written from right to left (BCP 47 primary subtags).
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


def N_(text: str) -> str:
    """Mark a text for the catalogues; it is translated where it is used."""
    return text


class Language:
    """How a visitor reads.

    Args:
        tag: The language of the texts (BCP 47).
        form: The language and perhaps country of numbers and dates; none for ISO forms.
        texts: The translations.
    """

    def __init__(
        self, tag: str, form: str | None = None, texts: NullTranslations | None = None
    ) -> None:
        self.tag = tag
        self.direction = "rtl" if tag.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"
        self.texts = texts or NullTranslations()
        #: Whether there are texts besides those in the code.
        self.is_translated = type(self.texts) is not NullTranslations
        self.forms = _forms(form or "")

    def gettext(self, text: str, **values: Any) -> str:
        """Translate a text, and fill in its gaps, as `str.format` does."""
        found = self.texts.gettext(text)
        return found.format(**values) if values else found

    def ngettext(self, one: str, many: str, n: int, **values: Any) -> str:
        """Translate a text that depends on a number; ``{n}`` stands for that."""
        return self.texts.ngettext(one, many, n).format(n=self.number(n), **values)

    def number(self, value: Any) -> str:
        """Write a number, or the decimal text of one; no digit is lost."""
        return self.forms.number(value if isinstance(value, str) else str(value))

    def moment(self, value: date | time) -> str:
        """Write a date, a time, or both; no digit is lost."""
        return self.forms.moment(value)

    @cached_property
    def words(self) -> Callable[[str], str]:
        """Translate one of the texts that code shows again and again."""
        return lru_cache(maxsize=200)(self.texts.gettext)


# -- which one ---------------------------------------------------------------------------------


class Languages:
    """The languages of a renderer, and which of them a request is answered in.

    Args:
        wanted: One that answers every request; or several, the first of which answers whoever
            asks for none of them; None for all that there are texts in.
        directories: Where a project keeps its templates, and catalogues.
    """

    def __init__(self, wanted: str | Sequence[str] | None, directories: Sequence[Path]) -> None:
        self._made = lru_cache(maxsize=200)(self._make)
        self._texts = cache(lambda tag: catalogue(tag, directories))
        self._fixed: Language | None = None
        if isinstance(wanted, str):
            self._fixed = self._make(wanted, wanted)
        elif wanted is None:
            # Who names no language may be a program: ISO forms.
            self._tags, self._default = offered(directories), self._make(SOURCE, None)
        elif not wanted:
            raise ValueError("languages: give at least one, such as 'en', or None for all")
        else:
            self._tags = tuple(wanted)
            self._default = self._make(self._tags[0], self._tags[0])

    @property
    def vary(self) -> bool:
        """Whether it depends on the request."""
        return self._fixed is None

    def of(self, request: Request) -> Language:
        """Give the language of a request."""
        if self._fixed is not None:
            return self._fixed
        header = request.environ.get("HTTP_ACCEPT_LANGUAGE", "")
        chosen = choose(header, self._tags)
        return self._made(*chosen) if chosen else self._default

    def _make(self, tag: str, form: str | None) -> Language:
        return Language(tag, form, self._texts(tag))


def offered(directories: Iterable[Path] = ()) -> tuple[str, ...]:
    """List the languages that there are catalogues for, the source language first."""
    found = {
        path.parent.parent.name.replace("_", "-")
        for directory in (*directories, BUILT_IN)
        for path in (directory / "locale").glob("*/LC_MESSAGES/*.mo")
    }
    return (SOURCE, *sorted(found - {SOURCE}))


@lru_cache(maxsize=1000)
def choose(header: str, tags: Sequence[str]) -> tuple[str, str] | None:
    """Choose a language for a visitor, as in RFC 4647, 3.4.

    Args:
        header: The Accept-Language header.
        tags: The languages on offer.

    Returns:
        The tag of the texts, and the range that decides on numbers and dates: that which asked
        for the texts, perhaps with a country, or the first one if there are no texts in any;
        None if the header names no language.
    """
    known = {tag.lower(): tag for tag in tags}
    ranges = _ranges(header[:MAX_HEADER])
    for wanted in ranges:
        shorter = wanted.lower()
        while shorter:
            if shorter in known:
                return known[shorter], wanted
            shorter = shorter.rpartition("-")[0]
    return (tags[0], ranges[0]) if ranges else None


def _ranges(header: str) -> list[str]:
    """List the language ranges of a header by weight; what cannot be read is left out."""
    found = [match for part in header.split(",") if (match := _RANGE.fullmatch(part))]
    weighed = [(float(match[2] or 1), match[1]) for match in found if match[1] != "*"]
    return [wanted for weight, wanted in sorted(weighed, key=lambda each: -each[0]) if weight]


# -- texts -------------------------------------------------------------------------------------


def catalogue(tag: str, directories: Iterable[Path] = ()) -> NullTranslations:
    """Read the texts of a language: a project's own, then ours; of ``de-CH``, then of ``de``."""
    tags = [tag]
    while "-" in tags[-1]:
        tags.append(tags[-1].rpartition("-")[0])
    found = NullTranslations()
    for path in reversed([*_files(tags, directories)]):
        if path.is_file():
            with path.open("rb") as file:
                read = GNUTranslations(file)
            read.add_fallback(found)
            found = read
    return found


def _files(tags: Iterable[str], directories: Iterable[Path]) -> Iterator[Path]:
    """Give the places of catalogues, those that are asked first first."""
    places = [*((directory, "messages.mo") for directory in directories), (BUILT_IN, "wsgikit.mo")]
    for directory, name in places:
        for tag in tags:
            yield directory / "locale" / tag.replace("-", "_") / "LC_MESSAGES" / name


# -- numbers and dates -------------------------------------------------------------------------


class _Iso:
    """Forms that nobody mistakes, and that sort."""

    def number(self, text: str) -> str:
        return text

    def moment(self, value: date | time) -> str:
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()


class _Local(_Iso):
    """The forms of a language and country."""

    def __init__(self, locale: Any, patterns: Callable[[str], Any]) -> None:
        symbols = locale.number_symbols.get("latn", locale.number_symbols)
        self._group, self._point = symbols["group"], symbols["decimal"]
        self._sizes: tuple[int, int] = locale.decimal_formats[None].grouping
        self._locale = locale
        self._both = str(locale.datetime_formats["medium"])
        self._pattern = lru_cache(maxsize=20)(patterns)
        self.moment = lru_cache(maxsize=5000)(self._moment)  # type: ignore[method-assign]

    def number(self, text: str) -> str:
        found = _NUMBER.fullmatch(text)
        if found is None:
            return text
        sign, whole, fraction = found.groups(default="")
        if len(whole) >= _GROUPED:
            whole = self._grouped(whole)
        return f"{sign}{whole}{self._point}{fraction[1:]}" if fraction else sign + whole

    def _grouped(self, digits: str) -> str:
        last, other = self._sizes
        groups, rest = [digits[-last:]], digits[:-last]
        while rest:
            groups.append(rest[-other:])
            rest = rest[:-other]
        return str(self._group).join(reversed(groups))

    def _moment(self, value: date | time) -> str:
        if isinstance(value, datetime):
            day = str(self._pattern("date").apply(value, self._locale))
            return self._both.replace("{1}", day).replace("{0}", self._clock(value))
        if isinstance(value, time):
            return self._clock(value)
        return str(self._pattern("date").apply(value, self._locale))

    def _clock(self, value: datetime | time) -> str:
        text = str(self._pattern(_precision(value)).apply(value, self._locale))
        offset = value.isoformat()[-6:] if value.utcoffset() is not None else ""
        return f"{text} {offset}" if offset else text


def _precision(value: datetime | time) -> str:
    if value.microsecond:
        return "microseconds"
    return "seconds" if value.second else "minutes"


@lru_cache(maxsize=200)
def _forms(tag: str) -> _Iso:
    """Give the forms of a language; ISO ones if there is no Babel, or none that it knows."""
    if not tag:
        return _Iso()
    try:
        # Babel is an extra, and takes as long to load as the rest of the renderer.
        from babel import Locale, UnknownLocaleError
        from babel.dates import get_date_format, get_time_format, parse_pattern
    except ImportError:
        return _Iso()
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        shorter = tag.rpartition("-")[0]
        return _forms(shorter)

    def pattern(kind: str) -> Any:
        if kind == "date":
            return get_date_format("medium", locale)
        clock = get_time_format("medium" if kind != "minutes" else "short", locale)
        if kind == "microseconds":
            return parse_pattern(clock.pattern.replace("ss", "ss.SSSSSS"))
        return clock

    return _Local(locale, pattern)
