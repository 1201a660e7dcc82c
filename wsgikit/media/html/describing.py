"""What the built-in pages need to know of a value: given by a collection, or found out.

A model collection describes what it shows in ``wsgikit.context``.  What any other application
returns is looked at: a mapping is one row, a list or a page of mappings are many.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from webob import Request

from wsgikit.media.html.values import dumps


@dataclass(frozen=True)
class Column:
    """What templates ask of a field, for values that come without a description."""

    name: str
    kind: str = "text"
    nullable: bool = True
    required: bool = False
    writable: bool = True
    has_default: bool = False
    default: None = None
    hint: str = ""
    multiline: bool = False
    references: None = None

    @property
    def label(self) -> str:
        """The name, as it is."""
        return self.name


DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("home", "primary", "label", "next", "prev", "first", "count", "row")),
        **dict.fromkeys(("version", "conflict")),
        **dict.fromkeys(("meta", "data", "formats", "collections", "can"), ()),
        **dict.fromkeys(("values", "errors"), MappingProxyType({})),
        "title": "",
        "url": lambda *_, **__: None,
        "reference": lambda *_: None,
    }
)


_PROBLEM = ("title", "status", "detail", "errors")


def variables(value: Any, request: Request, action: str, own: bool) -> dict[str, Any]:
    """Give the variables of a template.

    Args:
        value: What is rendered.
        request: Its environ may hold a description.
        action: The name of the method or view that returned the value.
        own: Whether the template is a project's, which sees all keys of the value.
    """
    context = request.environ.get("wsgikit.context", {})
    if action == "problem":
        # To the other templates, "errors" are those of a form.
        basic = {"home": context.get("home"), "status": None, "detail": "", "errors": ()}
        named = {str(name): item for name, item in dict(value).items()}
        return basic | (named if own else {n: named[n] for n in _PROBLEM if n in named})
    if context:
        return dict(context)
    plain = _describe(value, request, action)
    if own and isinstance(value, Mapping):
        # What the layout calls stays callable; the values are value["url"] and so on.
        kept = {str(name): item for name, item in value.items()}
        return plain | {n: v for n, v in kept.items() if n not in ("url", "reference")}
    return plain


def _describe(value: Any, request: Request, action: str) -> dict[str, Any]:
    """Give the built-in pages what they need to show a value of any shape."""
    title = action.removeprefix("get_").replace("_", " ").capitalize()
    found: dict[str, Any] = {"title": title, "primary": "id", "url": _url_of(request)}
    found["home"] = _home_of(request)
    if isinstance(value, Mapping) and action == "list" and isinstance(value.get("data"), list):
        found |= {name: value.get(name) for name in ("data", "next", "prev", "count")}
    elif all(hasattr(value, name) for name in ("data", "next", "prev", "count")):
        found |= {name: getattr(value, name) for name in ("data", "next", "prev", "count")}
    elif isinstance(value, list | tuple):
        found["data"] = value
    else:
        row = _row(value if isinstance(value, Mapping) or value is not None else {})
        values = {name: _spell(item) for name, item in row.items()}
        return found | {"row": row, "values": values, "meta": _columns([row])}
    rows = [_row(row) for row in found["data"]]
    return found | {"data": rows, "meta": _columns(rows)}


def _home_of(request: Request) -> str | None:
    """Give the URL of the route called "home", where there is one."""
    try:
        return str(request.environ["wsgikit.url_for"]("home"))
    except (LookupError, ValueError):
        return None


def _row(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    return {"value": value}


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    kinds: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                kinds[name] = kinds.get(name) or _KINDS.get(type(value), "text")
            kinds.setdefault(name, "")
    return [Column(name, kind or "text") for name, kind in kinds.items()]


_KINDS: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    bytes: "binary",
    dict: "json",
    list: "json",
}


def _spell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return dumps(value) if isinstance(value, bool | dict | list) else str(value)


def _url_of(request: Request) -> Callable[..., str | None]:
    def url(row: Mapping[str, Any] | None = None, noun: str | None = None) -> str | None:
        key = None if row is None else row.get("id", request.urlvars.get("id"))
        if row is not None and not isinstance(key, int | str):
            return None
        try:
            text = None if key is None else str(key)
            return str(request.environ["wsgikit.url"](id=text, noun=noun))
        except (LookupError, ValueError):
            return None

    return url
