"""Pages for people: `HTML()`, from Genshi templates that a project overrides one by one.

Use it alone to render templates from a WSGI application; with a collection, every action has
a page without any template of your own.

    from webob import Request
    from wsgikit.media.html import HTMLRenderer

    render = HTMLRenderer("templates")
    page = render({"id": 7, "name": "Ada <Lovelace>"}, Request.blank("/people/7"))
    assert b"<dd dir=\"auto\">Ada &lt;Lovelace&gt;</dd>" in page

The template is `<action>.html`, the action being `environ["wsgikit.action"]`: looked up in the
directories given, then among the built-in ones, and `default.html` where there is none.
Its variables are those of `environ["wsgikit.context"]`, or else the keys of the value, and the
helpers that `Helpers` lists.  `wsgikit.url` and `wsgikit.url_for` are read to make links.

Everything is escaped.  What Genshi leaves open is closed here: Python blocks and expressions in
`script` and `style` are refused when a template is loaded, and a link whose scheme can run code
(`javascript:`) loses its target.
"""

import html
import json
import os
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from genshi.builder import Fragment, tag
from genshi.core import COMMENT, END, START, TEXT, Attrs, Markup, QName
from genshi.template import (
    Context,
    MarkupTemplate,
    TemplateLoader,
    TemplateNotFound,
    TemplateSyntaxError,
)
from genshi.template.base import EXPR, INCLUDE, SUB
from webob import Request, Response
from webob.exc import HTTPException, HTTPMethodNotAllowed

from wsgikit.media import Asset, MediaType, asset, problem, respond
from wsgikit.media.forms import FormParser

BUILT_IN = Path(__file__).resolve().parent.parent / "templates"

#: Included by pages, and no pages themselves.
PARTS = frozenset({"layout", "field", "pager", "default"})

#: Characters of a text in a list; the item's page shows the rest.
MAX_CELL = 80

Show = str | list[Any] | Iterator[Any]


def HTML(*directories: str | os.PathLike[str]) -> MediaType:
    """Make the media type `text/html` with templates from *directories* and forms to parse."""
    return MediaType("text/html", HTMLRenderer(*directories), FormParser())


class HTMLRenderer:
    """Renders a value with the template of the action that returned it.

    Args:
        directories: Where a project's templates are, in order; they need not exist yet.  A file
            is read again when it changes, and a new one is noticed.

    In a template, `<xi:include href="wsgikit/list.html"/>` is the built-in one, whatever the
    directories hold.
    """

    def __init__(self, *directories: str | os.PathLike[str]) -> None:
        self.assets: Mapping[str, Asset] = {"css": stylesheet()}
        self._directories = [*(Path(directory).absolute() for directory in directories), BUILT_IN]
        self._loader = TemplateLoader(
            [self._open],
            auto_reload=True,
            max_cache_size=1000,
            allow_exec=False,
            callback=_prepare,
        )

    def __call__(self, value: Any, request: Request) -> bytes:
        """Render a page, as UTF-8."""
        action = request.environ.get("wsgikit.action", "default")
        described = action != "problem" and "wsgikit.context" in request.environ
        # A value of a view that happens to be called "home" is not what home.html shows.
        template = self._template("default" if action == "home" and not described else action)
        own = Path(template.filepath).parent != BUILT_IN
        context = Context()
        helpers = Helpers(request, self.assets, value, action, context)
        context.frames[0].update(
            {**_DEFAULTS, **_variables(value, request, action, own)}
            | dict(context.frames[0])
            | {name: getattr(helpers, name) for name in HELPERS}
        )
        text = serialize(template.generate(context))
        # NUL and lone surrogates have no place in HTML: a parser would replace or drop them.
        return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace")

    def _template(self, action: str) -> MarkupTemplate:
        if action.isidentifier() and action not in PARTS:
            try:
                return self._loader.load(f"{action}.html")
            except TemplateNotFound:
                pass
        return self._loader.load("default.html")

    def _open(self, name: str) -> tuple[str, str, Any, Callable[[], bool]]:
        path, _ = found = self._find(name)
        # Includes are relative to the name: those of a built-in page may be a project's own.
        own = name.removeprefix("wsgikit" + os.sep)
        return str(path), own, path.open("rb"), lambda: self._find(name) == found

    def _find(self, name: str) -> tuple[Path, int]:
        directories = self._directories
        if name.startswith("wsgikit" + os.sep):
            directories, name = [BUILT_IN], name[len("wsgikit" + os.sep) :]
        for directory in directories:
            try:
                return directory / name, os.stat(directory / name).st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                continue
        raise FileNotFoundError(name)


