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
rule inside the database.  Two things are left out so that a schema stays readable: decimals
with an exponent, and years before 1, which are refused.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from wsgikit.model.fields import MAX_DIGITS, Field, to_text
from wsgikit.model.selection import KIND_OPERATORS, SORTABLE
from wsgikit.query import MANY, MAX_VALUES, RESERVED, split_operator

Schema = dict[str, Any]

#: The dialect of the schemas, as the value of ``$schema``.
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
#: The whole numbers that a 64-bit float holds without gaps.
_EXACT = 2**53

_DAY = r"\d{4}-\d\d-\d\d"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?"
_OFFSET = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_SECONDS = r"\d{1,9}(?:\.\d{1,6})?S"
_INTERVAL = (
    rf"^-?P(?:\d{{1,9}}D|(?:\d{{1,9}}D)?T(?:\d{{1,9}}H(?:\d{{1,9}}M)?(?:{_SECONDS})?"
    rf"|\d{{1,9}}M(?:{_SECONDS})?|{_SECONDS}))$"
)
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
    schema = {**_notes(field), **_either(_WRITE[field.kind](field), field.nullable)}
    if field.default is not None:
        schema["default"] = _spelled(field.default)
    return schema


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
    places = r"\d*" if field.scale is None else rf"\d{{0,{field.scale}}}0*"
    point = r"\.\d+" if field.scale is None else rf"\.(?:\d{{1,{field.scale}}}0*|0+)"
    whole = r"\d+"
    if field.precision is not None:
        size = field.precision - (field.scale or 0)
        whole = rf"0*\d{{1,{size}}}" if size > 0 else "0+"
    few = "" if _keeps_all(field) else rf"(?!(?:\D*\d){{{(field.digits or 0) + 1}}})"
    point = point.replace(r"\d{1,0}0*|", "")
    return rf"^{few}[+-]?(?:{whole}(?:\.{places})?|{point})$".replace(r"\d{0,0}", "")


def _decimal_number(field: Field) -> Schema:
    kind: Schema = {"type": "number"}
    if field.scale is not None:
        step = Decimal(1).scaleb(-field.scale)
        kind = {"type": "integer"} if step == 1 else {"type": "number", "multipleOf": float(step)}
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
    "date": _fixed(type="string", format="date"),
    "datetime": _moment("date-time", f"{_DAY}[T ]"),
    "time": _moment("time", ""),
    "interval": _fixed(type="string", pattern=_INTERVAL),
    "uuid": _fixed(type="string", format="uuid", pattern=_UUID),
    "binary": _binary,
    "enum": _enum,
    "json": _json,
    "array": lambda field: [_array(field, write_schema)],
    "other": lambda field: [{"type": ["string", "number", "boolean"], **_bounds(field)}],
}

