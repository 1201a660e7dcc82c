"""The fields of a model as JSON Schema: what a client reads, and what it may write.

Use it alone to tell others what a model takes, or to validate it elsewhere:

    from wsgikit.model import Field
    from wsgikit.model.schema import create_schema

    fields = [Field("id", "integer", has_default=True, nullable=False),
              Field("name", required=True, nullable=False, length=80)]
    schema = create_schema(fields)
    assert schema["required"] == ["name"]
    assert schema["properties"]["name"] == {"title": "Name", "type": "string", "maxLength": 80}

The schemas are plain dicts in the dialect of JSON Schema 2020-12, which OpenAPI 3.1 shares.

What is *read* is described by type and format alone: a row may be older than today's limits.
Where a store may keep something else in a column than its type says (`Field.misfits`), that is
an alternative of its own.

What is *written* is described with every limit that JSON Schema can spell.  What does not fit
is refused.  What fits is refused for a reason only that no schema can know: another row, or a
rule inside the database.  Two kinds are an exception, so that their schemas stay readable.
Decimals may be written with an exponent as well, and where the store keeps some digits only
(`Field.digits`), no schema says that of a number.  Intervals may be longer than described where
the store bounds them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from wsgikit.model.fields import MAX_DIGITS, Field, to_text

Schema = dict[str, Any]

#: The dialect of the schemas, as the value of ``$schema``.
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
#: Years from 1 on, and months with all of their days; which Februaries have 29 the formats know.
_DAY = (
    r"(?:[1-9][0-9]{3}|[0-9][1-9][0-9]{2}|[0-9]{2}[1-9][0-9]|[0-9]{3}[1-9])-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|[12][0-9]))"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"


def _interval_pattern(days: int, hours: int, minutes: int) -> str:
    """A duration of so many digits at most."""
    seconds = r"[0-9]{1,9}(?:\.[0-9]{1,6})?S"
    d, h, m = (
        f"[0-9]{{1,{n}}}{unit}" for n, unit in zip((days, hours, minutes), "DHM", strict=True)
    )
    clock = f"{h}(?:{m})?(?:{seconds})?|{m}(?:{seconds})?|{seconds}"
    return f"^-?P(?:{d}|(?:{d})?T(?:{clock}))$"


_INTERVAL = _interval_pattern(9, 9, 9)
#: What fits between the years 1 and 9999, seen from 1970, whatever is added up.
_SHORT_INTERVAL = _interval_pattern(5, 6, 8)
#: Four characters for every three bytes, the last of them filled up (RFC 4648 section 4).
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_UUID = "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_NO_NUL = r"^[^\x00]*$"
_ANYTHING_BUT_NULL = {"type": ["object", "array", "string", "number", "boolean"]}


# -- one value ---------------------------------------------------------------------------


def read_schema(field: Field) -> Schema:
    """Describe a field's value as JSON shows it."""
    kinds = _READ[field.kind](field)
    others = [kind for kind in field.misfits if {"type": kind} not in kinds]
    if others:
        misfit = {"description": "A stored value that is not of the column's type, as it is."}
        kinds = [*kinds, {**misfit, "type": others if len(others) > 1 else others[0]}]
    schema = {**_notes(field), **_either(kinds, field.nullable)}
    return schema if field.writable else {**schema, "readOnly": True}


def write_schema(field: Field) -> Schema:
    """Describe what JSON may give for a field, as `Field.check` takes it."""
    schema = {**_notes(field), **plain_schema(field)}
    if field.default is not None:
        schema["default"] = _spelled(field.default)
    return schema


def plain_schema(field: Field) -> Schema:
    """Describe the same without a title and other notes for people."""
    return _either(_WRITE[field.kind](field), field.nullable)


def nullable(schema: Schema) -> Schema:
    """Describe what fits a schema, or null."""
    return _either(schema["anyOf"] if set(schema) == {"anyOf"} else [schema], True)


def _notes(field: Field) -> Schema:
    texts = [field.hint]
    if field.references is not None:
        texts.append(f"Refers to {field.references.model} by its {field.references.field}.")
    text = " ".join(filter(None, texts))
    return {"title": field.label, **({"description": text} if text else {})}


