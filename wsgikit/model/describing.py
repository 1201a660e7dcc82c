"""A model described as plain data: its rows and values, and what a query may ask of it.

`describe_model` is what `wsgikit.model_collection` gives to others, such as
`wsgikit.openapi`.  The parameters of a list are written as OpenAPI writes them, and the schemas
are those of `wsgikit.model.schema`.

    from wsgikit.model import Field, MemoryModel, describe_model

    people = MemoryModel([Field("id", "integer"), Field("age", "integer")])
    described = describe_model(people, formats=["json"])
    assert described["parameters"][0]["name"] == "id"
    assert described["schemas"]["row"]["required"] == ["id", "age"]

The schema of a query in a body refers to itself as ``#/$defs/conditions``, which whoever takes
it into a document of their own has to replace.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from wsgikit.model.fields import Field
from wsgikit.model.schema import (
    Schema,
    bulk_patch_schema,
    control_name,
    create_schema,
    form_schema,
    id_schema,
    json_patch_schema,
    listed_schema,
    nullable,
    patch_schema,
    plain_schema,
    replace_schema,
    row_schema,
)
from wsgikit.model.selection import KIND_OPERATORS, SORTABLE
from wsgikit.query import MANY, MAX_VALUES, RESERVED, split_operator

#: How `query_schema` refers to its conditions.
CONDITIONS = "#/$defs/conditions"

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

#: Operators whose value is a part of a text.
_PARTIAL = frozenset({"contains", "startswith", "endswith"})

#: The members of a query in a body that are no columns.
_JOINTS = frozenset({"and", "or", "not"})

_NO_NUL = {"type": "string", "pattern": r"^[^\x00]*$"}


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
        that names a row in its URL; `new-id`: a row that is to be made), `actions`, `formats`,
        `parameters` (of a list, as OpenAPI has them), `embed` (the foreign keys that can be
        replaced by rows), `many` (whether many rows can be written at once), `binary` (the
        fields that hold files), `files` (the controls of a form that send them), and
        `schemas`: `row` as it is shown, `listed` (the same with ``fields`` and ``embed``),
        `create`, `replace`, `patch`, `json-patch`, `bulk-patch`, `new-form`, `edit-form`,
        `patch-form`, `query` and `conditions`.
    """
    fields, key = tuple(model.fields), tuple(model.key)
    key_fields = [field for name in key for field in fields if field.name == name]
    edit_form = form_schema(fields, key, new=False)
    name = str(getattr(model, "name", ""))
    embed = embeddable(model)
    return {
        "title": title or name,
        "name": name,
        "key": list(key),
        "id": id_schema(key_fields),
        "new-id": id_schema(key_fields, new=True),
        "actions": sorted(actions),
        "formats": list(formats),
        "parameters": query_parameters(model, formats),
        "embed": embed,
        "many": hasattr(model, "create_many"),
        "binary": [f.name for f in fields if f.kind == "binary"],
        "files": [control_name(f.name) for f in fields if f.kind == "binary" and f.writable],
        "schemas": {
            "row": row_schema(fields),
            "listed": listed_schema(fields, embed),
            "create": create_schema(fields, key),
            "replace": replace_schema(fields, key),
            "patch": patch_schema(fields, key),
            "json-patch": json_patch_schema(fields, key),
            "bulk-patch": bulk_patch_schema(fields, key),
            "new-form": form_schema(fields, key, new=True),
            "edit-form": edit_form,
            "patch-form": {name: value for name, value in edit_form.items() if name != "required"},
            "query": query_schema(model),
            "conditions": conditions_schema(model),
        },
    }


def embeddable(model: Any) -> list[str]:
    """Name the foreign keys of a model that lead to other rows."""
    follow: Callable[[str], Any] = getattr(model, "follow", lambda name: None)
    return [f.name for f in model.fields if f.references and follow(f.name) is not None]


# -- the query of a URL --------------------------------------------------------------------


def query_parameters(model: Any, formats: Sequence[str] = ()) -> list[Schema]:
    """Describe the query of a list, as OpenAPI describes parameters.

    Args:
        model: A `wsgikit.model.Model`.
        formats: What ``format`` may be.
    """
    filters = [_filter(field, operator) for field, operator in _filters(model)]
    words = [_word(name, text, value) for name, text, value in _words(model, formats)]
    return [*filters, *words]


def filter_name(name: str, operator: str, taken: Iterable[str] = RESERVED) -> str:
    """Name the parameter that asks something of a column.

    Args:
        name: The column's name.
        operator: What is asked.
        taken: Names that mean something else.
    """
    plain = name not in taken and split_operator(name) == (name, "eq")
    return name if operator == "eq" and plain else f"{name}__{operator}"


def _filters(model: Any) -> Iterator[tuple[Field, str]]:
    for field in model.fields:
        for operator in KIND_OPERATORS[field.kind]:
            # A column whose name is empty cannot be named.
            if split_operator(filter_name(field.name, operator)) == (field.name, operator):
                yield field, operator


def _filter(field: Field, operator: str) -> Schema:
    name = filter_name(field.name, operator)
    parameter: Schema = {
        "name": name,
        "in": "query",
        "description": f"Only rows whose {field.label} {_ASKS[operator]}.",
    }
    kind = _written(field, operator)
    if operator in MANY:
        return {**parameter, **_separated(kind, maxItems=MAX_VALUES)}
    # An explicit __eq or __ne compares with the empty text; otherwise that is no filter.
    if name == field.name or operator not in ("eq", "ne"):
        parameter["allowEmptyValue"] = True
    return {**parameter, "schema": kind}


