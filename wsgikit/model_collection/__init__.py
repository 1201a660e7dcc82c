"""`ModelCollection`: all the HTTP of a collection over anything that satisfies `Model`.

Use it to serve a table, or a store of your own, as JSON to programs and as pages to people:

    from wsgikit.dispatcher import Dispatcher
    from wsgikit.media.json import JSON
    from wsgikit.model import Field, MemoryModel
    from wsgikit.model_collection import ModelCollection

    people = MemoryModel([Field("id", "integer", required=False), Field("name")])
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", ModelCollection(people, media=[JSON]))

Every action is a method that a subclass can override, calling `super()`.  What the model
refuses becomes a problem response (RFC 9457), or the form again with the messages beside
the fields.  Nothing about a request is kept on the collection.

It reads `wsgiorg.routing_args` for `id` and `noun`, `wsgikit.url` and `wsgikit.url_for` for
links, and writes `wsgikit.context`: what a template sees.
"""

import base64
import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import Request, Response, exc

from wsgikit.collection import Collection
from wsgikit.media import Form, Media, MediaType, Upload, media_types, negotiate, problem, respond
from wsgikit.model import (
    ConflictError,
    DeniedError,
    Field,
    FieldError,
    Model,
    ModelError,
    NotFoundError,
    Row,
    Text,
    UnavailableError,
    ValidationError,
    VersionError,
    decode_key,
    describe_model,
    encode_key,
    immutable,
    replacement,
    row_document,
    to_text,
    version_of,
)
from wsgikit.query import Query, QueryError, parse_query

#: A policy gives what a request may touch of a model; `None`, or an exception, means nothing.
Policy = Callable[[Request, Any], Model | None]

logger = logging.getLogger("wsgikit")

#: Stands for an id while the URL around it is made.
_PLACE = "wsgikit-id"

#: Kinds whose values of this very type are read back from a URL as they are.
_EXACT = {"text": str, "integer": int}

WRITES = ("create", "update", "patch", "delete")
FORMS = ("get_new_form", "get_edit_form", "get_delete_form")

#: How often a merge into a JSON column is tried again when somebody else writes in between.
MERGE_TRIES = 30

CHANGED = "Somebody else changed this row in the meantime; nothing was saved."
EXISTS = "There is such a row already; nothing was saved."


@dataclass(frozen=True)
class Sent:
    """What a client sent to be stored.

    Attributes:
        values: By field name, as a model takes them: as JSON spells them, or as `Text`.
        texts: What was typed, if it was a form.
        version: The version of the row that the form was made from.
        from_page: Whether a person waits for a page.
    """

    values: dict[str, Any]
    texts: Mapping[str, Any] | None = None
    version: str | None = None
    from_page: bool = False