def _either(kinds: Sequence[Schema], nullable: bool) -> Schema:
    """Put alternatives together; null may be one more of them."""
    if nullable and kinds != [{}]:
        if len(kinds) == 1 and "type" in kinds[0]:
            return _nullable(kinds[0])
        kinds = [*kinds, {"type": "null"}]
    return dict(kinds[0]) if len(kinds) == 1 else {"anyOf": list(kinds)}


def _nullable(kind: Schema) -> Schema:
    types = kind["type"] if isinstance(kind["type"], list) else [kind["type"]]
    enum = {"enum": [*kind["enum"], None]} if "enum" in kind else {}
    return {**kind, "type": [*types, "null"], **enum}


def _spelled(value: Any) -> Any:
    """Give a default as JSON spells it."""
    return value if isinstance(value, bool | int | float | str | list | dict) else to_text(value)


def _integer(field: Field) -> list[Schema]:
    low, high = field.minimum, field.maximum
    kind: Schema = {"type": "integer", **_bounds(field)}
    if low is not None and high is not None and low >= _INT64[0] and high <= _INT64[1]:
        kind["format"] = "int32" if low >= _INT32[0] and high <= _INT32[1] else "int64"
    return [kind]


def _bounds(field: Field) -> Schema:
    bounds = {"minimum": field.minimum, "maximum": field.maximum}
    return {name: value for name, value in bounds.items() if value is not None}


def _float(field: Field) -> list[Schema]:
    number = {"type": "number", "format": "double", **_bounds(field)}
    return [number, *([{"enum": sorted(field.nonfinite)}] if field.nonfinite else [])]


def _text(field: Field) -> list[Schema]:
    length = {} if field.length is None else {"maxLength": field.length}
    return [{"type": "string", **length, **({} if field.nul else {"pattern": _NO_NUL})}]


def _decimal(field: Field) -> list[Schema]:
    """Texts and numbers; as texts, those without an exponent."""
    text = {"type": "string", "format": "decimal", "pattern": _decimal_pattern(field)}
    others = [{"enum": sorted(field.nonfinite)}] if field.nonfinite else []
    return [{**text, "maxLength": MAX_DIGITS}, _decimal_number(field), *others]


def _decimal_pattern(field: Field) -> str:
    few = "" if _keeps_all(field) else rf"(?!(?:[^0-9]*[0-9]){{{(field.digits or 0) + 1}}})"
    if field.scale is None:
        places, point = "[0-9]*", "[0-9]+"
    elif field.scale <= 0:
        places, point = "0*", "0+"
    else:
        places = f"[0-9]{{0,{field.scale}}}0*"
        point = f"(?:[0-9]{{1,{field.scale}}}0*|0+)"
    return rf"^{few}[+-]?(?:{_whole_pattern(field)}(?:\.{places})?|\.{point})$"


def _whole_pattern(field: Field) -> str:
    """The digits before the point; a negative scale leaves zeros there."""
    zeros = "0" * max(0, -(field.scale or 0))
    if field.precision is None:
        digits = "[0-9]+"
    else:
        size = field.precision - max(0, field.scale or 0)
        digits = f"0*[0-9]{{1,{size}}}" if size > 0 else "0+"
    return f"(?:{digits}{zeros}|0+)" if zeros else digits


def _decimal_number(field: Field) -> Schema:
    kind: Schema = {"type": "number"}
    if field.scale is not None and field.scale <= 0:
        kind = {"type": "integer", "multipleOf": 10**-field.scale}
    elif field.scale is not None:
        kind = {"type": "number", "multipleOf": float(Decimal(1).scaleb(-field.scale))}
    if field.precision is not None:
        bound = 10 ** (field.precision - (field.scale or 0))
        kind |= {"exclusiveMinimum": -bound, "exclusiveMaximum": bound}
    return kind


def _keeps_all(field: Field) -> bool:
    """Whether the store keeps every digit that the limits of a decimal allow."""
    return field.digits is None or (field.precision is not None and field.precision <= field.digits)