def _written(field: Field, operator: str) -> Schema:
    """Describe how a URL writes what is compared with a column."""
    if operator == "isnull":
        return {"type": "boolean"}
    if operator in _PARTIAL or field.kind == "other":
        return _NO_NUL if field.kind == "enum" or not field.nul else {"type": "string"}
    if field.kind in ("float", "decimal"):
        return {"type": "number"}
    return plain_schema(_unlimited(field))


def _unlimited(field: Field) -> Field:
    """Give the same field for what is stored already; but filters have no infinity."""
    return replace(field.unlimited, nonfinite=frozenset())


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
    if found := searched(model):
        text = f"Only rows in which every word occurs, in one of: {', '.join(found)}."
        yield "q", text, _NO_NUL
    if names := sortable(model):
        text = "The order, with a minus for descending; the key decides what is left open."
        yield "sort", text, _separated(**_sorted(names, quoted))
    if names := [quoted(field.name) for field in model.fields if _can_be_listed(field.name)]:
        text = "The columns of the rows."
        yield "fields", text, _separated({"enum": names}, uniqueItems=True)
    if names := [quoted(name) for name in embeddable(model) if _can_be_listed(name)]:
        text = "References that are replaced by the row that they point to."
        yield "embed", text, _separated({"enum": names}, uniqueItems=True)
    text = "Rows of a page; or all of them in one, in a format that is no page."
    yield "limit", text, {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}
    yield "cursor", "Where a page begins, as the links of another page have it.", {"type": "string"}
    text = "Whether to count the rows: up to 10,000 (1), or all."
    yield "count", text, {"enum": ["0", "1", "exact"]}
    if formats:
        yield "format", "The format of the answer, whatever Accept says.", {"enum": list(formats)}


def searched(model: Any) -> list[str]:
    """Name the columns of a model that ``q`` searches."""
    names = [field.name for field in model.fields]
    return [name for name in getattr(model, "search", ()) if name in names]


def sortable(model: Any) -> list[str]:
    """Name the columns of a model that can order a list."""
    return [f.name for f in model.fields if f.kind in SORTABLE and _can_be_listed(f.name)]


def _sorted(names: Iterable[str], spell: Callable[[str], str] = str) -> Schema:
    """Describe an order, in which a column is named once."""
    ways = [[spell(name), spell(f"-{name}")] for name in names]
    once = [{"contains": {"enum": way}, "minContains": 0, "maxContains": 1} for way in ways]
    return {"items": {"enum": [spelling for way in ways for spelling in way]}, "allOf": once}


def _can_be_listed(name: str) -> bool:
    """Whether a name survives among others: blanks around it would not, nor a minus."""
    return name != "" and name == name.strip() and not name.startswith("-")


def quoted(name: str) -> str:
    """Write a name so that it can stand among others, with commas between them."""
    return '"' + name.replace('"', '""') + '"' if re.search('[",]', name) else name


# -- the query in a body ---------------------------------------------------------------------


def conditions_schema(model: Any) -> Schema:
    """Describe conditions of a query in a body; they hold further ones."""
    some = {"type": "array", "items": {"$ref": CONDITIONS}, "minItems": 1}
    return {
        "type": "object",
        "properties": {**_conditions(model), "and": some, "or": some, "not": {"$ref": CONDITIONS}},
        "additionalProperties": False,
        "minProperties": 1,
    }


def query_schema(model: Any) -> Schema:
    """Describe a query in a body: conditions, and the words of a URL's query."""
    conditions = conditions_schema(model)
    properties = {**conditions["properties"], **_members(model)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _conditions(model: Any) -> Schema:
    taken = RESERVED | _JOINTS
    return {filter_name(f.name, o, taken): _asked(f, o) for f, o in _filters(model)}


def _asked(field: Field, operator: str) -> Schema:
    """Describe how JSON writes what is compared with a column."""
    kind = _written(field, operator)
    if operator not in _PARTIAL and operator != "isnull":
        kind = _as_json(field)
    if operator in MANY:
        return {"type": "array", "items": kind, "minItems": 1, "maxItems": MAX_VALUES}
    return nullable(kind) if operator in ("eq", "ne") else kind


def _as_json(field: Field) -> Schema:
    return plain_schema(_unlimited(field))


def _members(model: Any) -> Schema:
    """Describe the members that are no conditions; null and the empty text say nothing."""
    names = [field.name for field in model.fields if _can_be_listed(field.name)]
    orders = _sorted(sortable(model))
    digits = {"type": "string", "pattern": r"^0*[1-9][0-9]*(?:\.0*)?$"}
    members: Schema = {
        "fields": _one_or_more({"items": {"enum": names}, "uniqueItems": True}),
        "limit": {"anyOf": [{"type": "integer", "minimum": 1}, digits, {"enum": ["all", *_NONE]}]},
        "cursor": {"type": ["string", "null"]},
        "count": {"enum": [0, 1, False, True, "0", "1", "exact", *_NONE]},
    }
    if searched(model):
        members["q"] = nullable(_NO_NUL)
    if orders["items"]["enum"]:
        members["sort"] = _one_or_more(orders)
    if embedded := embeddable(model):
        members["embed"] = _one_or_more({"items": {"enum": embedded}, "uniqueItems": True})
    return members


_NONE = ("", None)


def _one_or_more(names: Schema) -> Schema:
    """Describe a list of names, or one that stands alone."""
    return {"anyOf": [{"type": "array", **names}, {"enum": [*names["items"]["enum"], *_NONE]}]}