def page(template: str | os.PathLike[str], *directories: str | os.PathLike[str]) -> WSGIApplication:
    """Make a WSGI application that shows one template.

    ``app.add("/about/", page("templates/about.html"))``: its variables are those of the URI
    template, and it can call the helpers.

    Args:
        template: The file.
        directories: Where else its includes are looked for, after the directory that it is in.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = Path(template).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"there is no template {os.fspath(template)!r} ({path})")
    kind = MediaType("text/html", _PageRenderer(path, *directories))

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgikit.action"] = path.stem
        return _show_page(Request(environ), kind)(environ, start_response)

    return app


class _PageRenderer(HTMLRenderer):
    """Renders whatever it gets with one template, but for problems."""

    def __init__(self, path: Path, *directories: str | os.PathLike[str]) -> None:
        super().__init__(path.parent, *directories)
        self._name = path.name

    def _template(self, action: str) -> MarkupTemplate:
        return super()._template(action) if action == "problem" else self._loader.load(self._name)


def _show_page(request: Request, kind: MediaType) -> Response:
    if request.method not in ("GET", "HEAD"):
        headers = [("Allow", "GET, HEAD")]
        error = HTTPMethodNotAllowed("That method is not for this page.", headers=headers)
        return problem(request, error, kind)
    try:
        return asset(request, kind) or respond(dict(request.urlvars), request, kind)
    except HTTPException as error:
        return problem(request, error, kind)


@cache
def stylesheet() -> Asset:
    """Read the style sheet: Pico and our own rules, as one file."""
    names = ("pico.classless.min.css", "style.css")
    body = b"\n".join((BUILT_IN / name).read_bytes() for name in names)
    return Asset("text/css; charset=utf-8", body, sha256(body).hexdigest()[:16])


def _prepare(template: MarkupTemplate) -> None:
    # Genshi prepares a template when it is first rendered, and two threads that do so at once
    # trip over each other: here the loader's lock is held.
    _refuse_raw(template.stream, template)
    _squeeze(template.stream)


def _squeeze(events: list[Any], kept: bool = False) -> None:
    """Shorten the indentation between tags, once and not with every page."""
    for index, (kind, data, pos) in enumerate(events):
        if kind is START:
            kept = kept or data[0].localname in _SPACED
        elif kind is END:
            kept = kept and data.localname not in _SPACED
        elif kind is SUB:
            _squeeze(data[1], kept)
        elif kind is TEXT and not kept and "\n" in data and data.isspace():
            events[index] = TEXT, "\n", pos


def _refuse_raw(events: Iterable[Any], template: MarkupTemplate, raw: bool = False) -> None:
    for kind, data, pos in events:
        if kind is START:
            raw = raw or data[0].localname.lower() in _RAW
        elif kind is END:
            raw = raw and data.localname.lower() not in _RAW
        elif kind is SUB:
            _refuse_raw(data[1], template, raw)
        elif raw and kind in (EXPR, INCLUDE):
            message = "nothing is escaped inside script and style: use a data-* attribute"
            raise TemplateSyntaxError(message, template.filepath, *pos[1:])


# -- variables --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """What templates ask of a field, for values that come without a description."""

    name: str
    kind: str = "text"
    nullable: bool = True
    required: bool = False
    writable: bool = True
    hint: str = ""
    multiline: bool = False
    references: None = None

    @property
    def label(self) -> str:
        """The name, as it is."""
        return self.name


_DEFAULTS: Mapping[str, Any] = MappingProxyType(
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


def _variables(value: Any, request: Request, action: str, own: bool) -> dict[str, Any]:
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
    return _dumps(value) if isinstance(value, bool | dict | list) else str(value)


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


# -- helpers ----------------------------------------------------------------------------------


HELPERS = (
    *("request", "value", "action", "static", "url_for", "format_url", "slot"),
    *("show", "stored", "cells", "kind_of", "name_of", "complaints"),
    *("control", "field_id", "mistakes", "enctype"),
)


class Helpers:
    """The functions that every template can call, and `request`, `value` and `action`.

    Attributes:
        request: The WebOb request.
        value: What is rendered.
        action: The name of the method or view that returned it.
    """

    def __init__(
        self,
        request: Request,
        assets: Mapping[str, Asset],
        value: Any,
        action: str,
        context: Any,
    ) -> None:
        self.request = request
        self.value = value
        self.action = action
        self._assets = assets
        self._context = context
        self._plan: list[Any] | None = None

    def static(self, name: str) -> str:
        """Give the URL of an asset; `static("css")` is the style sheet."""
        environ = self.request.environ
        try:
            base = environ["wsgikit.url"](id=None, noun=None)
        except (LookupError, ValueError):
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            base = quote(path.encode("latin-1"))
        # A path of two slashes would name another host.
        base = "" if base.startswith("//") else base
        return f"{base}?format={name}&v={self._assets[name].version}"

    def url_for(self, name: str, /, **urlvars: Any) -> str:
        """Give the URL of a route by its name."""
        try:
            expand = self.request.environ["wsgikit.url_for"]
        except KeyError:
            raise LookupError(f"url_for({name!r}): no dispatcher routed this request") from None
        return str(expand(name, **urlvars))

    def format_url(self, name: str) -> str:
        """Give the URL of this page in another format."""
        query = parse_qsl(self.request.query_string, keep_blank_values=True)
        kept = [(key, text) for key, text in query if key != "format"]
        return "?" + urlencode([*kept, ("format", name)])

    def slot(self, name: str) -> Any:
        """Call the template function *name*, else `default_<name>`; neither need be there."""
        for found in (self._context.get(name), self._context.get(f"default_{name}")):
            if callable(found):
                return found()
        return None

    def show(self, field: Any, value: Any) -> Show:
        """Show a value as people read it: by `show_<field>()` if a template defines that."""
        hook = self._hook("show", field)
        return hook(value) if hook else _show(value, self._context["reference"], field)

    def stored(self, field: Any, text: str | None) -> Show:
        """Show a text that is not in its control: the other side of a conflict."""
        if text is None or field.kind == "binary":
            return _element("i", "nothing" if text is None else "another file")
        return _element("q", text, dir="auto") if text else _EMPTY

    def cells(self, row: Mapping[str, Any]) -> Iterator[Any]:
        """Show a row as table cells, one for each field of `meta`; the first key field links."""
        if self._plan is None:
            self._plan = self._plan_cells()
        for name, (start, end), show in self._plan:
            shown = show(row, row.get(name))
            yield start
            if isinstance(shown, str):
                yield TEXT, shown, _NOWHERE
            else:
                # A template function has its variables only while its events are taken.
                yield from shown
            yield end

    def _plan_cells(self) -> list[Any]:
        fields, keys = self._context["meta"], self._keys()
        names = [field.name for field in fields]
        # Without its key among the columns, a row is found by the first one.
        linked = next((name for name in names if name in keys), *names[:1]) if keys else None
        marked = [(field, field.name == linked) for field in fields]
        return [(field.name, _cell(field, mark), self._cell(field, mark)) for field, mark in marked]

    def _cell(self, field: Any, is_linked: bool) -> Callable[[Mapping[str, Any], Any], Show]:
        url, reference = self._context["url"], self._context["reference"]
        hook = self._hook("show", field)

        def show(row: Mapping[str, Any], value: Any) -> Show:
            href = url(row) if is_linked else None
            if href is None:
                return hook(value) if hook else _show(value, reference, field, MAX_CELL)
            if hook:
                return chain([_start("a", href=href)], hook(value), [_END_A])
            return _link(href, _cut(_text(value)) or "(empty)")

        return show

    def kind_of(self, field: Any) -> str | None:
        """Give the style class of a field: "num" aligns right, "short" never wraps."""
        found: str | None = _CLASSES.get(field.kind)
        return found

    def name_of(self, row: Mapping[str, Any] | None) -> str:
        """Name a row for people: by its label, else by its key."""
        if row is None:
            return ""
        label = self._context["label"]
        if isinstance(label, str) and row.get(label) not in (None, ""):
            return _cut(_text(row[label]))
        return _cut(", ".join(_text(row[name]) for name in self._keys() if name in row))

    def _keys(self) -> Sequence[str]:
        primary = self._context["primary"]
        return (primary,) if isinstance(primary, str) else primary or ()

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Give where and what, for each of the errors of a problem (RFC 9457)."""
        errors = self.value.get("errors")
        for error in errors if isinstance(errors, list | tuple) else ():
            if isinstance(error, Mapping):
                where = error.get("parameter") or error.get("pointer") or ""
                yield str(where), str(error.get("detail", error.get("code", "")))

    def field_id(self, field: Any) -> str:
        """Give the id of a field's control: no two names share one, whatever they hold."""
        return "field-" + re.sub(r"[^\w-]", lambda odd: f".{ord(odd[0]):x}.", field.name)

    def control(self, field: Any, text: str | None) -> Any:
        """Make the control that sends *text* back: by `control_<field>()` if there is one."""
        hook = self._hook("control", field)
        if hook:
            return hook(field, text)
        name, errors = self.field_id(field), self._context["errors"].get(field.name)
        conflict = self._context["conflict"] or ()
        notes = {"error": errors, "hint": field.hint, "conflict": field.name in conflict}
        shown = [f"{name}-{note}" for note, is_there in notes.items() if is_there]
        attributes = {
            "id": name,
            "aria_describedby": " ".join(shown) or None,
            "aria_invalid": "true" if errors else None,
        }
        row = self._context["row"]
        stored = None if row is None else row.get(field.name)
        return control(field, text, attributes, new=row is None, stored=stored)

    def mistakes(self) -> Iterator[tuple[Any, str]]:
        """Give each message of a form, with its field if the form shows that."""
        fields = {field.name: field for field in self._context["meta"] if field.writable}
        for name, messages in self._context["errors"].items():
            for message in messages:
                shown = message if not name or name in fields else f"{name}: {message}"
                yield fields.get(name), shown

    def enctype(self) -> str | None:
        """Give the encoding of a form: multipart if it may carry a file."""
        files = any(f.kind == "binary" and f.writable for f in self._context["meta"])
        return "multipart/form-data" if files else None

    def _hook(self, prefix: str, field: Any) -> Callable[..., Any] | None:
        found = self._context.get(f"{prefix}_{field.name}")
        return found if callable(found) else None


