"""What many operations share: headers, parameters and problems, as components of OpenAPI."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Node = dict[str, Any]

#: RFC 7240 section 2, with the lists and white space of RFC 9110 5.6.
_TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_VALUE = rf"[ \t]*(?:=[ \t]*(?:{_TOKEN}|{_QUOTED})[ \t]*)?"
_PREFERENCE = rf"[ \t]*(?:{_TOKEN}{_VALUE}(?:;[ \t]*(?:{_TOKEN}{_VALUE})?)*)?"

_TEXT: Node = {"type": "string"}
_PAGE: Node = {"text/html": {"schema": _TEXT}}

HEADERS: Mapping[str, Node] = {
    "ETag": {"description": "The version of the row, or of this representation.", "schema": _TEXT},
    "Location": {"description": "The URL of the row.", "schema": _TEXT},
    "Link": {
        "description": "Other pages (first, prev, next), other formats (alternate), the schema of "
        "a row (describedby) and this description (service-desc).",
        "schema": _TEXT,
    },
    "Vary": {"description": "What the answer depends on besides the URL.", "schema": _TEXT},
    "Retry-After": {
        "description": "Seconds after which another try is worthwhile.",
        "schema": {"type": "integer"},
    },
    "Allow": {"description": "The methods that there are.", "schema": _TEXT},
    "Accept-Post": {"description": "The media types that POST reads.", "schema": _TEXT},
    "Accept-Patch": {"description": "The media types that PATCH reads.", "schema": _TEXT},
    "Accept-Query": {"description": "The media types that QUERY reads.", "schema": _TEXT},
    "Preference-Applied": {
        "description": "The preferences that were honoured (RFC 7240).",
        "schema": _TEXT,
    },
    "Idempotent-Replayed": {
        "description": "That an earlier request with this key did it.",
        "schema": {"const": "true"},
    },
}

PARAMETERS: Mapping[str, Node] = {
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "Only if this is the version of the row: an ETag, several, or * (RFC 9110).",
        "schema": _TEXT,
        "example": '"7"',
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "Only if this is not what is there: an ETag, several, or * (RFC 9110).",
        "schema": _TEXT,
        "example": '"7"',
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "What would be welcome (RFC 7240): return=minimal or representation, "
        "tx=rollback for a dry run, resolution=merge-duplicates or ignore-duplicates for new rows "
        "whose key is taken, handling=strict.  Others are ignored.",
        "schema": {"type": "string", "pattern": rf"^{_PREFERENCE}(?:,{_PREFERENCE})*$"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A text of your own that makes the request safe to send again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
}

SCHEMAS: Mapping[str, Node] = {
    "Problem": {
        "description": "What went wrong (RFC 9457).",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Mistake"}},
            "id": {"type": "string", "description": "Where the server's log tells more."},
        },
        "required": ["type", "title", "status", "detail"],
    },
    "Mistake": {
        "description": "What is wrong with one value.",
        "type": "object",
        "properties": {
            "pointer": {
                "type": "string",
                "description": "Its place in the body (RFC 6901); empty for the body itself.",
            },
            "parameter": {"type": "string", "description": "Its name in the query."},
            "code": {
                "enum": ["required", "type", "length", "range", "choice", "unique", "reference",
                         "in_use", "check", "unknown", "read_only"],
            },
            "detail": _TEXT,
        },
        "required": ["detail"],
    },
    "Count": {
        "description": "How many rows a write was about.",
        "type": "object",
        "properties": {"count": {"type": "integer"}, "created": {"type": "integer"}},
        "required": ["count"],
    },
}  # fmt: skip

_PROBLEMS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "400": ("BadRequest", "The query, a header or the body cannot be read.", ()),
    "401": ("Unauthorized", "Say who you are.", ()),
    "403": ("Forbidden", "This is not for you, or not from another site.", ()),
    "404": ("NotFound", "There is no such row.", ()),
    "405": ("MethodNotAllowed", "The method that a form names is not for this URL.", ("Allow",)),
    "406": ("NotAcceptable", "There is no such format.", ()),
    "409": ("Conflict", "Another row stands in the way, or a patch does not fit.", ()),
    "411": ("LengthRequired", "The server needs the length of the body.", ()),
    "412": ("PreconditionFailed", "The row has another version.", ("ETag",)),
    "413": ("ContentTooLarge", "The body is too long.", ()),
    "415": (
        "UnsupportedMediaType",
        "The body has a type that is not read here.",
        ("Accept-Post", "Accept-Patch", "Accept-Query"),
    ),
    "422": ("UnprocessableContent", "Some values cannot be stored.", ()),
    "428": ("PreconditionRequired", "Say with If-Match which version you mean.", ()),
    "500": ("InternalServerError", "The store failed.", ()),
    "503": ("ServiceUnavailable", "The database cannot be reached.", ("Retry-After",)),
}

RESPONSES: Mapping[str, Node] = {
    name: {
        "description": text,
        "headers": {h: {"$ref": f"#/components/headers/{h}"} for h in ("Vary", *headers)},
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
            **_PAGE,
        },
    }
    for name, text, headers in _PROBLEMS.values()
}

_SHARED: Mapping[str, Mapping[str, Node]] = {
    "headers": HEADERS,
    "parameters": PARAMETERS,
    "schemas": SCHEMAS,
    "responses": RESPONSES,
}


def problems(*statuses: int) -> Node:
    """Refer to the responses of these statuses."""
    names = {str(status): _PROBLEMS[str(status)][0] for status in sorted(statuses)}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in names.items()}


def any_problem() -> Node:
    """Describe an error of any status."""
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    content = {"application/problem+json": problem, **_PAGE}
    return {"description": "Something else.", "content": content}


def header_refs(*names: str) -> Node:
    """Refer to headers; those that end with an exclamation mark are always there."""
    refs: Node = {}
    for name in names:
        plain = name.removesuffix("!")
        refs[plain] = {"$ref": f"#/components/headers/{plain}"}
        if plain != name:
            refs[plain] = {**HEADERS[plain], "required": True}
    return refs


def parameter_refs(*names: str) -> list[Node]:
    """Refer to parameters."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def used(document: Node, schemas: Mapping[str, Node]) -> Node:
    """Give the components that a document refers to, and those that these refer to.

    Args:
        document: The document.
        schemas: Those that are not shared by all documents.
    """
    known = {**_SHARED, "schemas": {**SCHEMAS, **schemas}}
    found: dict[str, Node] = {}
    waiting = [*references(document)]
    while waiting:
        kind, name = waiting.pop()
        if name not in found.setdefault(kind, {}):
            found[kind][name] = known[kind][name]
            waiting += references(known[kind][name])
    order = {kind: list(known[kind]) for kind in known}
    return {kind: {n: found[kind][n] for n in order[kind] if n in found[kind]} for kind in found}


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Find the components that a part of a document refers to, as kind and name."""
    items: Iterable[Any] = ()
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str):
            kind, name = ref.removeprefix("#/components/").split("/")
            yield kind, name.replace("~1", "/").replace("~0", "~")
        items = node.values()
    elif isinstance(node, list):
        items = node
    for item in items:
        yield from references(item)
