"""HTML5 of Genshi's events: everything is escaped, and no link can run code.

Genshi's own serializer costs four more passes over the events, and lets any attribute name and
any URL through; this one writes HTML5 and nothing else.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

from genshi.core import COMMENT, END, START, TEXT, Markup, QName

#: Their text is not escaped.
RAW = frozenset({"script", "style"})
#: Their blanks count.
SPACED = RAW | {"pre", "textarea"}
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"}
    | {"param", "source", "track", "wbr"}
)
_BOOLEAN = frozenset(
    {"async", "autofocus", "checked", "controls", "default", "defer", "disabled"}
    | {"formnovalidate", "hidden", "inert", "loop", "multiple", "muted", "nomodule"}
    | {"novalidate", "open", "readonly", "required", "reversed", "selected"}
)
_TARGETS = frozenset({"href", "src", "action", "formaction", "data", "poster", "background"})
_NAME = re.compile(r"[^\s\"'<>/=\x00-\x1f\x7f]+")
# URL Standard, 4.4: leading and inner control characters, tabs and newlines do not count.
_IGNORED = re.compile(r"[\x00-\x20]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_SAFE_SCHEMES = frozenset({"http:", "https:", "mailto:", "tel:"})


#: A line break between tags, which stands for any blanks there: one is enough.
GAP = Markup("\n")


def serialize(events: Iterable[Any]) -> str:
    """Write Genshi's events as an HTML5 document."""
    return "<!DOCTYPE html>\n" + fragment(events)


def fragment(events: Iterable[Any]) -> str:
    """Write Genshi's events as a part of a document."""
    out: list[str] = []
    write, starts, raw = out.append, dict[Any, str](), False
    for kind, data, _ in events:
        if kind is TEXT:
            if data is GAP and out and out[-1].endswith("\n"):
                continue
            write(data if raw or type(data) is Markup else escape(data, quote=False))
        elif kind is START:
            found = starts.get(data)
            if found is None:
                found = starts[data] = start_tag(data[0].localname, data[1])
            write(found)
            raw = data[0].localname.lower() in RAW
        elif kind is END:
            name = data.localname
            if name not in VOID:
                write(f"</{name}>")
            raw = False
        elif kind is COMMENT:
            write(f"<!--{data}-->")
    return "".join(out)


def start_tag(name: str, attributes: Iterable[tuple[Any, str]]) -> str:
    """Write a start tag, without attributes that are none, and targets that could run code.

    Raises:
        ValueError: The name is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of an element")
    parts = [f"<{name}"]
    for key, value in attributes:
        local = key.localname if isinstance(key, QName) else key
        if not _NAME.fullmatch(local) or (getattr(key, "namespace", None) and local != "lang"):
            continue
        if local in _BOOLEAN:
            parts.append(f" {local}" if value else "")
        elif local not in _TARGETS or name in ("img", "link") or is_safe(value):
            parts.append(f' {local}="{escape(value)}"')
    return "".join(parts) + ">"


def element(name: str, text: str, /, **attributes: str | None) -> Markup:
    """Write an element that holds a text; underscores in attributes stand for hyphens."""
    found = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()]
    tag = start_tag(name, [(key, value) for key, value in found if value is not None])
    return Markup(tag if name in VOID else f"{tag}{escape(text, quote=False)}</{name}>")


def is_safe(url: str) -> bool:
    """Whether following a URL cannot run code."""
    scheme = _SCHEME.match(_IGNORED.sub("", url))
    return scheme is None or scheme[0].lower() in _SAFE_SCHEMES
