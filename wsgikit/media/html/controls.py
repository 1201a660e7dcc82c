"""Controls of forms that send back exactly what they show.

An unchanged form must send back what was stored.  Browsers "sanitize" the value of many
controls (HTML, "value sanitization algorithm"): a number control drops what is no number, a
datetime-local control rewrites 10:00:00 as 10:00 and drops microseconds, and every one-line
control drops line breaks.  So each special control is chosen only for the texts it keeps, and
a textarea or a text control carries the rest.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlencode

from genshi.builder import Fragment, tag

from wsgikit.media.html.languages import N_, SOURCE, Language
from wsgikit.media.html.values import Values, cut

_ENGLISH = Language(SOURCE)

#: Rows that a script offers while somebody types.
PICKED = 20

#: Characters that are shown of a text without a control.
MAX_FIXED = 1000

#: Characters of a text that can be changed in a form: browsers are slow with more, and a form of
#: several such texts is as long as a server reads.
MAX_TYPED = 2**18

#: What is typed as text, for lack of a better control.
_EXAMPLES = {
    "datetime": "2026-02-28T12:30:00",
    "time": "12:30:00",
    "interval": "P1DT2H30M",
    "json": '{"name": "value"}',
}
_ARRAYS = {"integer": "[1, 2]", "text": '["one", "two"]'}

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
    language: Language = _ENGLISH
    choices: Mapping[str, Any] = field(default_factory=dict)

    def limit(self, name: str) -> Any:
        return getattr(self.field, name, None)


def control(
    field: Any,
    text: str | None,
    attributes: Mapping[str, Any] | None = None,
    *,
    new: bool = True,
    stored: Any = None,
    language: Language = _ENGLISH,
    choices: Mapping[str, Any] | None = None,
) -> Any:
    """Make the form control of a field, as a Genshi element.

    Args:
        field: Its name, kind and limits, such as a `wsgikit.model.Field`.
        text: What it shows, and what it sends if nobody changes it; `None` for no value.
        attributes: Further attributes, underscores standing for hyphens.
        new: Whether the form is for a new row.
        stored: The row's value: a file control names its size.
        language: Of its texts.
        choices: The rows that a foreign key may name: `options`, each a `value` and a `text`.
            If there are `more`, `search_url` is a page to look for them, where `value_field`
            and `label_field` are the columns, if it is `searchable`.

    A name or text that no form can carry is shown, without a control.
    """
    given = {**(attributes or {}), "name": _form_name(field.name)}
    if field.kind != "binary" and len(text or "") > MAX_TYPED:
        return _fixed(text, given, language, N_("This is too long to be changed here."))
    if _UNSENDABLE_NAME.search(field.name) or _UNSENDABLE.search(text or ""):
        return _fixed(text, given, language, _ODD)
    # A required text may have been stored as an empty one, which the browser would refuse.
    if field.required and (text if not new else text != ""):
        given["required"] = "required"
    return _make(_Ask(field, text, given, new, stored, language, choices or {}))


def _make(ask: _Ask) -> Any:
    field, text = ask.field, ask.text
    if ask.choices.get("more"):
        return _picker(ask)
    if ask.choices:
        return _select(ask, [(str(o["value"]), str(o["text"])) for o in ask.choices["options"]])
    if field.kind == "binary":
        return _file(ask)
    if field.kind == "boolean":
        if not field.nullable and text in ("true", "false"):
            return _checkbox(ask)
        words = ask.language.words
        return _select(ask, (("true", words(N_("yes"))), ("false", words(N_("no")))))
    if field.kind == "enum" and ask.limit("choices"):
        return _select(ask, [(choice, choice) for choice in field.choices])
    if _is_long(field, text or ""):
        return _textarea(ask)
    kind = _number(ask) or _moment(ask) or _line(ask)
    return tag.input(value=text, **ask.attributes, **kind)


def _form_name(name: str) -> str:
    # Names that start with one underscore are ours (`_method`).
    return "_" + name if name.startswith("_") else name


_ODD = N_("This cannot be changed here: it holds characters that a form cannot carry.")


def _fixed(text: str | None, attributes: Mapping[str, Any], language: Language, note: str) -> Any:
    shown = tag.output(text and cut(text, MAX_FIXED), id=attributes.get("id"), dir="auto")
    return Fragment()(shown, tag.small(language.gettext(note)))


def _file(ask: _Ask) -> Any:
    """Ask for a file; what is stored stays if none is chosen."""
    stored, gettext = ask.stored, ask.language.gettext
    if not isinstance(stored, bytes | bytearray | memoryview):
        return tag.input(type="file", **ask.attributes)
    ask.attributes.pop("required", None)
    size = Values(ask.language).size(len(bytes(stored)))
    note = gettext(N_("Now {size}. Choose a file to replace it."), size=size)
    shown = Fragment()(tag.input(type="file", **ask.attributes), tag.small(note))
    if ask.field.nullable:
        # As a text that is left empty, this says that there is no value.
        ticked = "checked" if ask.text == "" else None
        name = ask.attributes["name"]
        box = tag.input(type="checkbox", name=name, value="", checked=ticked)
        shown(tag.label(box, " ", gettext(N_("Remove the file")), class_="remove"))
    return shown


def _checkbox(ask: _Ask) -> Any:
    ask.attributes.pop("required", None)  # to a browser that means: must be ticked
    ticked = "checked" if ask.text == "true" else None
    # A box that is not ticked is not sent; this says that it was there.
    seen = tag.input(type="hidden", name="_unticked", value=ask.field.name)
    return Fragment()(
        seen, tag.input(type="checkbox", value="true", checked=ticked, **ask.attributes)
    )


def _picker(ask: _Ask) -> Any:
    """Ask for a row by its key, which a script finds while a part of its name is typed."""
    id = str(ask.attributes.get("id", ""))
    names = {option["value"]: option["text"] for option in ask.choices["options"]}
    typed = tag.input(
        type="text",
        value=ask.text,
        autocomplete="off",
        dir="auto",
        list=f"{id}-list",
        data_find=find_url(ask.choices),
        **ask.attributes,
    )
    # A text that was typed may be anything, but for a name of one of the rows.
    known = names.get(ask.text)
    name = tag.output(known if known != ask.text else None, for_=id, class_="picked", dir="auto")
    return Fragment()(typed, tag.datalist(id=f"{id}-list"), name, _search_link(ask))


def find_url(choices: Mapping[str, Any]) -> str | None:
    """Give the URL to which a script adds what was typed, to find rows; None if it cannot."""
    if not (choices.get("search_url") and choices.get("searchable")):
        return None
    fields = [choices["value_field"], choices.get("label_field")]
    asked = {"format": "json", "limit": PICKED, "fields": ",".join(filter(None, fields)), "q": ""}
    return f"{choices['search_url']}?{urlencode(asked)}"


def _search_link(ask: _Ask) -> Any:
    href = ask.choices.get("search_url")
    if not href:
        return ""
    text = ask.language.gettext(N_("Look it up (in a new tab)"))
    return tag.a(text, href=href, target="_blank", class_="seek")


def _select(ask: _Ask, choices: Sequence[tuple[str, str]]) -> Any:
    text = ask.text
    known = {value for value, _ in choices}
    options = list(choices)
    if text and text not in known:
        options.append((text, text))
    if (not text or ask.field.nullable) and "" not in known:
        choose = ask.language.gettext(N_("Choose\u2026"))
        options.insert(0, ("", "" if ask.field.nullable else choose))
    empty = ask.language.words(N_("empty"))
    return tag.select(
        [
            tag.option(
                label or empty if value else label,
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
    more = {"placeholder": _example(ask), **_bound(ask)}
    return tag.textarea("\n" + text, rows=rows, class_=code, dir="auto", **more)


def _line(ask: _Ask) -> dict[str, Any]:
    modes = {"integer": "numeric", "decimal": "decimal"}
    mode = modes.get(ask.field.kind)
    text = "auto" if ask.field.kind == "text" else None
    more = {"maxlength": _maxlength(ask), "placeholder": _example(ask)}
    return {"type": "text", "inputmode": mode, "dir": text, **more}


def _example(ask: _Ask) -> str | None:
    items = ask.limit("items")
    if items is not None:
        return _ARRAYS.get(items.kind)
    found = _EXAMPLES.get(ask.field.kind)
    return f"{found}+00:00" if found and ask.limit("timezone") else found


def _bound(ask: _Ask) -> dict[str, Any]:
    return {**ask.attributes, "maxlength": _maxlength(ask)}


def _maxlength(ask: _Ask) -> int | None:
    # Browsers count UTF-16 units, databases characters.
    text, length = ask.text or "", ask.limit("length")
    fits = not text or (text.isascii() and len(text) <= (length or 0))
    return length if ask.field.kind == "text" and fits else None


def _number(ask: _Ask) -> dict[str, Any] | None:
    # What may also be infinite is typed as text only where it is: a phone has keys for numbers.
    text, kind = ask.text, ask.field.kind
    if kind not in _NUMBERS or (text and not _NUMBERS[kind].fullmatch(text)):
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
    step = None if kind == "date" else _seconds(text or "")
    return {"type": control_type, "max": last, "step": step}


def _is_moment(text: str, read: Callable[[str], Any]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> str:
    # Unless told so, browsers have no place for seconds (HTML, 4.10.5.1.11).
    return "0.001" if "." in text else "1"
