"""The functions that every template can call."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from itertools import chain
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

from genshi.core import END, START, TEXT, Attrs, Markup, QName
from webob import Request

from wsgikit.media import Asset
from wsgikit.media.html.controls import control, find_url
from wsgikit.media.html.languages import N_, Language
from wsgikit.media.html.messages import translate
from wsgikit.media.html.serializing import element, start_tag
from wsgikit.media.html.values import CLASSES, MAX_CELL, Values, cut, link_to, plain

#: Markup, or what a template function gives.
Show: TypeAlias = Any

HELPERS = (
    *("request", "value", "action", "told", "static", "url_for", "format_url", "slot"),
    *("show", "stored", "table_rows", "cells", "kind_of", "name_of", "complaints", "row_id"),
    *("filter_control", "control", "field_id", "fills_in", "mistakes", "enctype"),
    *("_", "ngettext", "number_text", "how_many", "cut_text", "say"),
)

#: Characters of the texts of a form that is sent as a query is.
MAX_ENCODED = 2**16

_NOWHERE = (None, -1, -1)
_END_A = END, QName("a"), _NOWHERE


class Told:
    """What a collection told about the page: an attribute for each name, None for what it did not.

    Attributes:
        language: The tag of the page's language.
        direction: In which direction that is written, `ltr` or `rtl`.
    """

    def __init__(self, context: Mapping[str, Any], language: Language) -> None:
        self._context = context
        self.language = language.tag
        self.direction = language.direction

    def __getattr__(self, name: str) -> Any:
        return self._context.get(name)


def _described(request: Request, action: str) -> Mapping[str, Any]:
    """Give what a collection told: of a problem, only the way to the collection."""
    if action != "problem":
        found: Mapping[str, Any] = request.environ.get("wsgikit.context", {})
        return found
    crumbs = request.environ.get("wsgikit.crumbs")
    return {"crumbs": crumbs(request)} if crumbs else {}


class Helpers:
    """The functions that every template can call, and `request`, `value`, `action` and `told`.

    Attributes:
        request: The WebOb request.
        value: What is rendered.
        action: The name of the method or view that returned it.
        told: What a model collection told about the page, see `Told`.
    """

    def __init__(
        self,
        request: Request,
        assets: Mapping[str, Asset],
        value: Any,
        action: str,
        context: Any,
        language: Language,
    ) -> None:
        self.request = request
        self.value = value
        self.action = action
        self.told = Told(_described(request, action), language)
        self.ngettext = language.ngettext
        self.number_text = language.number
        self._assets = assets
        self._context = context
        self._language = language
        self._cells: Callable[[Any], Iterator[Any]] | None = None
        self._values: Values | None = None

    def _(self, text: str, **values: Any) -> str:
        """Translate a text, and fill in its gaps: `_("Edit: {name}", name="Ada")`."""
        return self._language.gettext(text, **values)

    def how_many(self, count: Any) -> str:
        """Write a number of rows; one that was not counted to its end has a plus."""
        if isinstance(count, Mapping):
            return self.number_text(count["n"]) + ("" if count.get("exact") else "+")
        return self.number_text(count)

    def cut_text(self, text: str | None) -> Show:
        """Show a text of a file: its beginning; `None` is no value."""
        return self._shown().null if text is None else cut(text) or self._shown().empty

    def say(self, text: Any) -> str:
        """Translate a text that code made, such as what is wrong with a value."""
        return translate(self._language, text)

    # -- links -------------------------------------------------------------------------

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

    # -- values ------------------------------------------------------------------------

    def show(self, field: Any, value: Any, row: Any = None) -> Show:
        """Show a value as people read it: by `show_<field>()` if a template defines that."""
        hook = self._hook("show", field)
        if hook:
            return hook(value)
        return self._shown().show(field, value, self._context["row"] if row is None else row)

    def stored(self, field: Any, text: str | None) -> Show:
        """Show a text that is not in its control: the other side of a conflict."""
        gettext = self._language.gettext
        if text is None or field.kind == "binary":
            return element("i", gettext(N_("nothing") if text is None else N_("another file")))
        row = self._context["row"]
        label = None if row is None else self._label_of(field, row.get(field.name))
        if label:
            return element("q", label, dir="auto") + " " + element("small", text)
        return element("q", text, dir="auto") if text else self._shown().empty

    def _shown(self) -> Values:
        if self._values is None:
            self._values = Values(
                self._language,
                self._keys(),
                self._context["reference"],
                self._label_of,
                self._file_url,
            )
        return self._values

    def _label_of(self, field: Any, value: Any) -> str | None:
        label_of = self.told.label_of
        found: str | None = label_of(field, value) if label_of and field.references else None
        return found

    def _file_url(self, row: Any, field: Any) -> str | None:
        if "get_file" not in self._context["can"]:
            return None
        href = self._context["url"](row, "file")
        return None if href is None else f"{href}?field={quote(field.name, safe='')}"

    # -- lists -------------------------------------------------------------------------

    def table_rows(self, tick: bool = False) -> Iterator[Any]:
        """Show each row of `data` as a row of a table.

        Args:
            tick: Whether a cell with a box comes first.
        """
        for row in self._context["data"]:
            yield TEXT, Markup(f"<tr>{self._tick(row) if tick else ''}"), _NOWHERE
            yield from self.cells(row)
            yield TEXT, Markup("</tr>\n"), _NOWHERE

    def cells(self, row: Mapping[str, Any]) -> Iterator[Any]:
        """Show a row as table cells, one for each field of `meta`; the first key field links."""
        if self._cells is None:
            self._cells = self._plan_cells()
        return self._cells(row)

    def _tick(self, row: Mapping[str, Any]) -> str:
        id = self.row_id(row)
        if id is None:
            return '<td class="tick"></td>'
        name = escape(self._tick_text.format(name=self.name_of(row)))
        box = f'<input type="checkbox" name="id" value="{escape(id)}" aria-label="{name}">'
        return f'<td class="tick">{box}</td>'

    @cached_property
    def _tick_text(self) -> str:
        return self._language.gettext(N_("Tick {name}"))

    def _plan_cells(self) -> Callable[[Any], Iterator[Any]]:
        fields, keys = self._context["meta"], self._keys()
        names = [field.name for field in fields]
        # Without its key among the columns, a row is found by the first one.
        linked = next((name for name in names if name in keys), *names[:1]) if keys else None
        makers = [self._cell(field, field.name == linked) for field in fields]

        def cells(row: Mapping[str, Any]) -> Iterator[Any]:
            written: list[str] = []
            for start, end, show in makers:
                shown = show(row)
                written.append(start)
                if isinstance(shown, str):
                    written.append(shown)
                else:
                    # A template function has its variables only while its events are taken.
                    yield TEXT, Markup("".join(written)), _NOWHERE
                    yield from shown
                    written = []
                written.append(end)
            yield TEXT, Markup("".join(written)), _NOWHERE

        return cells

    def _cell(self, field: Any, is_linked: bool) -> tuple[str, str, Callable[[Any], Any]]:
        style, tag = self.kind_of(field), "th" if is_linked else "td"
        attributes = [("class", style)] if style else [("dir", "auto")]
        if is_linked:
            attributes.append(("scope", "row"))
        show = self._show_linked(field) if is_linked else self._show_plain(field)
        return start_tag(tag, attributes), f"</{tag}>", show

    def _show_plain(self, field: Any) -> Callable[[Any], Any]:
        hook, values, name = self._hook("show", field), self._shown(), field.name
        if hook:
            return lambda row: hook(row.get(name))
        return lambda row: values.show(field, row.get(name), row, MAX_CELL)

    def _show_linked(self, field: Any) -> Callable[[Any], Any]:
        hook, url, name = self._hook("show", field), self._context["url"], field.name
        unlinked = self._show_plain(field)

        def show(row: Any) -> Any:
            href = url(row)
            if href is None:
                return unlinked(row)
            if hook:
                start = START, (QName("a"), Attrs([(QName("href"), href)])), _NOWHERE
                return chain([start], hook(row.get(name)), [_END_A])
            label = self._label_of(field, row.get(name)) or plain(row.get(name))
            return link_to(href, cut(label) or self._language.gettext(N_("(empty)")))

        return show

    def row_id(self, row: Mapping[str, Any]) -> str | None:
        """Give what names a row in its URL; None if it has none."""
        named = self.told.row_id
        found: str | None = named(row) if named else None
        return found

    def kind_of(self, field: Any) -> str | None:
        """Give the style class of a field: "num" aligns right, "short" never wraps."""
        # A foreign key is shown by a name, whatever it is made of.
        return None if field.references else CLASSES.get(field.kind)

    def name_of(self, row: Mapping[str, Any] | None) -> str:
        """Name a row for people: by its label, else by its key."""
        if row is None:
            return ""
        label = self._context["label"]
        if isinstance(label, str) and row.get(label) not in (None, ""):
            return cut(plain(row[label]))
        return cut(", ".join(plain(row[name]) for name in self._keys() if name in row))

    def _keys(self) -> Sequence[str]:
        primary = self._context["primary"]
        return (primary,) if isinstance(primary, str) else primary or ()

    def filter_control(self, asked: Mapping[str, Any]) -> Markup:
        """Make the control of a filter."""
        name = escape(asked["name"])
        if asked["kind"] != "select":
            return self._typed_filter(asked, name)
        options = (
            f'<option value="{escape(option["value"])}"{" selected" if option["selected"] else ""}>'
            f"{escape(self.say(option['text']), quote=False)}</option>"
            for option in asked["options"]
        )
        return Markup(f'<select name="{name}">{"".join(options)}</select>')

    def _typed_filter(self, asked: Mapping[str, Any], name: str) -> Markup:
        kind, value = escape(asked["kind"]), escape(asked["value"])
        step = ' step="any"' if kind == "number" else ""
        find = find_url(asked.get("search") or {})
        if find is None:
            return Markup(f'<input type="{kind}" name="{name}" value="{value}"{step}>')
        # A script offers the rows that what is typed may name.
        id = escape("list-" + _id_of(asked["name"]))
        return Markup(
            f'<input type="text" name="{name}" value="{value}" list="{id}"'
            f' data-find="{escape(find)}"><datalist id="{id}"></datalist>'
        )

    # -- forms -------------------------------------------------------------------------

    def field_id(self, field: Any) -> str:
        """Give the id of a field's control: no two names share one, whatever they hold."""
        return "field-" + _id_of(field.name)

    def control(self, field: Any, text: str | None) -> Any:
        """Make the control that sends *text* back: by `control_<field>()` if there is one."""
        hook = self._hook("control", field)
        if hook:
            return hook(field, text)
        name, errors = self.field_id(field), self._context["errors"].get(field.name)
        conflict = self._context["conflict"] or ()
        changed = field.name in (self.told.changed or ())
        filled = self.fills_in(field)
        notes = {"error": errors, "hint": field.hint, "filled": filled, "changed": changed}
        notes["conflict"] = field.name in conflict
        shown = [f"{name}-{note}" for note, is_there in notes.items() if is_there]
        attributes = {
            "id": name,
            "aria_describedby": " ".join(shown) or None,
            "aria_invalid": "true" if errors else None,
        }
        row = self._context["row"]
        stored = None if row is None else row.get(field.name)
        return control(
            field,
            text,
            attributes,
            new=row is None,
            stored=stored,
            language=self._language,
            choices=(self.told.choices or {}).get(field.name),
        )

    def fills_in(self, field: Any) -> bool:
        """Whether the store gives a new row a value that the form does not know."""
        return bool(self.action == "get_new_form" and field.has_default and field.default is None)

    def mistakes(self) -> Iterator[tuple[Any, str]]:
        """Give each message of a form, with its field if the form shows that."""
        asked = [self.told.field] if self.told.field else self._context["meta"]
        fields = {field.name: field for field in asked if field.writable}
        for name, messages in self._context["errors"].items():
            for message in map(self.say, messages):
                shown = message if not name or name in fields else f"{name}: {message}"
                yield fields.get(name), shown

    def enctype(self) -> str | None:
        """Give the encoding of a form: multipart if it may carry a file, or is long."""
        files = any(f.kind == "binary" and f.writable for f in self._context["meta"])
        # The other encoding makes nine characters of some.
        long = sum(len(text or "") for text in self._context["values"].values()) > MAX_ENCODED
        return "multipart/form-data" if files or long else None

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Give where and what, for each of the errors of a problem (RFC 9457)."""
        errors = self.value.get("errors")
        for error in errors if isinstance(errors, list | tuple) else ():
            if isinstance(error, Mapping):
                where = error.get("parameter") or error.get("pointer") or ""
                yield str(where), self.say(error.get("detail", error.get("code", "")))

    def _hook(self, prefix: str, field: Any) -> Callable[..., Any] | None:
        found = self._context.get(f"{prefix}_{field.name}")
        return found if callable(found) else None


def _id_of(name: str) -> str:
    return re.sub(r"[^\w-]", lambda odd: f".{ord(odd[0]):x}.", name)