class ModelCollection(Collection):
    """A collection over a model.

    Args:
        model: What is served.
        media: The media types, the preferred one first.
        policy: Called with each request and the model; gives the narrower model that the
            request may touch.
        title: What pages call it; by default the model's name.
        allow_cross_origin: As for a `wsgikit.collection.Collection`.

    A read-only model has no actions that write, and a collection without HTML no forms.
    """

    def __init__(
        self,
        model: Any,
        *,
        media: Media,
        policy: Policy | None = None,
        title: str | None = None,
        allow_cross_origin: bool = False,
    ) -> None:
        self.model = model
        self.policy = policy
        self._own_key_fields = _key_fields(model)
        self.title = title or str(getattr(model, "name", "")) or "Collection"
        media = [_with_room_for_files(kind, model) for kind in media_types(media)]
        shown = [m for m in media if m.renderer is not None]
        self._pages = tuple(m for m in shown if m.format == "html")
        self._formats = tuple(m.format for m in shown if m.format != "html")
        for action in self._missing_actions(model):
            setattr(self, action, None)
        super().__init__(media, allow_cross_origin=allow_cross_origin)

    def _missing_actions(self, model: Any) -> Iterable[str]:
        if not model.key:
            yield from ("retrieve", *FORMS, *WRITES)
        elif getattr(model, "read_only", False):
            yield from (*FORMS, *WRITES)
        elif not self._pages:
            yield from FORMS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.policy is not None:
            start_response = _private(start_response)
        try:
            return super().__call__(environ, start_response)
        except (ModelError, QueryError) as error:
            response = self.refuse(Request(environ), error)
            return response(environ, start_response)

    # -- actions -----------------------------------------------------------------------

    def list(self, request: Request, **urlvars: Any) -> Any:
        """Answer one page of rows."""
        query = parse_query(request.query_string)
        model = self.narrow(request)
        page = model.list(query)
        links = {
            "first": self._page_url(request, None),
            "prev": self._page_url(request, page.prev) if page.prev else None,
            "next": self._page_url(request, page.next) if page.next else None,
        }
        self._describe(request, model, {"data": page.data, "count": page.count, **links})
        value = {"data": page.data, "next": links["next"], "prev": links["prev"]}
        if page.count is not None:
            value["count"] = page.count
        shown = [f'<{url}>; rel="{rel}"' for rel, url in links.items() if url]
        return respond(value, request, self.media, headers=[("Link", ", ".join(shown))])

    def retrieve(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Answer one row."""
        model = self._open(request)
        row = model.retrieve(self.key_of(model, id))
        self._check_match(request, model, row)
        response = self._represent(request, model, row)
        if _matches(request, response.headers["ETag"]):
            # RFC 9110 15.4.5: the headers that a cache needs, and no content.
            kept = ("ETag", "Vary", "Cache-Control")
            headers = [(name, value) for name, value in response.headerlist if name in kept]
            return Response(status=304, headerlist=headers)
        return response

    def create(self, request: Request, **urlvars: Any) -> Any:
        """Store a new row."""
        model = self._open(request)
        sent = self._read(request)
        try:
            row = model.create(sent.values)
        except (ValidationError, ConflictError) as error:
            if sent.from_page:
                return self._form(request, model, sent=sent, error=error)
            raise
        return self._created(request, model, row, sent)

    def update(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Replace a row; with ``If-None-Match: *``, make it."""
        model = self._open(request)
        sent = self._read(request)
        key = self.key_of(model, id)
        if request.headers.get("If-None-Match", "").strip() == "*":
            return self._create_at(request, model, key, sent)
        # A form cannot send a file again: no file leaves the stored one.
        kept = set() if sent.texts is None else {"binary"}
        fields = [f for f in model.fields if f.name not in model.key and f.kind not in kept]
        return self._save(request, model, key, sent, lambda values: replacement(fields, values))

    def patch(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Change some fields of a row (RFC 7396)."""
        model = self._open(request)
        sent = self._read(request)
        key = self.key_of(model, id)
        if any(isinstance(value, dict) for value in sent.values.values()):
            return self._merge(request, model, key, sent)
        return self._save(request, model, key, sent, dict)

    def delete(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Remove a row."""
        model = self._open(request)
        sent = self._read(request) if _has_form(request) else Sent({})
        key = self.key_of(model, id)
        try:
            model.delete(key, self._wanted_version(request, model, key, sent))
        except (ConflictError, VersionError) as error:
            if sent.from_page:
                return self._form(request, model, key=key, error=error, action=FORMS[2])
            raise
        if sent.from_page:
            return exc.HTTPSeeOther(location=self.url(request))
        return Response(status=204)

    def get_new_form(self, request: Request, **urlvars: Any) -> Any:
        """Answer the form for a new row."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        return self._form(request, self._open(request))

    def get_edit_form(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Answer the form that changes a row."""
        model = self._open(request)
        return self._form(request, model, key=self.key_of(model, id))

    def get_delete_form(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Ask whether to remove a row."""
        model = self._open(request)
        return self._form(request, model, key=self.key_of(model, id), action=FORMS[2])

    def get_schema(self, request: Request, **urlvars: Any) -> Any:
        """Answer the JSON Schema of a row."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        model = self._open(request)
        id = request.host_url + self.url(request, noun="schema")
        body = json.dumps(row_document(model, id, self.title)).encode()
        tag = base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=15).digest())
        headers = [
            ("Content-Type", "application/schema+json"),
            ("Content-Length", str(len(body))),
            ("ETag", f'"{tag.decode("ascii")}"'),
        ]
        return Response(headerlist=headers, app_iter=[body], conditional_response=True)

    def describe(self, request: Request | None = None) -> dict[str, Any]:
        """Describe what is served as plain data, see `wsgikit.model.describe_model`.

        Args:
            request: Whose policy narrows the description; without one, all is described.

        Raises:
            HTTPForbidden: If the policy says no.
        """
        model = self.model if request is None else self.narrow(request)
        actions = set(self.actions)
        if getattr(model, "read_only", False):
            actions -= {*WRITES, *FORMS}
        formats = [kind.format for kind in self.media if kind.renderer is not None]
        return describe_model(model, title=self.title, actions=actions, formats=formats)

    # -- what actions share ----------------------------------------------------------------

    def narrow(self, request: Request) -> Any:
        """Give the model as far as the policy lets this request see it.

        Raises:
            HTTPForbidden: If the policy says no.
        """
        if self.policy is None:
            return self.model
        try:
            model = self.policy(request, self.model)
        except exc.HTTPException:
            raise
        except Exception as error:
            logger.exception("the policy of %s failed", self.title)
            raise exc.HTTPForbidden("This is not for you.") from error
        if model is None:
            raise exc.HTTPForbidden("This is not for you.")
        return model

    def key_of(self, model: Any, id: str) -> tuple[Any, ...]:
        """Give the key that the `id` of a URL stands for.

        Raises:
            NotFoundError: If it cannot be one of this model.
        """
        # A range of the template may have converted it.
        return decode_key(to_text(id) or "", self._key_fields(model))

    def _key_fields(self, model: Any) -> Sequence[Field]:
        return self._own_key_fields if model is self.model else _key_fields(model)

    def _open(self, request: Request) -> Any:
        """Give the narrowed model for an action that takes no query.

        Raises:
            QueryError: If there is one: who sends `DELETE /people/7?age=3` means something else.
        """
        if request.query_string and parse_query(request.query_string) != Query():
            raise QueryError("", "Only a list has pages.")
        return self.narrow(request)

    def _read(self, request: Request) -> "Sent":
        """Read the body.

        Raises:
            ValidationError: If it is no JSON object.
        """
        body = self.parse(request)
        if isinstance(body, Form):
            version = body.get("_version")
            if not isinstance(version, str | None):
                raise exc.HTTPBadRequest("The form has more than one _version.")
            names = {_unescape(name): value for name, value in body.items() if name != "_version"}
            from_page = negotiate(request, self.media) in self._pages
            values = {name: _typed_value(value) for name, value in names.items()}
            return Sent(values, names, version, from_page)
        if not isinstance(body, dict):
            message = "The body must be an object, from field names to values."
            raise ValidationError([FieldError("", "type", message)])
        return Sent(body)

    def _represent(self, request: Request, model: Any, row: Row, status: int = 200) -> Response:
        """Answer a row, with its ETag."""
        request.environ["wsgikit.action"] = "retrieve"
        self._describe(request, model, {"row": row})
        response = respond(row, request, self.media, status=status)
        response.headers["ETag"] = self._tag(model, row, response)
        return response

    def _tag(self, model: Any, row: Row, response: Response | None = None) -> str:
        """Give the ETag of a representation of a row.

        JSON is a function of the row alone.  Any other representation may depend on more (a
        template, the label of another row), so a digest of its bytes is part of its tag.
        """
        tag = _spell_version(model, row)
        if response is not None and response.content_type != "application/json":
            digest = hashlib.blake2b(response.body, digest_size=9).digest()
            tag += "." + base64.urlsafe_b64encode(digest).decode("ascii")
        return f'"{tag}"'

    def _created(self, request: Request, model: Any, row: Row, sent: "Sent") -> Response:
        url = self._row_url(request, model, row)
        if sent.from_page:
            return exc.HTTPSeeOther(location=url or self.url(request))
        response = self._represent(request, model, row, 201)
        if url is not None:
            response.headers["Location"] = url
        return response

    def _create_at(
        self, request: Request, model: Any, key: tuple[Any, ...], sent: "Sent"
    ) -> Response:
        """Create the row of this key, and no other (RFC 9110 13.1.2)."""
        given = dict(zip(model.key, key, strict=True))
        fields = {field.name: field for field in model.fields}
        for name, value in given.items():
            if name in sent.values and not fields[name].same(value, sent.values[name]):
                message = "Is not the key in the URL."
                raise ValidationError([FieldError(name, "read_only", message)])
        try:
            return self._refuse_version(request, model.retrieve(key), EXISTS)
        except NotFoundError:
            pass
        try:
            row = model.create({**sent.values, **given})
        except ConflictError:
            # Perhaps somebody else was faster; if it is about another field, that is told.
            try:
                return self._refuse_version(request, model.retrieve(key), EXISTS)
            except NotFoundError:
                pass
            raise
        return self._created(request, model, row, sent)

    def _save(
        self,
        request: Request,
        model: Any,
        key: tuple[Any, ...],
        sent: "Sent",
        complete: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Response:
        """Change a row, and answer what is stored then."""
        version = self._wanted_version(request, model, key, sent)
        try:
            row = model.update(key, complete(sent.values), version)
        except (ValidationError, ConflictError, VersionError) as error:
            if sent.from_page:
                return self._form(request, model, key=key, sent=sent, error=error)
            raise
        if sent.from_page:
            return exc.HTTPSeeOther(
                location=self._row_url(request, model, row) or self.url(request)
            )
        return self._represent(request, model, row)

    def _merge(self, request: Request, model: Any, key: tuple[Any, ...], sent: "Sent") -> Response:
        """Merge objects into JSON columns: into the very version that they were merged with."""
        version = self._wanted_version(request, model, key, sent)
        for _ in range(MERGE_TRIES):
            row = model.retrieve(key)
            if version is not None and version != _version(model, row):
                raise VersionError(row)
            values = {
                name: merge(row.get(name), value) if isinstance(value, dict) else value
                for name, value in sent.values.items()
            }
            try:
                saved = model.update(key, values, _version(model, row))
            except VersionError:
                continue
            return self._represent(request, model, saved)
        raise UnavailableError("Others change this row all the time; nothing was saved.", 1)

    # -- preconditions (RFC 9110 13) -----------------------------------------------------------

    def _wanted_version(
        self, request: Request, model: Any, key: tuple[Any, ...], sent: "Sent"
    ) -> str | None:
        """Give the version that a write is meant for; `None` for any.

        The model compares it once more, in the transaction that writes.
        """
        if "If-Match" not in request.headers and "If-None-Match" not in request.headers:
            return sent.version
        row = model.retrieve(key)
        self._check_match(request, model, row)
        if _matches(request, self._tag(model, row)):
            raise VersionError(row)
        return sent.version or self._matched_version(request, model, row)

    def _matched_version(self, request: Request, model: Any, row: Row) -> str | None:
        if request.headers.get("If-Match", "*").strip() == "*":
            return None
        return _version(model, row)

    def _check_match(self, request: Request, model: Any, row: Row) -> None:
        """Refuse a request whose If-Match names no current version (RFC 9110 13.1.1)."""
        header = request.headers.get("If-Match")
        if header is None or header.strip() == "*":
            return
        # The strong comparison: a weak tag matches nothing.
        versions = [tag[1:-1].split(".")[0] for tag in _tags(header) if tag[0] == '"']
        if _spell_version(model, row) not in versions:
            raise VersionError(row)

    # -- refusals --------------------------------------------------------------------------------

    def refuse(self, request: Request, error: Exception) -> Response:
        """Turn what the model refused into a response.

        Args:
            request: The request.
            error: A `ModelError` or `QueryError`.
        """
        if isinstance(error, ValidationError):
            detail = "Some values cannot be stored." if error.errors else str(error)
            members = {"errors": _listed(error.errors)}
            return problem(request, exc.HTTPUnprocessableEntity(detail), self.media, **members)
        if isinstance(error, ConflictError):
            members = {"errors": _listed(error.errors)}
            detail = " ".join(dict.fromkeys(e.detail for e in error.errors))
            return problem(request, exc.HTTPConflict(detail), self.media, **members)
        if isinstance(error, QueryError):
            where = {"parameter": error.parameter, "detail": error.detail}
            members = {"errors": [where]} if error.parameter else {}
            return problem(request, exc.HTTPBadRequest(str(error)), self.media, **members)
        if isinstance(error, VersionError):
            return self._refuse_version(request, error.row, CHANGED)
        if isinstance(error, NotFoundError):
            return problem(request, exc.HTTPNotFound("There is no such row."), self.media)
        if isinstance(error, DeniedError):
            return problem(request, exc.HTTPForbidden(str(error)), self.media)
        return self._refuse_failure(request, error)

    def _refuse_version(self, request: Request, row: Row, detail: str) -> Response:
        response = problem(request, exc.HTTPPreconditionFailed(detail), self.media)
        response.headers["ETag"] = self._tag(self.model, row)
        return response

    def _refuse_failure(self, request: Request, error: Exception) -> Response:
        """Answer that the store failed; what happened is in the log, under an id."""
        id = secrets.token_hex(6)
        known = isinstance(error, UnavailableError)
        # A database that is away needs no traceback a request.
        logger.error("%s: %s (%s)", id, error, error.__cause__, exc_info=None if known else error)
        if isinstance(error, UnavailableError):
            refusal: exc.WSGIHTTPException = exc.HTTPServiceUnavailable(str(error))
            refusal.headers["Retry-After"] = str(error.retry_after)
        else:
            refusal = exc.HTTPInternalServerError("The store failed; the log knows more.")
        return problem(request, refusal, self.media, id=id)

    # -- pages -------------------------------------------------------------------------------------

    def _form(
        self,
        request: Request,
        model: Any,
        *,
        key: tuple[Any, ...] | None = None,
        sent: Sent | None = None,
        error: ModelError | None = None,
        action: str | None = None,
    ) -> Response:
        """Answer a form: empty, filled from a row, or again with what was wrong with it.

        Args:
            request: The request.
            model: The narrowed model.
            key: The row's key; `None` for a new row.
            sent: What was sent, if this is the form again.
            error: Why.
            action: The template; by default the new or the edit form's.
        """
        if getattr(model, "read_only", False):
            raise DeniedError("It is read-only.")
        row = None if key is None else model.retrieve(key)
        action = action or (FORMS[0] if row is None else FORMS[1])
        request.environ["wsgikit.action"] = action
        fields = _form_fields(model, row)
        stored = {f.name: form_text(f.default if row is None else row[f.name]) for f in fields}
        typed = {} if sent is None or sent.texts is None else sent.texts
        texts = stored | {name: _shown(value) for name, value in typed.items()}
        conflict = None
        if isinstance(error, VersionError):
            conflict = {n: t for n, t in stored.items() if n in texts and _differ(t, texts[n])}
        shown = {
            "row": row,
            "meta": fields,
            "values": texts,
            "errors": _messages(error),
            "version": None if row is None else _version(model, row),
            "conflict": conflict,
            "formats": (),
        }
        self._describe(request, model, shown)
        return respond(texts, request, self._pages, status=_form_status(error))

    def _describe(self, request: Request, model: Any, shown: Mapping[str, Any]) -> None:
        """Tell the templates what they need to know besides the value."""
        if negotiate(request, self.media) not in self._pages:
            return
        allowed = set(self.actions)
        if getattr(model, "read_only", False):
            allowed -= {*WRITES, *FORMS}
        request.environ["wsgikit.context"] = {
            "title": self.title,
            "home": _named_url(request, "home"),
            "meta": tuple(model.fields),
            "primary": model.key[0] if len(model.key) == 1 else (model.key or None),
            "label": getattr(model, "label", None),
            "formats": self._formats,
            "can": allowed,
            "url": self._url_maker(request, model),
            "reference": lambda field, value: _reference_url(request, field, value),
            **shown,
        }

    def _url_maker(self, request: Request, model: Any) -> Callable[..., str | None]:
        """Give `url(row=None, noun=None)` for a page, on which it is called with every row."""
        key = self._key_fields(model)
        ends: dict[str | None, Sequence[str]] = {}

        def url(row: Row | None = None, noun: str | None = None) -> str | None:
            if row is None:
                return _try(self.url, request, noun=noun)
            id = _row_id(row, key)
            if id is None:
                return None
            if noun not in ends:
                ends[noun] = (_try(self.url, request, id=_PLACE, noun=noun) or "").split(_PLACE)
            # Unreserved characters are never encoded (RFC 3986 2.3): only the id differs.
            if len(ends[noun]) == 2 and "," not in id:
                return id.join(ends[noun])
            return _try(self.url, request, id=id, noun=noun)

        return url

    def _row_url(self, request: Request, model: Any, row: Row) -> str | None:
        id = _row_id(row, self._key_fields(model))
        return None if id is None else _try(self.url, request, id=id)

    def _page_url(self, request: Request, cursor: str | None) -> str:
        kept = [(name, request.GET[name]) for name in ("limit", "format") if request.GET.get(name)]
        if cursor is not None:
            kept.append(("cursor", cursor))
        url = self.url(request)
        return f"{url}?{urlencode(kept)}" if kept else url


def _with_room_for_files(kind: MediaType, model: Any) -> MediaType:
    """Raise a parser's limit by what the model's files may be long: base64 needs a third more."""
    files = sum(f.length or 0 for f in model.fields if f.kind == "binary" and f.writable)
    if not files or not hasattr(kind.parser, "limit"):
        return kind
    parser: Any = copy(kind.parser)
    parser.limit += files * 4 // 3
    return replace(kind, parser=parser)


def _key_fields(model: Any) -> Sequence[Field]:
    fields = {field.name: field for field in model.fields}
    return [fields[name] for name in model.key]


def _row_id(row: Row, key: Sequence[Field]) -> str | None:
    """Give what names a row in its URL; `None` for a key that no URL can spell."""
    values = tuple(row[field.name] for field in key)
    id = encode_key(values) if key else None
    if all(type(value) is _EXACT.get(field.kind) for field, value in zip(key, values, strict=True)):
        return id
    try:
        # A cell that does not fit its column would be read back as another value, or as none.
        return id if id is not None and decode_key(id, key) == values else None
    except NotFoundError:
        return None


def merge(target: Any, patch: Any) -> Any:
    """Merge a patch into a JSON value (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def _has_form(request: Request) -> bool:
    name = request.content_type.lower()
    return name in ("application/x-www-form-urlencoded", "multipart/form-data")


def _typed_value(value: Any) -> Any:
    if isinstance(value, Upload):
        return value.data
    return Text(value) if isinstance(value, str) else [_typed_value(item) for item in value]


def _unescape(name: str) -> str:
    """Undo the extra underscore of a control for a column whose name starts with one."""
    return name[1:] if name.startswith("__") else name


def _version(model: Any, row: Row) -> str:
    version = getattr(model, "version", version_of)
    return str(version(row))


def _spell_version(model: Any, row: Row) -> str:
    """Write a version so that it can stand in an entity tag, with a dot behind it."""
    return quote(_version(model, row), safe="").replace(".", "%2E")


def _try(make: Callable[..., str], *arguments: Any, **options: Any) -> str | None:
    """Give a URL, or nothing where the template cannot spell it."""
    try:
        return make(*arguments, **options)
    except ValueError:
        return None


def _tags(header: str) -> Sequence[str]:
    """Read a list of entity tags (RFC 9110 8.8.3), as they are written.

    Raises:
        HTTPBadRequest: If it is none: a mistake must not mean "any version".
    """
    tags, rest = [], header.strip()
    while rest:
        start = 3 if rest.startswith('W/"') else 1
        end = rest.find('"', start)
        if end < 0 or not rest.startswith(('"', 'W/"')):
            break
        tags.append(rest[: end + 1])
        rest = rest[end + 1 :].lstrip(" \t")
        if not rest:
            return tags
        if not rest.startswith(","):
            break
        rest = rest.lstrip(", \t")
    if tags and not rest:
        return tags
    raise exc.HTTPBadRequest('A precondition must be * or a list of entity tags such as "abc".')


def _matches(request: Request, tag: str) -> bool:
    """Whether If-None-Match names this tag, by the weak comparison (RFC 9110 8.8.3.2)."""
    header = request.headers.get("If-None-Match")
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return tag in [given.removeprefix("W/") for given in _tags(header)]


def _listed(errors: Iterable[FieldError]) -> Sequence[dict[str, str]]:
    """Spell errors as members of a problem; the pointer is RFC 6901's."""
    return [
        {
            "pointer": "/" + e.field.replace("~", "~0").replace("/", "~1") if e.field else "",
            "code": e.code,
            "detail": e.detail,
        }
        for e in errors
    ]


def _messages(error: ModelError | None) -> dict[str, Sequence[str]]:
    if isinstance(error, VersionError):
        return {"": [CHANGED]}
    messages: dict[str, Any] = {}
    for item in getattr(error, "errors", ()):
        messages.setdefault(item.field, []).append(item.detail)
    return messages


def _form_status(error: ModelError | None) -> int:
    if error is None:
        return 200
    if isinstance(error, VersionError):
        return 412
    return 409 if isinstance(error, ConflictError) else 422


def _form_fields(model: Any, row: Row | None) -> Sequence[Field]:
    """Give the fields of a form: a new row's key that the store gives is not asked for."""
    if row is not None:
        return [immutable(f) if f.name in model.key else f for f in model.fields]
    return [f for f in model.fields if f.writable and not (f.name in model.key and f.has_default)]


def form_text(value: Any) -> str | None:
    """Write a value as a control of a form keeps it.

    Browsers shorten a local time: without seconds that are zero, or zeros at the end (HTML,
    "normalized local date and time string").
    """
    if isinstance(value, datetime | time) and value.tzinfo is None:
        text = value.isoformat(timespec="auto" if value.second or value.microsecond else "minutes")
        return text.rstrip("0") if value.microsecond else text
    return to_text(value)


def _shown(value: Any) -> str | None:
    """Give what was typed to be shown again; a file, or a value given twice, cannot be."""
    return value if isinstance(value, str) else None


def _differ(one: str | None, other: str | None) -> bool:
    return (one or "").replace("\r\n", "\n") != (other or "").replace("\r\n", "\n")


def _named_url(request: Request, name: str, **urlvars: Any) -> str | None:
    url_for = request.environ.get("wsgikit.url_for")
    if url_for is None:
        return None
    try:
        return str(url_for(name, **urlvars))
    except (LookupError, ValueError):
        return None


def _reference_url(request: Request, field: Field, value: Any) -> str | None:
    """Give the URL of the row that a foreign key points to, where that model is served."""
    if field.references is None or value is None:
        return None
    id = encode_key([value])
    return None if id is None else _named_url(request, field.references.model, id=id)


def _private(start_response: StartResponse) -> StartResponse:
    """Forbid caches to keep an answer that depends on who asked (RFC 9111 5.2.2)."""

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        if not any(name.lower() == "cache-control" for name, _value in headers):
            headers = [*headers, ("Cache-Control", "private, no-store")]
        return start_response(status, headers, exc_info)

    return start


if TYPE_CHECKING:
    from wsgikit.model import MemoryModel

    # The worked example keeps the contract; mypy checks it here.
    _proof: Model = MemoryModel(())
