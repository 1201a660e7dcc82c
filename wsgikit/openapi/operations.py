"""What can be asked of an application, as operations of OpenAPI.

Of a `wsgikit.model_collection.ModelCollection` everything is known, from its `describe()`, its
media types and its options.  Of other collections and of views there are the docstrings and the
media types.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wsgikit.media import MediaType
from wsgikit.openapi.components import (
    Node,
    any_problem,
    header_refs,
    parameter_refs,
    problems,
)
from wsgikit.openapi.places import Target

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_TEXT: Node = {"type": "string"}
#: What is searched for: at least one character besides blanks.
_WORD: Node = {"type": "string", "pattern": r"^[^\x00]*[^\x00-\x20\s\x85][^\x00]*$"}
#: The words of a query that a write of many rows does not take.
_WORDS = frozenset({"sort", "fields", "embed", "limit", "cursor", "count", "format"})


@dataclass(frozen=True)
class Served:
    """A model collection, as far as its operations depend on it.

    Attributes:
        described: What its `describe()` gives.
        base: What the names of its components begin with.
        media: Its media types.
        private: Whether a policy decides what a request may touch.
        guarded: Whether requests from other sites are refused.
        require_match: Whether a change must say which version it is meant for.
        idempotent: Whether a key makes `POST` safe to send again.
    """

    described: Mapping[str, Any]
    base: str
    media: Sequence[MediaType]
    private: bool = False
    guarded: bool = False
    require_match: bool = False
    idempotent: bool = False

    @classmethod
    def of(cls, app: Any, described: Mapping[str, Any], base: str) -> "Served":
        """Take from a collection what there is to know."""
        reads_forms = any(name in FORMS for kind in app.media for name in kind.content_types)
        return cls(
            described,
            base,
            app.media,
            private=app.policy is not None,
            guarded=reads_forms and not app.allow_cross_origin,
            require_match=app.require_match,
            idempotent=app.records is not None,
        )

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.described["title"])

    @property
    def forms(self) -> bool:
        """Whether forms are read, and answered by leading to another page."""
        return "html" in self.described["formats"]

    def schemas(self) -> Mapping[str, Node]:
        """Give the components of its own."""
        own = self.described["schemas"]
        moved = _moved(own, {"#/$defs/conditions": self.ref("conditions")["$ref"]})
        page = {
            "type": "object",
            "properties": {
                "data": {"type": "array", "items": self.ref("listed")},
                "next": {"type": ["string", "null"], "description": "The URL of the next page."},
                "prev": {"type": ["string", "null"], "description": "The URL of the page before."},
                "count": {"type": "integer", "description": "Rows in all, where asked for."},
                "count_exact": {"type": "boolean", "description": "Whether these are all."},
            },
            "required": ["data", "next", "prev"],
        }
        return {self.name(part): schema for part, schema in {**moved, "page": page}.items()}

    def name(self, part: str) -> str:
        """Name a component."""
        return self.base if part == "row" else f"{self.base}.{part}"

    def ref(self, part: str) -> Node:
        """Refer to a schema."""
        return {"$ref": f"#/components/schemas/{self.name(part)}"}

    def parameters(self, *names: str) -> list[Node]:
        """Give parameters of the query by name, those that there are."""
        return [p for p in self.described["parameters"] if p["name"] in names]


def _moved(node: Any, targets: Mapping[str, str]) -> Any:
    """Give a schema with its references pointing elsewhere."""
    if isinstance(node, dict):
        moved = {name: _moved(value, targets) for name, value in node.items()}
        ref = str(node.get("$ref"))
        return {**moved, "$ref": targets[ref]} if ref in targets else moved
    return [_moved(item, targets) for item in node] if isinstance(node, list) else node


# -- contents ------------------------------------------------------------------------------


def _shown(served: Served, json: Node, *, pages: bool = True) -> Node:
    """Give the contents of an answer: by media type."""
    return {
        _plain_name(kind.name): {"schema": json if kind.format == "json" else _TEXT}
        for kind in served.media
        if kind.renderer is not None and (pages or kind.format != "html")
    }


def _plain_name(name: str) -> str:
    return name.partition(";")[0].strip()


def _several(row: Node) -> Node:
    return {"type": "array", "items": row}


def _body(served: Served, method: str, schemas: Mapping[str, Node]) -> Node:
    """Describe a body: by content type.

    Args:
        served: The collection.
        method: The method; what is read depends on it.
        schemas: By content type; others are not described.
    """
    names = [name for kind in served.media for name in kind.reads(method)]
    content = {name: {"schema": schemas[name]} for name in names if name in schemas}
    return {"required": True, "content": content}


def _forms(served: Served, part: str) -> Mapping[str, Node]:
    """Give the schemas of a form; multipart ones send files as they are."""
    plain, files = served.ref(part), served.described["files"]
    if not files:
        return dict.fromkeys(FORMS, plain)
    schema = served.described["schemas"][part]
    file: Node = {"contentMediaType": "application/octet-stream"}
    properties = schema["properties"] | dict.fromkeys(files, file)
    return {FORMS[0]: plain, FORMS[1]: {**schema, "properties": properties}}


def _of_rows(served: Served, part: str) -> Mapping[str, Node]:
    """Give the schemas of the formats that have many rows."""
    rows = _several(served.ref(part))
    names = ("text/csv", "application/x-ndjson", "application/ndjson", "application/jsonl")
    return dict.fromkeys(names, rows)


# -- responses -----------------------------------------------------------------------------


def _answer(text: str, content: Node | None = None, *headers: str) -> Node:
    answer: Node = {"description": text}
    if headers:
        answer["headers"] = header_refs(*headers)
    return {**answer, "content": content} if content else answer


def _refusals(served: Served, *statuses: int, unsafe: bool = False) -> Node:
    """Describe what any request of this collection may be answered, and these."""
    all_of_them = {400, 406, 500, 503, *statuses}
    if served.private:
        all_of_them |= {401, 403}
    if unsafe and served.guarded:
        all_of_them |= {403}
    return problems(*all_of_them)


def _led_on(served: Served, place: str) -> Node:
    """Describe the answer to a form."""
    text = f"A browser is sent to the {place}."
    return {"303": _answer(text, None, "Location!")} if served.forms else {}


_BODY = (411, 413, 415)


# -- what is read --------------------------------------------------------------------------


def _list(served: Served) -> Node:
    page = _shown(served, served.ref("page"))
    return {
        "summary": f"List {served.title}",
        "parameters": served.described["parameters"],
        "responses": {
            "200": _answer("Some rows.", page, "Link!", "Vary"),
            **_refusals(served),
        },
    }


def _query(served: Served) -> Node:
    page = _shown(served, served.ref("page"))
    return {
        "summary": f"List {served.title} by a query in the body",
        "description": "The members of the body are the parameters of the list, "
        "and conditions joined by and, or, not.",
        "parameters": served.parameters("format"),
        "requestBody": _body(served, "QUERY", {"application/json": served.ref("query")}),
        "responses": {
            "200": _answer("Some rows.", page, "Link!", "Vary"),
            **_refusals(served, *_BODY),
        },
    }


def _retrieve(served: Served) -> Node:
    return {
        "summary": f"Read one of {served.title}",
        "parameters": [
            *served.parameters("fields", "embed", "format"),
            *parameter_refs("If-None-Match"),
        ],
        "responses": {
            "200": _answer(
                "The row.", _shown(served, served.ref("listed")), "ETag!", "Link!", "Vary"
            ),
            "304": _answer("It is what If-None-Match names.", None, "ETag"),
            **_refusals(served, 404),
        },
    }


def _get_schema(served: Served) -> Node:
    schema = {"application/schema+json": {"schema": {"type": "object"}}}
    return {
        "summary": f"Read the JSON Schema of {served.title}",
        "responses": {
            "200": _answer("The schema of a row.", schema, "ETag!"),
            **problems(400, 500, *([401, 403] if served.private else [])),
        },
    }


def _get_file(served: Served) -> Node:
    names = {"type": "string", "enum": served.described["binary"]}
    field = {"name": "field", "in": "query", "required": True, "schema": names}
    return {
        "summary": f"Read a file of one of {served.title}",
        "parameters": [field, *parameter_refs("If-None-Match")],
        "responses": {
            "200": _answer("Its bytes.", {"*/*": {}}, "ETag!"),
            "304": _answer("It is what If-None-Match names.", None, "ETag"),
            **_refusals(served, 404),
        },
    }


def _form(text: str) -> Callable[[Served], Node]:
    def operation(served: Served) -> Node:
        page = {"text/html": {"schema": _TEXT}}
        return {
            "summary": f"{text} {served.title}",
            "parameters": [],
            "responses": {"200": _answer("A page.", page), **_refusals(served, 403, 404)},
        }

    return operation


# -- what is written -----------------------------------------------------------------------


def _create(served: Served) -> Node:
    one, many = served.ref("create"), served.described["many"]
    row, rows = served.ref("row"), _several(served.ref("row"))
    count: Node = {"$ref": "#/components/schemas/Count"}
    schemas = {
        "application/json": {"anyOf": [one, _several(one)]} if many else one,
        **(_of_rows(served, "create") if many else {}),
        **_forms(served, "new-form"),
    }
    shown = _shown(served, {"anyOf": [row, rows, count]} if many else row)
    headers = ("ETag", "Link", "Preference-Applied", "Idempotent-Replayed")
    responses = {
        "201": _answer("What is stored.", shown, "Location", *headers, "Vary"),
        "200": _answer("Nothing was new.", shown, *headers, "Vary") if many else None,
        **_led_on(served, "row"),
        # A form may name another method, which is then not one of this URL.
        **_refusals(
            served, *_BODY, 403, *([405] if served.forms else []), 409, 412, 422, unsafe=True
        ),
    }
    header_names = ["Prefer", *(["Idempotency-Key"] if served.idempotent else [])]
    return {
        "summary": f"Add to {served.title}",
        "parameters": [*served.parameters("format"), *parameter_refs(*header_names)],
        "requestBody": _body(served, "POST", schemas),
        "responses": {status: answer for status, answer in responses.items() if answer},
    }


def _change(served: Served, text: str, method: str, schemas: Mapping[str, Node]) -> Node:
    shown = _shown(served, served.ref("row"))
    headers = ("ETag", "Preference-Applied")
    created = {"201": _answer("It is new.", shown, "Location", "Link", *headers, "Vary")}
    return {
        "summary": text,
        "parameters": [
            *served.parameters("format"),
            *parameter_refs("If-Match", "If-None-Match", "Prefer"),
        ],
        "requestBody": _body(served, method, schemas),
        "responses": {
            "200": _answer("What is stored.", shown, "ETag!", "Link", "Preference-Applied", "Vary"),
            **(created if method == "PUT" else {}),
            "204": _answer("It is stored.", None, *headers),
            **_led_on(served, "row"),
            **_refusals(served, *_BODY, *_of_item(served), 409, 422, unsafe=True),
        },
    }


def _of_item(served: Served) -> Iterable[int]:
    return (403, 404, 412, *([428] if served.require_match else []))


def _update(served: Served) -> Node:
    schemas = {"application/json": served.ref("replace"), **_forms(served, "edit-form")}
    operation = _change(served, f"Replace one of {served.title}", "PUT", schemas)
    # It may make the row.
    id = {"name": "id", "in": "path", "required": True, "schema": served.described["new-id"]}
    return {**operation, "parameters": [id, *operation["parameters"]]}


def _patch(served: Served) -> Node:
    schemas = {
        **dict.fromkeys((MERGE_PATCH, "application/json"), served.ref("patch")),
        JSON_PATCH: served.ref("json-patch"),
        **_forms(served, "patch-form"),
    }
    return _change(served, f"Change one of {served.title}", "PATCH", schemas)


def _delete(served: Served) -> Node:
    return {
        "summary": f"Remove one of {served.title}",
        "parameters": [
            *served.parameters("format"),
            *parameter_refs("If-Match", "If-None-Match", "Prefer"),
        ],
        "responses": {
            "204": _answer("It is gone.", None, "Preference-Applied"),
            **_led_on(served, "list"),
            **_refusals(served, *_BODY, *_of_item(served), 409, unsafe=True),
        },
    }


def _selecting(served: Served) -> list[Node]:
    """Give the parameters by which a write says which rows it means."""
    filters = [_with_value(p) for p in served.described["parameters"] if p["name"] not in _WORDS]
    everything = {
        "name": "limit",
        "in": "query",
        "description": "Says that all rows are meant, where there is no filter.",
        "schema": {"const": "all"},
    }
    return [*filters, everything, *served.parameters("format"), *parameter_refs("Prefer")]


def _with_value(parameter: Node) -> Node:
    """Describe a filter that must not be empty: here that does not mean all rows."""
    filled = {name: value for name, value in parameter.items() if name != "allowEmptyValue"}
    if "allowEmptyValue" in parameter or "style" in parameter:
        filled["schema"] = _filled(parameter["schema"])
    return {**filled, "schema": _WORD} if parameter["name"] == "q" else filled


def _filled(schema: Node) -> Node:
    if schema.get("type") == "array":
        return {**schema, "items": _filled(schema["items"]), "minItems": 1}
    return {**schema, "minLength": 1} if schema.get("type") == "string" else schema


def _many(served: Served, text: str) -> Node:
    count: Node = {"$ref": "#/components/schemas/Count"}
    return {
        "summary": text,
        "description": "There must be a filter, or limit=all.",
        "parameters": _selecting(served),
        "responses": {
            "200": _answer("How many rows.", _shown(served, count), "Preference-Applied", "Vary"),
            "204": _answer("It is done.", None, "Preference-Applied"),
            **_refusals(served, *_BODY, 403, 409, 412, 422, unsafe=True),
        },
    }


def _bulk_patch(served: Served) -> Node:
    schemas = dict.fromkeys((MERGE_PATCH, "application/json"), served.ref("bulk-patch"))
    body = _body(served, "PATCH", schemas)
    return {**_many(served, f"Change some of {served.title}"), "requestBody": body}


def _bulk_delete(served: Served) -> Node:
    return _many(served, f"Remove some of {served.title}")


#: What a model collection does: whether with an id, and how it is described.
_KNOWN: Mapping[str, tuple[bool, Callable[[Served], Node]]] = {
    "list": (False, _list),
    "query": (False, _query),
    "create": (False, _create),
    "bulk_patch": (False, _bulk_patch),
    "bulk_delete": (False, _bulk_delete),
    "retrieve": (True, _retrieve),
    "update": (True, _update),
    "patch": (True, _patch),
    "delete": (True, _delete),
    "get_schema": (False, _get_schema),
    "get_file": (True, _get_file),
    "get_import_form": (False, _form("Ask for the form to import")),
    "get_new_form": (False, _form("Ask for the form of a new one of")),
    "get_edit_form": (True, _form("Ask for the form to change one of")),
    "get_delete_form": (True, _form("Ask whether to remove one of")),
}


#: What is sent by pages alone.  Programs have better ways to do the same.
_OF_PAGES = frozenset({"post_selection", "post_import"})


def model_operation(served: Served, target: Target, app: Any) -> Node | None:
    """Describe what a model collection does.

    Returns:
        An Operation Object without id; None for what a request may not do, or only a page does.
    """
    action = target.action or ""
    if action in _OF_PAGES:
        return None
    if action not in _KNOWN:
        operation = plain_operation(app, getattr(app, action), target.method)
        return {**operation, "tags": [served.title]}
    on_item, describe = _KNOWN[action]
    if target.has_id != on_item or action not in served.described["actions"]:
        return None
    return {**describe(served), "tags": [served.title]}


# -- other applications --------------------------------------------------------------------


def plain_operation(app: Any, function: Any, method: str) -> Node:
    """Describe what any other application does, as far as can be known.

    Args:
        app: The application; its `media` are what it renders and reads.
        function: What is called; its docstring says what it does.
        method: The HTTP method.
    """
    media: Sequence[MediaType] = getattr(app, "media", ())
    shown: Node = {_plain_name(kind.name): {} for kind in media if kind.renderer is not None}
    operation: Node = {
        **_documented(function),
        "responses": {"2XX": _answer("It worked.", shown), "default": any_problem()},
    }
    read: Node = {name: {} for kind in media for name in kind.reads(method)}
    if read and method in ("POST", "PUT", "PATCH"):
        operation["requestBody"] = {"content": read}
    return operation


#: Where a docstring turns from what is done to how it is written.
_FOR_PROGRAMMERS = re.compile(r"^(?:Args|Returns|Yields|Raises|Attributes):$", re.MULTILINE)


def _documented(function: Any) -> Node:
    # What a class says is how to make what is called, not what it does.
    text = (inspect.getdoc(function) or "") if inspect.isroutine(function) else ""
    summary, _, rest = _FOR_PROGRAMMERS.split(text, maxsplit=1)[0].partition("\n\n")
    found = {"summary": " ".join(summary.split()), "description": rest.strip()}
    return {name: value for name, value in found.items() if value}