_READ: Mapping[str, Callable[[Field], list[Schema]]] = {
    **_WRITE,
    "text": _fixed(type="string"),
    "float": lambda field: _float(field) if field.nonfinite else [{"type": "number"}],
    "decimal": _fixed(type="string", format="decimal"),
    "datetime": lambda field: [{"type": "string", "format": _local("date-time", field)}],
    "time": lambda field: [{"type": "string", "format": _local("time", field)}],
    "uuid": _fixed(type="string", format="uuid"),
    "binary": _fixed(type="string", contentEncoding="base64"),
    "json": lambda field: [{}],
    "array": lambda field: [_array(field, read_schema)],
    "other": _fixed(type=["string", "number", "boolean"]),
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


def listed_schema(
    fields: Sequence[Field], key: Sequence[str] = (), embeddable: Iterable[str] = ()
) -> Schema:
    """Describe a row that was asked for with ``fields`` or ``embed``.

    Args:
        fields: The fields.
        key: The names of those that are always there.
        embeddable: Foreign keys that may be replaced by the row that they point to.
    """
    row = row_schema(fields)
    for name in embeddable:
        whole = {"type": "object", "description": f"The row itself, with embed={name}."}
        row["properties"][name] = {"anyOf": [row["properties"][name], whole]}
    return {**row, "required": list(key)}


def create_schema(fields: Sequence[Field], key: Sequence[str] = ()) -> Schema:
    """Describe the values of a new row.

    Args:
        fields: The fields.
        key: The names of those that tell rows apart; one that is no integer, or is not the
            only one, has to be given where the store gives it no value.
    """
    counted = set(key) if len(key) == 1 else set()
    given = [
        replace(f, required=True, nullable=False)
        if f.name in key and not f.has_default and not (f.name in counted and f.kind == "integer")
        else f
        for f in fields
        if f.writable
    ]
    return _closed({f.name: write_schema(f) for f in given}, [f.name for f in given if f.required])


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


# -- queries -----------------------------------------------------------------------------

#: What a filter asks of a column, after its name.
_ASKS = {
    "eq": "equals this",
    "ne": "does not equal this, or is null",
    "lt": "is less than this",
    "lte": "is at most this",
    "gt": "is greater than this",
    "gte": "is at least this",
    "in": "is one of these",
    "notin": "is none of these, or is null",
    "contains": "contains this, whatever the case",
    "startswith": "starts with this, whatever the case",
    "endswith": "ends with this, whatever the case",
    "isnull": "is null (true), or is not (false)",
}

#: How these kinds are written in a filter; the others as in JSON.
_ASKED: Mapping[str, Callable[[Field], Schema]] = {
    "text": lambda field: _text(replace(field, length=None))[0],
    "float": lambda field: {"type": "number"},
    "decimal": lambda field: {"type": "number"},
    "binary": lambda field: _binary(replace(field, length=None))[0],
    "other": lambda field: {"type": "string"},
}


def query_parameters(model: Any, formats: Sequence[str] = ()) -> list[Schema]:
    """Describe the query of a list, as OpenAPI describes parameters.

    Args:
        model: A `wsgikit.model.Model`.
        formats: What ``format`` may be.
    """
    filters = [
        _filter(field, operator)
        for field in model.fields
        for operator in KIND_OPERATORS[field.kind]
        if split_operator(filter_name(field.name, operator)) == (field.name, operator)
    ]
    words = [_word(name, text, value) for name, text, value in _words(model, formats)]
    return [*filters, *words]


def filter_name(name: str, operator: str) -> str:
    """Name the parameter that asks something of a column."""
    plain = name not in RESERVED and split_operator(name) == (name, "eq")
    return name if operator == "eq" and plain else f"{name}__{operator}"


def _filter(field: Field, operator: str) -> Schema:
    name = filter_name(field.name, operator)
    parameter: Schema = {
        "name": name,
        "in": "query",
        "description": f"Only rows whose {field.label} {_ASKS[operator]}.",
    }
    if operator in MANY:
        return {**parameter, **_separated(_asked(field), maxItems=MAX_VALUES)}
    # An explicit __eq or __ne compares with the empty text; otherwise that is no filter.
    if name == field.name or operator not in ("eq", "ne"):
        parameter["allowEmptyValue"] = True
    kind = {"type": "boolean"} if operator == "isnull" else _asked(field)
    return {**parameter, "schema": kind}


def _asked(field: Field) -> Schema:
    return _ASKED[field.kind](field) if field.kind in _ASKED else _WRITE[field.kind](field)[0]


def _separated(items: Schema, **limits: Any) -> Schema:
    """Describe values that commas separate; one with a comma is in double quotes, as in CSV."""
    if items == {"type": "string"}:
        items = {**items, "pattern": '^[^",]*$'}
    schema = {"type": "array", "items": items, **limits}
    return {"style": "form", "explode": False, "schema": schema}


def _word(name: str, text: str, value: Schema) -> Schema:
    value = value if "schema" in value else {"schema": value, "allowEmptyValue": True}
    return {"name": name, "in": "query", "description": text, **value}


def _words(model: Any, formats: Sequence[str]) -> Iterator[tuple[str, str, Schema]]:
    """Describe the parameters that are no filters."""
    names = [field.name for field in model.fields]
    if searched := [name for name in getattr(model, "search", ()) if name in names]:
        text = f"Only rows in which every word occurs, in one of: {', '.join(searched)}."
        yield "q", text, {"type": "string"}
    if sorts := list(filter(_can_be_listed, (f.name for f in model.fields if f.kind in SORTABLE))):
        text = "The order, with a minus for descending; the key decides what is left open."
        yield "sort", text, _sorted(sorts)
    if shown := [_quoted(name) for name in names if _can_be_listed(name)]:
        text = "The columns of the rows; the key is always among them."
        yield "fields", text, _separated({"enum": shown}, uniqueItems=True)
    if embedded := [_quoted(name) for name in embeddable(model) if _can_be_listed(name)]:
        text = "References that are replaced by the row that they point to."
        yield "embed", text, _separated({"enum": embedded}, uniqueItems=True)
    limit: Schema = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}
    yield "limit", "Rows of a page; all of them in one, for formats that stream.", limit
    yield "cursor", "Where a page begins, as the links of another page have it.", {"type": "string"}
    text = "Whether to count the rows: up to 10,000, or exactly."
    yield "count", text, {"enum": ["0", "1", "exact"]}
    if formats:
        yield "format", "The format of the answer, whatever Accept says.", {"enum": list(formats)}