def _moment(format: str, day: str) -> Callable[[Field], list[Schema]]:
    """A kind with a time of day; OpenAPI's registry has a format for those without an offset."""

    def kind(field: Field) -> list[Schema]:
        zoned = field.timezone
        pattern = f"^{day}{_CLOCK}{_OFFSET if zoned else ''}$"
        return [{"type": "string", "format": _local(format, field), "pattern": pattern}]

    return kind


def _local(format: str, field: Field) -> str:
    return format if field.timezone else f"{format}-local"


def _binary(field: Field) -> list[Schema]:
    kind: Schema = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    if field.length is None:
        return [kind]
    groups, rest = divmod(field.length, 3)
    if not rest:
        return [{**kind, "maxLength": 4 * groups}]
    # The last group may be there if it is filled up, so that it holds fewer than three bytes.
    last = {"maxLength": 4 * groups + 4, "pattern": "==$" if rest == 1 else "=$"}
    return [{**kind, "anyOf": [{"maxLength": 4 * groups}, last]}]


def _long_or_short(field: Field) -> str:
    return _INTERVAL if field.minimum is None else _SHORT_INTERVAL


def _fixed(**kind: Any) -> Callable[[Field], list[Schema]]:
    return lambda field: [dict(kind)]


def _enum(field: Field) -> list[Schema]:
    return [{"type": "string", "enum": list(field.choices)}]


def _json(field: Field) -> list[Schema]:
    return [{}] if field.nullable else [dict(_ANYTHING_BUT_NULL)]


_WRITE: Mapping[str, Callable[[Field], list[Schema]]] = {
    "text": _text,
    "integer": _integer,
    "float": _float,
    "decimal": _decimal,
    "boolean": _fixed(type="boolean"),
    "date": _fixed(type="string", format="date", pattern=f"^{_DAY}$"),
    "datetime": _moment("date-time", f"{_DAY}[T ]"),
    "time": _moment("time", ""),
    "interval": lambda field: [{"type": "string", "pattern": _long_or_short(field)}],
    "uuid": _fixed(type="string", format="uuid", pattern=_UUID),
    "binary": _binary,
    "enum": _enum,
    "json": _json,
    "array": lambda field: [_array(field, write_schema)],
    "other": lambda field: [{**_text(field)[0], "type": ["string", "number", "boolean"]}],
}

_READ: Mapping[str, Callable[[Field], list[Schema]]] = {
    **_WRITE,
    "text": _fixed(type="string"),
    "float": lambda field: _float(field) if field.nonfinite else [{"type": "number"}],
    "decimal": _fixed(type="string", format="decimal"),
    "date": _fixed(type="string", format="date"),
    "datetime": lambda field: [{"type": "string", "format": _local("date-time", field)}],
    "time": lambda field: [{"type": "string", "format": _local("time", field)}],
    "interval": _fixed(type="string", pattern=_INTERVAL),
    "uuid": _fixed(type="string", format="uuid"),
    "binary": _fixed(type="string", contentEncoding="base64"),
    "json": lambda field: [{}],
    "array": lambda field: [_array(field, read_schema)],
}


def _array(field: Field, schema: Callable[[Field], Schema]) -> Schema:
    items = {} if field.items is None else schema(field.items)
    items.pop("title", None)
    return {"type": "array", "items": items} if items else {"type": "array"}


# -- rows --------------------------------------------------------------------------------


def row_schema(fields: Sequence[Field]) -> Schema:
    """Describe a row as it is shown: every field is there."""
    return {
        "type": "object",
        "properties": {field.name: read_schema(field) for field in fields},
        "required": [field.name for field in fields],
    }


def listed_schema(fields: Sequence[Field], embeddable: Iterable[str] = ()) -> Schema:
    """Describe a row that may have been asked for with ``fields`` or ``embed``.

    Args:
        fields: The fields.
        embeddable: Foreign keys that may be replaced by the row that they point to.
    """
    schema = row_schema(fields)
    del schema["required"]
    for name in embeddable:
        whole = {"type": "object", "description": f"The row itself, with embed={name}."}
        schema["properties"][name] = {"anyOf": [schema["properties"][name], whole]}
    return schema


