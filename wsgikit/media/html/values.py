"""Values as people read them, as markup."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from html import escape
from typing import Any

from genshi.core import Markup

from wsgikit.media import picture_type
from wsgikit.media.html.languages import N_, Language
from wsgikit.media.html.serializing import element, is_safe

#: Characters of a text in a list; the item's page shows the rest.
MAX_CELL = 80
#: Bytes of a picture that is a part of the page: in a list, and on the page of an item.
MAX_THUMBNAIL, MAX_PICTURE = 2**13, 2**16
#: Characters above which a text on the page of an item has a box of its own to scroll in.
MAX_SPREAD = 3000

_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f<>\"]+", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)

_BYTES = (bytes, bytearray, memoryview)

#: Style classes by kind: "num" aligns right, "short" never wraps.
CLASSES = {
    **dict.fromkeys(("integer", "float", "decimal"), "num"),
    **dict.fromkeys(("boolean", "date", "datetime", "time", "interval", "binary"), "short"),
    **dict.fromkeys(("json", "array", "uuid"), "code"),
}


class Values:
    """Writes values for one page.

    Args:
        language: Of whoever reads it.
        keys: The names of the key fields: their numbers are written as they are.
        reference: Gives the URL of the row that a foreign key names.
        label_of: Gives what that row is called.
        file_url: Gives the URL of a file, by its row and field.
    """

    def __init__(
        self,
        language: Language,
        keys: Any = (),
        reference: Callable[[Any, Any], str | None] = lambda *_: None,
        label_of: Callable[[Any, Any], str | None] = lambda *_: None,
        file_url: Callable[[Any, Any], str | None] = lambda *_: None,
    ) -> None:
        self._language = language
        self._keys = keys
        self._reference = reference
        self._label_of = label_of
        self._file_url = file_url

    def show(self, field: Any, value: Any, row: Any = None, limit: int = 0) -> Markup:
        """Write a value; only its beginning, if there is a limit of characters."""
        if value is None:
            return self.null
        if isinstance(value, str) and not value:
            return self.empty
        if field.references:
            return self._referring(field, value, limit)
        if isinstance(value, str):
            return _line(value, limit)
        if isinstance(value, date | time):
            return self._moment(value)
        if isinstance(value, _BYTES):
            return self._file(field, bytes(value), row, limit)
        return _spread(self._text(field, value, indent=None if limit else 2), limit)

    def _text(self, field: Any, value: Any, indent: int | None) -> str:
        if isinstance(value, bool):
            return self._language.words(N_("yes") if value else N_("no"))
        if isinstance(value, int | float | Decimal) and not isinstance(value, Enum):
            text = plain(value)
            # A float is not written with digits that say nothing.
            text = text.removesuffix(".0") if isinstance(value, float) else text
            is_name = field.name in self._keys or field.references
            return text if is_name else self._language.number(text)
        return plain(value, indent)

    @cached_property
    def null(self) -> Markup:
        """What stands for no value: no text looks like it."""
        return element("i", "\N{EN DASH}", title=self._language.gettext(N_("no value")))

    @cached_property
    def empty(self) -> Markup:
        """What stands for a text of no characters."""
        return element("i", self._language.gettext(N_("empty")))

    def size(self, count: int) -> str:
        """Write a number of bytes."""
        if count < 1000:
            return self._language.ngettext("{n} byte", "{n} bytes", count)
        unit, text = ("kB", f"{count / 1e3:.1f}") if count < 1e6 else ("MB", f"{count / 1e6:.1f}")
        return f"{self._language.number(text)} {unit}"

    def _moment(self, value: date | time) -> Markup:
        text = self._language.moment(value)
        iso = value.isoformat()
        if text.replace(" ", "T") == iso:
            return Markup(text)
        return Markup(f'<time datetime="{iso}">{escape(text, quote=False)}</time>')

    def _referring(self, field: Any, value: Any, limit: int) -> Markup:
        label = self._label_of(field, value)
        text = plain(value) if label in (None, "") else str(label)
        href = self._reference(field, value)
        shown = cut(text, limit)
        if href is None:
            return Markup(escape(shown, quote=False))
        link = link_to(href, shown)
        # On the page of an item there is room for both names.
        return (
            link if limit or text == plain(value) else link + " " + element("small", plain(value))
        )

    def _file(self, field: Any, data: bytes, row: Any, limit: int) -> Markup:
        href = None if row is None else self._file_url(row, field)
        size = self.size(len(data))
        link = Markup(size) if href is None else link_to(href, size)
        source = _source(data, href, limit)
        if source is None:
            return link
        style = "thumb" if limit else "picture"
        picture = element("img", "", class_=style, src=source, alt=field.label, loading="lazy")
        return picture if limit and href is None else picture + " " + link


def _source(data: bytes, href: str | None, limit: int) -> str | None:
    """Give the URL of a picture: its bytes, if they are few."""
    kind = picture_type(data)
    if kind is None:
        return None
    if len(data) <= (MAX_THUMBNAIL if limit else MAX_PICTURE):
        return f"data:{kind};base64,{b64encode(data).decode('ascii')}"
    return None if limit else href


def _line(text: str, limit: int) -> Markup:
    shown = cut(text, limit)
    if "://" in text[:9] or "@" in text or text[:7].lower() == "mailto:":
        if _ADDRESS.fullmatch(text):
            start = f'<a href="{escape(text)}" rel="noopener noreferrer">'
            return Markup(f"{start}{escape(shown, quote=False)}</a>")
        if _MAIL.fullmatch(text):
            return Markup(f'<a href="mailto:{text}">{shown}</a>')
    return _spread(text, limit)


def _spread(text: str, limit: int) -> Markup:
    """Write a text; one that is very long scrolls in a box, which the keyboard reaches."""
    if not limit and len(text) > MAX_SPREAD:
        return element("div", text, class_="tall", tabindex="0", role="group")
    return Markup(escape(cut(text, limit), quote=False))


def link_to(href: str, text: str) -> Markup:
    """Write a link, whose target is left out if it could run code."""
    target = f' href="{escape(href)}"' if is_safe(href) else ""
    return Markup(f"<a{target}>{escape(text, quote=False)}</a>")


def cut(text: str, limit: int = MAX_CELL) -> str:
    """Shorten a text to a number of characters; 0 for all of it."""
    if not limit or len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


# -- as plain text, in no language -----------------------------------------------------------


def plain(value: Any, indent: int | None = None) -> str:
    """Write a value as a text that is the same everywhere."""
    if type(value) is str:
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    if isinstance(value, dict | list | tuple):
        return dumps(value, indent)
    return str(value)


def dumps(value: Any, indent: int | None = None) -> str:
    """Write a value as JSON for people to read."""
    return json.dumps(value, ensure_ascii=False, default=str, indent=indent)


def _integer(value: int) -> str:
    try:
        return int.__str__(value)
    except ValueError:  # Python's bound on the digits that it writes in decimal
        return hex(value)


def _duration(value: timedelta) -> str:
    sign, value = ("\N{MINUS SIGN}", -value) if value < timedelta() else ("", value)
    clock = str(value - timedelta(value.days))
    return f"{sign}{value.days} d {clock}" if value.days else f"{sign}{clock}"


_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (Enum, lambda value: plain(value.value)),
    (str, str.__str__),
    (bool, lambda value: "yes" if value else "no"),
    (int, _integer),
    (datetime, lambda value: value.isoformat(" ")),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, _duration),
    (_BYTES, lambda value: f"{len(bytes(value))} bytes"),
)