def embeddable(model: Any) -> list[str]:
    """Name the foreign keys of a model that lead to other rows."""
    follow: Callable[[str], Any] = getattr(model, "follow", lambda name: None)
    return [f.name for f in model.fields if f.references and follow(f.name) is not None]


def _sorted(names: Iterable[str]) -> Schema:
    """Describe an order, in which a column is named once."""
    ways = [[_quoted(name), _quoted(f"-{name}")] for name in names]
    once = [{"contains": {"enum": way}, "minContains": 0, "maxContains": 1} for way in ways]
    return _separated({"enum": [spelling for way in ways for spelling in way]}, allOf=once)


def _can_be_listed(name: str) -> bool:
    """Whether a name survives among others: blanks around it would not, nor a minus."""
    return name == name.strip() and not name.startswith("-") and name != ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if re.search('[",]', name) else name


# -- all of it ---------------------------------------------------------------------------


def describe_model(
    model: Any, *, title: str = "", actions: Iterable[str] = (), formats: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe a model and what is served of it, as plain data.

    Args:
        model: A `wsgikit.model.Model`.
        title: What people call it; by default its name.
        actions: The names of what a collection does with it.
        formats: What ``format`` may be.

    Returns:
        `title`, `name`, `key` (the names of the key's fields), `id` (the schema of the text
        that names a row in its URL), `actions`, `formats`, `parameters` (of a list, as OpenAPI
        has them), and `schemas`: `row` as it is shown, `listed` (the same with ``fields`` and
        ``embed``), `create`, `replace` and `patch`.
    """
    fields, key = tuple(model.fields), tuple(model.key)
    name = str(getattr(model, "name", ""))
    return {
        "title": title or name,
        "name": name,
        "key": list(key),
        "id": id_schema([field for name in key for field in fields if field.name == name]),
        "actions": sorted(actions),
        "formats": list(formats),
        "parameters": query_parameters(model, formats),
        "schemas": {
            "row": row_schema(fields),
            "listed": listed_schema(fields, key, embeddable(model)),
            "create": create_schema(fields, key),
            "replace": replace_schema(fields, key),
            "patch": patch_schema(fields, key),
        },
    }


def id_schema(key: Sequence[Field]) -> Schema:
    """Describe the text that names a row in its URL, see `wsgikit.model.encode_key`."""
    if len(key) == 1:
        return _integer(key[0])[0] if key[0].kind == "integer" else {"type": "string"}
    names = ", ".join(field.name for field in key)
    return {"type": "string", "description": f"The parts of the key, with commas: {names}."}