# -- values -----------------------------------------------------------------------------------


_NOWHERE = (None, -1, -1)
_SAFE_TEXT_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f<>\"]+", re.IGNORECASE)
_CLASSES = {
    **dict.fromkeys(("integer", "float", "decimal"), "num"),
    **dict.fromkeys(("boolean", "date", "datetime", "time", "interval", "binary"), "short"),
    **dict.fromkeys(("json", "array", "uuid"), "code"),
}


def _start(name: str, **attributes: str) -> Any:
    pairs = [(QName(key.rstrip("_")), value) for key, value in attributes.items()]
    return START, (QName(name), Attrs(pairs)), _NOWHERE


def _element(name: str, text: str, **attributes: str) -> list[Any]:
    return [_start(name, **attributes), (TEXT, text, _NOWHERE), (END, QName(name), _NOWHERE)]


_END_A = END, QName("a"), _NOWHERE
_NULL = _element("i", "\u2013", title="no value")
_EMPTY = _element("i", "empty")


def _cell(field: Any, is_linked: bool) -> tuple[Any, Any]:
    style, name = _CLASSES.get(field.kind), "th" if is_linked else "td"
    attributes = {"class": style} if style else {"dir": "auto"}
    if is_linked:
        attributes["scope"] = "row"
    return _start(name, **attributes), (END, QName(name), _NOWHERE)