def create_schema(fields: Sequence[Field], key: Sequence[str] = ()) -> Schema:
    """Describe the values of a new row.

    Args:
        fields: The fields.
        key: The names of those that tell rows apart; one that nothing counts up has to be
            given, where the store has no default for it.
    """
    given = [_given(field, key) for field in fields if field.writable]
    required = [field.name for field in given if field.required]
    return _closed({field.name: write_schema(field) for field in given}, required)


def _given(field: Field, key: Sequence[str]) -> Field:
    """Give a field as a new row has it."""
    counts_up = field.kind == "integer" and tuple(key) == (field.name,)
    if field.name not in key or field.has_default or counts_up:
        return field
    return replace(field, required=True, nullable=False)


def replace_schema(fields: Sequence[Field], key: Sequence[str] = ()) -> Schema:
    """Describe the values that replace a row: what is left out takes its default.

    A field that cannot be set, which the key is one of, may be given as it was shown.
    """
    required = [
        f.name
        for f in fields
        if f.writable and f.name not in key and not f.nullable and not f.has_default
    ]
    return _closed(_changed(fields, key), required)


def patch_schema(fields: Sequence[Field], key: Sequence[str] = ()) -> Schema:
    """Describe a change of some values (RFC 7396); fields as for `replace_schema`."""
    return _closed(_changed(fields, key), [])


def bulk_patch_schema(fields: Sequence[Field], key: Sequence[str] = ()) -> Schema:
    """Describe a change of many rows: as of one, but nothing is merged into JSON."""
    given = [field for field in fields if field.writable and field.name not in key]
    return _closed({field.name: _unmerged(field) for field in given}, [])


def _unmerged(field: Field) -> Schema:
    if field.kind != "json":
        return write_schema(field)
    types = [kind for kind in _ANYTHING_BUT_NULL["type"] if kind != "object"]
    return {**_notes(field), **_either([{"type": types}], field.nullable)}


def _changed(fields: Sequence[Field], key: Sequence[str]) -> Schema:
    return {
        f.name: write_schema(f)
        if f.writable and f.name not in key
        else {**read_schema(f), "readOnly": True}
        for f in fields
    }


def _closed(properties: Schema, required: Sequence[str]) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def row_document(model: Any, id: str, title: str) -> Schema:
    """Describe a row of a model as a JSON Schema document of its own.

    Args:
        model: A `wsgikit.model.Model`.
        id: The absolute URL of the document.
        title: What people call it.
    """
    return {"$schema": DIALECT, "$id": id, "title": title, **row_schema(tuple(model.fields))}


def id_schema(key: Sequence[Field], *, new: bool = False) -> Schema:
    """Describe the text that names a row in its URL, see `wsgikit.model.encode_key`.

    Args:
        key: The key's fields, in order.
        new: Whether there is no such row yet, so that today's limits count.
    """
    if [field.kind for field in key] == ["integer"]:
        return _integer(key[0])[0]
    schema: Schema = {"type": "string"}
    if len(key) > 1:
        names = ", ".join(field.name for field in key)
        schema["description"] = f"The parts of the key, with commas: {names}."
    return {**schema, "pattern": f"^{','.join(map(_id_part, key))}$"} if new else schema


#: A character of UTF-8 in a URL: as it is, or as a tilde and two digits for every byte.
_CHARACTER = (
    "(?:[A-Za-z0-9._-]|~[0-7][0-9A-F]|~[CD][0-9A-F]~[89AB][0-9A-F]"
    "|~E[0-9A-F](?:~[89AB][0-9A-F]){2}|~F[0-4](?:~[89AB][0-9A-F]){3})"
)

#: Longer texts are described without their length: a pattern of many steps costs validators much.
_LONGEST_PATTERN = 100


def _id_part(field: Field) -> str:
    if field.kind == "integer":
        return "-?(?:0|[1-9][0-9]*)"
    limited = field.kind == "text" and field.length and field.length <= _LONGEST_PATTERN
    return f"(?:~|{_CHARACTER}{f'{{1,{field.length}}}' if limited else '+'})"