def _link(href: str, text: str) -> list[Any]:
    return _element("a", text, href=href)


def _show(
    value: Any, reference: Callable[[Any, Any], str | None], field: Any, limit: int = 0
) -> Show:
    if value is None:
        return _NULL
    if isinstance(value, str) and not value:
        return _EMPTY
    text = _text(value)
    shown = _cut(text, limit) if limit else text
    if field.references:
        href = reference(field, value)
        if href is not None:
            return _link(href, shown)
    if isinstance(value, str) and _SAFE_TEXT_LINK.fullmatch(value):
        return _element("a", shown, href=value, rel="noopener noreferrer")
    return shown


def _text(value: Any) -> str:
    """Write a value as people read it."""
    if type(value) is str:
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _cut(text: str, limit: int = MAX_CELL) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\u2026"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _integer(value: int) -> str:
    try:
        return int.__str__(value)
    except ValueError:  # Python's bound on the digits that it writes in decimal
        return hex(value)


def _duration(value: timedelta) -> str:
    sign, value = ("\u2212", -value) if value < timedelta() else ("", value)
    clock = str(value - timedelta(value.days))
    return f"{sign}{value.days} d {clock}" if value.days else f"{sign}{clock}"


def _size(value: bytes) -> str:
    count = len(value)
    if count < 1000:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, str.__str__),
    (Enum, lambda value: _text(value.value)),
    (bool, lambda value: "yes" if value else "no"),
    (int, _integer),
    (datetime, lambda value: value.isoformat(" ")),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, _duration),
    ((bytes, bytearray, memoryview), lambda value: _size(bytes(value))),
    ((dict, list, tuple), _dumps),
)


# -- controls ---------------------------------------------------------------------------------
#
# An unchanged form must send back what was stored.  Browsers "sanitize" the value of many
# controls (HTML, "value sanitization algorithm"): a number control drops what is no number, a
# datetime-local control rewrites 10:00:00 as 10:00 and drops microseconds, and every one-line
# control drops line breaks.  So each special control is chosen only for the texts it keeps, and
# a textarea or a text control carries the rest.

#: What no form can carry: the HTML parser drops NUL, UTF-8 has no lone surrogates.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_UNSENDABLE_NAME = re.compile("[\0\r\n\ud800-\udfff]|^$")
_NUMBERS = {
    "integer": re.compile(r"-?[0-9]{1,15}", re.ASCII),
    "decimal": re.compile(r"-?[0-9]{1,8}(?:\.[0-9]{1,7})?", re.ASCII),
    "float": re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:e[+-]?[0-9]{1,2})?", re.ASCII),
}
_MOMENTS = {
    "date": ("date", date.fromisoformat, re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")),
    "time": (
        "time",
        time.fromisoformat,
        re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?"),
    ),
    "datetime": (
        "datetime-local",
        datetime.fromisoformat,
        # Only the shortest form of a moment is kept.
        re.compile(r"[0-9-]{10}T[0-9]{2}:[0-9]{2}(?::(?!00$)[0-9]{2}(?:\.[0-9]{0,2}[1-9])?)?"),
    ),
}
#: The greatest integer that a browser compares exactly.
_EXACT = 2**53


@dataclass(frozen=True)
class _Ask:
    """What a control is made of."""

    field: Any
    text: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    new: bool = True
    stored: Any = None

    def limit(self, name: str) -> Any:
        return getattr(self.field, name, None)


def control(
    field: Any,
    text: str | None,
    attributes: Mapping[str, Any] | None = None,
    *,
    new: bool = True,
    stored: Any = None,
) -> Any:
    """Make the form control of a field, as a Genshi element.

    Args:
        field: Its name, kind and limits, such as a `wsgikit.model.Field`.
        text: What it shows, and what it sends if nobody changes it; `None` for no value.
        attributes: Further attributes, underscores standing for hyphens.
        new: Whether the form is for a new row.
        stored: The row's value: a file control names its size.

    A name or text that no form can carry is shown, without a control.
    """
    given = {**(attributes or {}), "name": _form_name(field.name)}
    if _UNSENDABLE_NAME.search(field.name) or _UNSENDABLE.search(text or ""):
        return _fixed(text, given)
    # A required text may have been stored as an empty one, which the browser would refuse.
    if field.required and (text if not new else text != ""):
        given["required"] = "required"
    ask = _Ask(field, text, given, new, stored)
    if field.kind == "binary":
        return _file(ask)
    if field.kind == "boolean":
        return _select(ask, (("true", "yes"), ("false", "no")))
    if field.kind == "enum" and ask.limit("choices"):
        return _select(ask, [(choice, choice) for choice in field.choices])
    if _is_long(field, text or ""):
        return _textarea(ask)
    return tag.input(value=text, **given, **(_number(ask) or _moment(ask) or _line(ask)))


def _form_name(name: str) -> str:
    # Names that start with one underscore are ours (`_method`).
    return "_" + name if name.startswith("_") else name


def _fixed(text: str | None, attributes: Mapping[str, Any]) -> Any:
    note = "This cannot be changed here: it holds characters that a form cannot carry."
    shown = tag.output(text, id=attributes.get("id"))
    return Fragment()(shown, tag.small(note))


def _file(ask: _Ask) -> Any:
    stored = ask.stored
    has_data = isinstance(stored, bytes | bytearray | memoryview)
    if has_data:
        ask.attributes.pop("required", None)
    note = f"Now {_size(bytes(stored))}. Choose a file to replace it." if has_data else ""
    return Fragment()(tag.input(type="file", **ask.attributes), tag.small(note) if note else "")


def _select(ask: _Ask, choices: Sequence[tuple[str, str]]) -> Any:
    text = ask.text
    options = list(choices)
    if text and text not in dict(choices):
        options.append((text, text))
    if (not text or ask.field.nullable) and ("" not in dict(choices)):
        options.insert(0, ("", "" if ask.field.nullable else "Choose\u2026"))
    return tag.select(
        [
            tag.option(
                label or "empty" if value else label,
                value=value,
                selected="selected" if value == (text or "") else None,
            )
            for value, label in options
            if not _UNSENDABLE.search(value)
        ],
        **ask.attributes,
    )


def _is_long(field: Any, text: str) -> bool:
    # One-line controls drop line breaks.
    return bool(
        field.multiline
        or field.kind in ("json", "array")
        or "\n" in text
        or "\r" in text
        or len(text) > 200
    )


def _textarea(ask: _Ask) -> Any:
    text = ask.text or ""
    rows = min(max(text.count("\n") + 2, len(text) // 80, 3), 20)
    code = "code" if ask.field.kind in ("json", "array") else None
    # The HTML parser drops one line break after the start tag.
    return tag.textarea("\n" + text, rows=rows, class_=code, dir="auto", **_bound(ask))


def _line(ask: _Ask) -> dict[str, Any]:
    modes = {"integer": "numeric", "decimal": "decimal"}
    mode = modes.get(ask.field.kind)
    text = "auto" if ask.field.kind == "text" else None
    return {"type": "text", "inputmode": mode, "dir": text, "maxlength": _maxlength(ask)}


def _bound(ask: _Ask) -> dict[str, Any]:
    return {**ask.attributes, "maxlength": _maxlength(ask)}


def _maxlength(ask: _Ask) -> int | None:
    # Browsers count UTF-16 units, databases characters.
    text, length = ask.text or "", ask.limit("length")
    fits = not text or (text.isascii() and len(text) <= (length or 0))
    return length if ask.field.kind == "text" and fits else None


def _number(ask: _Ask) -> dict[str, Any] | None:
    text, kind = ask.text, ask.field.kind
    if kind not in _NUMBERS or ask.limit("nonfinite"):
        return None
    if text and not _NUMBERS[kind].fullmatch(text):
        return None
    bounds = {"min": ask.limit("minimum"), "max": ask.limit("maximum")}
    kept = {
        name: bound
        for name, bound in bounds.items()
        if bound is not None and abs(bound) <= _EXACT and _is_within(text, name, bound)
    }
    return {"type": "number", "step": _step(ask), **kept}


def _is_within(text: str | None, name: str, bound: Any) -> bool:
    # A stored number outside the limits must not keep the form from being sent.
    return not text or (float(text) >= bound if name == "min" else float(text) <= bound)


def _step(ask: _Ask) -> str:
    if ask.field.kind == "integer":
        return "1"
    scale, fraction = ask.limit("scale"), (ask.text or "").partition(".")[2]
    if ask.field.kind == "float" or scale is None or not len(fraction) <= scale <= 15:
        return "any"
    return f"{10.0**-scale:.{scale}f}"


def _moment(ask: _Ask) -> dict[str, Any] | None:
    text, kind = ask.text, ask.field.kind
    if kind not in _MOMENTS or ask.limit("timezone"):
        return None
    control_type, read, form = _MOMENTS[kind]
    if text and not (form.fullmatch(text) and _is_moment(text, read)):
        return None
    last = {"date": "9999-12-31", "datetime": "9999-12-31T23:59:59.999"}.get(kind)
    return {"type": control_type, "max": last, "step": _seconds(text or "")}


def _is_moment(text: str, read: Callable[[str], Any]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> str | None:
    if text.count(":") < 2:
        return None
    return "0.001" if "." in text else "1"


# -- serializing ------------------------------------------------------------------------------
#
# Genshi's serializer costs four more passes over the events, and lets any attribute name and
# any URL through; this one writes HTML5 and nothing else.

_RAW = frozenset({"script", "style"})
_SPACED = _RAW | {"pre", "textarea"}
_VOID = frozenset(
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


def serialize(events: Iterable[Any]) -> str:
    """Write Genshi's events as an HTML5 document."""
    out: list[str] = ["<!DOCTYPE html>\n"]
    write, starts, raw = out.append, dict[Any, str](), False
    for kind, data, _ in events:
        if kind is TEXT:
            write(data if raw or type(data) is Markup else html.escape(data, quote=False))
        elif kind is START:
            found = starts.get(data)
            if found is None:
                found = starts[data] = _start_tag(data[0].localname, data[1])
            write(found)
            raw = data[0].localname.lower() in _RAW
        elif kind is END:
            name = data.localname
            if name not in _VOID:
                write(f"</{name}>")
            raw = False
        elif kind is COMMENT:
            write(f"<!--{data}-->")
    return "".join(out)


def _start_tag(name: str, attributes: Iterable[tuple[Any, str]]) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of an element")
    parts = [f"<{name}"]
    for key, value in attributes:
        local = key.localname if isinstance(key, QName) else key
        if not _NAME.fullmatch(local) or (getattr(key, "namespace", None) and local != "lang"):
            continue
        if local in _BOOLEAN:
            parts.append(f" {local}" if value else "")
        elif local not in _TARGETS or name in ("img", "link") or _is_safe(value):
            parts.append(f' {local}="{html.escape(value)}"')
    return "".join(parts) + ">"


def _is_safe(url: str) -> bool:
    scheme = _SCHEME.match(_IGNORED.sub("", url))
    return scheme is None or scheme[0].lower() in _SAFE_SCHEMES