# -- forms and patches -------------------------------------------------------------------

#: A form sends texts; these kinds are written as JSON in them.
_AS_JSON = {"type": "string", "contentMediaType": "application/json"}
_EMPTY = {"const": ""}


def form_schema(fields: Sequence[Field], key: Sequence[str] = (), *, new: bool) -> Schema:
    """Describe a form that makes a row, or changes one: as JSON, but nothing is an empty text.

    Args:
        fields: The fields.
        key: The names of those that tell rows apart.
        new: Whether it makes a row.
    """
    controls = [_given(f, key) if new else f for f in fields if f.writable]
    if not new:
        controls = [f for f in controls if f.name not in key]
    properties = {control_name(f.name): _control(f, new=new) for f in controls}
    required = [
        control_name(f.name) for f in controls if (f.required if new else _must_be_replaced(f))
    ]
    if not new:
        text = "The version of the row that the form was made from."
        properties["_version"] = {"type": "string", "description": text}
    return _closed(properties, required)


def control_name(name: str) -> str:
    """Name the control of a form; names with an underscore in front mean something else there."""
    return f"_{name}" if name.startswith("_") else name


def _must_be_replaced(field: Field) -> bool:
    # A form cannot send a file again: no file leaves the stored one.
    return not field.nullable and not field.has_default and field.kind != "binary"


def _control(field: Field, *, new: bool) -> Schema:
    kinds = _CONTROLS[field.kind](field) if field.kind in _CONTROLS else _WRITE[field.kind](field)
    if field.kind == "text" and not _may_be_empty(field, new):
        return {**_notes(field), **kinds[0], "minLength": 1}
    if field.kind not in ("text", "other") and _may_be_empty(field, new):
        kinds = [*kinds, _EMPTY]
    return {**_notes(field), **_either(kinds, nullable=False)}


def _may_be_empty(field: Field, new: bool) -> bool:
    return field.nullable or (new and field.has_default)


_CONTROLS: Mapping[str, Callable[[Field], list[Schema]]] = {
    "json": _fixed(**_AS_JSON),
    "array": lambda field: [{**_AS_JSON, "contentSchema": _array(field, write_schema)}],
    "other": _fixed(type="string"),
}


def json_patch_schema(fields: Sequence[Field], key: Sequence[str] = ()) -> Schema:
    """Describe a JSON Patch of a row (RFC 6902), without ``copy`` and ``move``."""
    changes = [change for f in fields if f.writable and f.name not in key for change in _ops(f)]
    tests = [_operation(["test"], {"const": pointer(f.name)}, {}) for f in fields]
    return {"type": "array", "items": {"anyOf": [*changes, *tests]}, "maxItems": 1000}


def pointer(name: str) -> str:
    """Write the JSON Pointer (RFC 6901) of a member of an object."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _ops(field: Field) -> Iterator[Schema]:
    """The operations that change one field."""
    path: Schema = {"const": pointer(field.name)}
    yield _operation(["add", "replace"], path, write_schema(field))
    if field.nullable:
        yield {**_operation(["remove"], path), "not": {"required": ["value"]}}
    if field.kind == "json":
        below = f"^{_SPECIAL.sub(_escape, pointer(field.name))}(?:/(?:[^~/]|~[01])*)+$"
        inside = {"type": "string", "pattern": below}
        yield _operation(["add", "replace", "test"], inside, {})
        yield _operation(["remove"], inside)


#: What has to be escaped in a pattern (ECMA 262, SyntaxCharacter).
_SPECIAL = re.compile(r"[\\^$.*+?()\[\]{}|]")


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _operation(names: Sequence[str], path: Schema, value: Schema | None = None) -> Schema:
    members = {"op": {"enum": list(names)}, "path": path}
    if value is None:
        return {"type": "object", "properties": members, "required": ["op", "path"]}
    members["value"] = value
    return {"type": "object", "properties": members, "required": ["op", "path", "value"]}
