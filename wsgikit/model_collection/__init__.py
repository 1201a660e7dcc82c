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

How a write flows: the policy narrows the model; the body and the preferences are read; all that
touches the store happens in one transaction, which is repeated as a whole if others got in its
way; then what is stored is answered.

It reads `wsgiorg.routing_args` for `id` and `noun`, `wsgikit.url` and `wsgikit.url_for` for
links, and writes what renderers may want to know: `wsgikit.context` (what a template sees),
`wsgikit.columns` (the fields of the rows), `wsgikit.title`, `wsgikit.label` (the name of the
field that stands for a row), `wsgikit.link` (a function from a row to its URL) and
`wsgikit.crumbs` (a function from a request to the way to the collection).

The parts: `reading` (queries and bodies), `policies`, `preferences`, `preconditions`, `patches`
and `idempotency` (what requests ask for), `nesting` (rows of a parent), `writing` (transactions),
`listing`, `showing`, `files`, `links` and `refusals` (what answers are made of), `following` and
`relations` (other collections), and for people `browsing` (the list), `forms`, `selecting`,
`confirming` and `importing` (many rows), `overview` (the home page), `pages`, `flashes` and
`wording`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import Request, Response, exc

from wsgikit.collection import Collection
from wsgikit.media import (
    Form,
    Media,
    MediaType,
    media_types,
    negotiate,
    problem,
    respond,
)
from wsgikit.model import (
    ConflictError,
    DeniedError,
    Field,
    FieldError,
    Model,
    NotFoundError,
    Row,
    ValidationError,
    VersionError,
    Written,
    decode_key,
    encode_key,
    is_empty_filter,
    replacement,
    to_text,
)
from wsgikit.model.describing import describe_model
from wsgikit.model.schema import row_document
from wsgikit.model_collection import (
    confirming,
    files,
    flashes,
    following,
    forms,
    importing,
    links,
    listing,
    nesting,
    overview,
    pages,
    relations,
)
from wsgikit.model_collection.policies import Policy, narrowed, private
from wsgikit.model_collection.preconditions import evaluate, make_tag
from wsgikit.model_collection.preferences import Name, Preferences, parse_preferences
from wsgikit.model_collection.reading import (
    FORM,
    PATCH,
    Sent,
    content_type,
    has_form,
    query_of,
    read_many,
    read_one,
    spooled,
    with_room,
)
from wsgikit.model_collection.refusals import REFUSED, refusal_of
from wsgikit.model_collection.relations import Seen, snapshot
from wsgikit.model_collection.showing import show, shown_fields
from wsgikit.model_collection.writing import (
    Creation,
    Records,
    change_row,
    merger,
    patcher,
    refuse_existing,
    refuse_repeated,
    transact,
    version_in,
)
from wsgikit.query import Query, QueryError

WRITES = ("create", "update", "patch", "delete", "bulk_patch", "bulk_delete")
MANY = ("bulk_patch", "bulk_delete", "post_selection")
FORMS = ("get_new_form", "get_edit_form", "get_delete_form")
IMPORTS = ("get_import_form", "post_import")

#: The tag of what has no versions: it is there, which is all that `*` asks.
NO_VERSION = '""'

EXISTS = "There is such a row already; nothing was saved."


class ModelCollection(Collection):
    """A collection over a model.

    Args:
        model: What is served.
        media: The media types, the preferred one first.
        policy: Called with each request and the model; gives the narrower model that the
            request may touch.
        within: For a nested collection, which variable of its URL is which column of its rows,
            as in ``{"post_id": "post_id"}``; see `wsgikit.model_collection.nesting`.
        nested: The other way round: the names of the routes of nested collections, and which
            variable of theirs is the ``id`` of this one.  The page of a row leads to them.
        title: What pages call it; by default the model's name.
        require_match: Whether a change of a row must say which version it is meant for
            (``If-Match``); it is 428 otherwise.
        bulk_limit: How many rows a `PATCH` or `DELETE` of the collection may touch by its
            filter, and people with those that they tick; 0 for no such requests.
        idempotency: The model of the records that make `POST` safe to send again, see
            `wsgikit.model_collection.idempotency`.
        allow_cross_origin: As for a `wsgikit.collection.Collection`.

    A read-only model has no actions that write, and a collection without HTML no forms.
    """

    def __init__(
        self,
        model: Any,
        *,
        media: Media,
        policy: Policy | None = None,
        within: nesting.Within | None = None,
        nested: Mapping[str, str] | None = None,
        title: str | None = None,
        require_match: bool = False,
        bulk_limit: int = 0,
        idempotency: Any = None,
        allow_cross_origin: bool = False,
    ) -> None:
        self.model = model
        self.policy = policy
        self.within = dict(within or {})
        nesting.require_columns(model, self.within)
        self.nested = dict(nested or {})
        self.require_match = require_match
        self.bulk_limit = bulk_limit
        self.records = None if idempotency is None else Records(idempotency)
        self._own_key_fields = links.key_fields(model)
        self.name = str(getattr(model, "name", ""))
        self.title = title or self.name or "Collection"
        media = [with_room(kind, model) for kind in media_types(media)]
        shown = [m for m in media if m.renderer is not None]
        self.pages = tuple(m for m in shown if m.format == "html")
        self.others = tuple(m for m in shown if m.format != "html")
        self.formats = tuple(m.format for m in self.others)
        for action in self._missing_actions(model, media):
            setattr(self, action, None)
        super().__init__(media, allow_cross_origin=allow_cross_origin)

    def _missing_actions(self, model: Any, media: Iterable[MediaType]) -> Iterable[str]:
        if not model.key:
            yield from ("retrieve", "get_file", *FORMS, *IMPORTS, *WRITES, *MANY)
        elif getattr(model, "read_only", False):
            yield from (*FORMS, *IMPORTS, *WRITES)
        elif not self.pages:
            yield from (*FORMS, *IMPORTS)
        if not files.fields_of(model):
            yield "get_file"
        if not (importing.kinds_of(media) and hasattr(model, "create_many")):
            yield from IMPORTS
        if not self.bulk_limit:
            yield from MANY
        if not any(FORM in kind.content_types for kind in media):
            yield "post_selection"
        if not any(kind.reads("QUERY") for kind in media if kind.format == "json"):
            yield "query"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.policy is not None:
            start_response = private(start_response)
        else:
            start_response = nesting.private_like_parents(environ, start_response)
        environ["wsgikit.crumbs"] = self.crumbs
        if flashes.NAME in environ.get("HTTP_COOKIE", ""):
            start_response = flashes.forgetting(environ, start_response)
        try:
            return super().__call__(environ, start_response)
        except REFUSED as error:
            response = self.refuse(Request(environ), error)
            return response(environ, start_response)

    # -- reading -----------------------------------------------------------------------

    def list(self, request: Request, **urlvars: Any) -> Any:
        """Answer one page of rows, or all of them (``limit=all``)."""
        return listing.answer(self, request, *self._asked(request, query_of(request)))

    def query(self, request: Request, **urlvars: Any) -> Any:
        """Answer the same for a query in the body (RFC 10008)."""
        document = self.parse(request)
        if not isinstance(document, dict):
            raise QueryError("", 'The query must be an object, such as {"age__gte": 18}.')
        request.environ["wsgikit.action"] = "list"
        query = query_of(request, document)
        return listing.answer(self, request, *self._asked(request, query))

    def retrieve(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Answer one row."""
        query = query_of(request)
        if query != Query(fields=query.fields, embed=query.embed):
            raise QueryError("", "One row takes no parameters but fields, embed and format.")
        model, query = self._asked(request, query)
        key = self.key_of(model, id)
        if self.is_page(request):
            with snapshot(model) as store:
                row = store.retrieve(key)
                shown = show(self, request, model, store, row, query)
        else:
            row = model.retrieve(key)
            shown = show(self, request, model, model, row, query)
        response = self._represent(request, model, row, query=query, shown=shown)
        status = _precondition(request, response.headers.get("ETag", self._tag(model, row)))
        if status == 412:
            raise VersionError(row)
        if status == 304:
            # RFC 9110 15.4.5: the headers that a cache needs, and no content.
            kept = ("ETag", "Vary", "Cache-Control")
            headers = [(name, value) for name, value in response.headerlist if name in kept]
            return Response(status=304, headerlist=headers)
        return response

    # -- writing -----------------------------------------------------------------------

    def create(self, request: Request, **urlvars: Any) -> Any:
        """Store a new row, or many of them."""
        model = self._open(request)
        _require_no_version(request)
        prefer = self._preferences(request)
        with spooled(request, self.media):
            body = self.parse(request)
            rows = read_many(body)
            if rows is not None:
                return self._create_many(request, model, rows, prefer)
        sent = self._sent(request, body)
        try:
            written, replayed = self._store(request, model, Creation([sent.values]), prefer)
        except (ValidationError, ConflictError) as error:
            if sent.from_page:
                return forms.answer(self, request, model, sent=sent, error=error)
            raise
        return self._created(request, model, written, sent, prefer, replayed)

    def _create_many(
        self, request: Request, model: Any, rows: Iterable[Any], prefer: Preferences
    ) -> Response:
        """Store rows, all or none of them."""
        offers = self._offers_for_many(request)
        streamed = not isinstance(rows, Sequence)
        # Whoever sends a file does not expect all of it to come back, unless they say so.
        returning = not prefer.minimal if not streamed else prefer.minimal is False
        if not streamed and prefer.on_duplicate != "refuse":
            refuse_repeated(rows, self.key_fields(model))
        creation = Creation(rows, many=True, streamed=streamed, returning=returning)
        written, replayed = self._store(request, model, creation, prefer)
        status = 201 if written.created else 200
        headers = _applied(prefer, "tx", "resolution", "return")
        headers |= {"Idempotent-Replayed": "true"} if replayed else {}
        if prefer.minimal:
            return _empty(status, headers)
        self.tell(request, model, Query())
        value = {"count": written.count, "created": written.created}
        return respond([*written.rows] if returning else value, request, offers, status, headers)

    def _store(
        self, request: Request, model: Any, creation: Creation, prefer: Preferences
    ) -> tuple[Written, bool]:
        key = self.key_fields(model)
        written = creation.store(
            request,
            model,
            prefer,
            self.records,
            id_of=lambda row: links.row_id(row, key),
            find=lambda store, id: store.retrieve(decode_key(id, key)),
        )
        return written, creation.replayed

    def update(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Replace a row; with ``If-None-Match: *``, make it."""
        model = self._open(request)
        prefer = self._preferences(request)
        sent = self._sent(request, self.parse(request))
        key = self.key_of(model, id)
        if request.headers.get("If-None-Match", "").strip() == "*":
            return self._create_at(request, model, key, sent, prefer)
        # A form cannot send a file again: no file leaves the stored one.
        kept = set() if sent.texts is None else {"binary"}
        fields = [f for f in model.fields if f.name not in model.key and f.kind not in kept]

        def write(store: Any) -> Row:
            version = self._wanted_version(request, store, key, sent)
            row: Row = store.update(key, replacement(fields, sent.values), version)
            return row

        return self._save(request, model, key, sent, prefer, write)

    def patch(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Change some fields of a row (RFC 7396, RFC 6902)."""
        model = self._open(request)
        prefer = self._preferences(request)
        body = self.parse(request)
        key = self.key_of(model, id)
        change: Callable[[Row], Mapping[str, Any]] | None = None
        if content_type(request) == PATCH:
            sent = Sent({})
            change = patcher(body)
        else:
            sent = self._sent(request, body)
            if any(isinstance(value, dict) for value in sent.values.values()):
                change = merger(sent.values)

        def write(store: Any) -> Row:
            version = self._wanted_version(request, store, key, sent)
            if change is not None:
                return change_row(store, key, version, change)
            row: Row = store.update(key, sent.values, version)
            return row

        return self._save(request, model, key, sent, prefer, write)

    def delete(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Remove a row."""
        model = self._open(request)
        prefer = self._preferences(request)
        sent = self._sent(request, self.parse(request)) if has_form(request) else Sent({})
        key = self.key_of(model, id)

        def write(store: Any) -> None:
            store.delete(key, self._wanted_version(request, store, key, sent))

        try:
            transact(model, write, rollback=prefer.rollback)
        except (ConflictError, VersionError) as error:
            if sent.from_page:
                return forms.answer(self, request, model, key=key, error=error, action=FORMS[2])
            raise
        if sent.from_page:
            return self._see_other(request, self.url(request), "deleted", id)
        return Response(status=204, headerlist=[*_applied(prefer, "tx").items()])

    # -- many rows by a filter ---------------------------------------------------------

    def bulk_patch(self, request: Request, **urlvars: Any) -> Any:
        """Change some fields of all rows that the filter selects."""
        model, query = self._select(request)
        sent = self._sent(request, self.parse(request))
        merged = [name for name, value in sent.values.items() if isinstance(value, dict)]
        if merged:
            message = "An object is merged into one row at a time."
            raise ValidationError([FieldError(name, "type", message) for name in merged])
        limit = self.bulk_limit
        return self._count_of(
            request, model, lambda store: store.update_where(query, sent.values, limit)
        )

    def bulk_delete(self, request: Request, **urlvars: Any) -> Any:
        """Remove all rows that the filter selects."""
        model, query = self._select(request)
        limit = self.bulk_limit
        return self._count_of(request, model, lambda store: store.delete_where(query, limit))

    def _select(self, request: Request) -> tuple[Any, Query]:
        """Give the model and the query of a write that a filter directs.

        Raises:
            QueryError: If it has no filter, or one without a value: a mistake must not mean
                all rows.  Who means these says so, with ``limit=all``.
        """
        query = query_of(request)
        if replace(query, filter=Query().filter, search="", whole=False) != Query():
            raise QueryError("", "A write of many rows takes a filter, q and limit=all only.")
        if is_empty_filter(query):
            raise QueryError("", "A filter without a value selects nothing to write to.")
        if not (query.narrows or query.whole):
            raise QueryError("", "Give a filter; or limit=all, if all rows are meant.")
        _require_no_version(request)
        return self._asked(request, replace(query, whole=False))

    def _count_of(self, request: Request, model: Any, work: Callable[[Any], int]) -> Response:
        prefer = self._preferences(request)
        offers = self._offers_for_many(request)

        def write(store: Any) -> int:
            if not hasattr(store, "update_where"):
                raise DeniedError("This store writes one row at a time.")
            return work(store)

        count = transact(model, write, rollback=prefer.rollback)
        headers = _applied(prefer, "tx", "return")
        if prefer.minimal:
            return Response(status=204, headerlist=[*headers.items()])
        return respond({"count": count}, request, offers, headers=headers)

    def post_selection(self, request: Request, **urlvars: Any) -> Any:
        """Delete, change or export rows that somebody ticked, or all rows of a list."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        return confirming.answer(self, request, *self._asked(request, query_of(request)))

    def get_import_form(self, request: Request, **urlvars: Any) -> Any:
        """Ask for a file of rows."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        return importing.ask(self, request, self.writable(self._open(request)))

    def post_import(self, request: Request, **urlvars: Any) -> Any:
        """Store the rows of a file, or show what would become of them."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        return importing.answer(self, request, self.writable(self._open(request)))

    def _method(self, request: Request) -> str:
        # A file of rows may be longer than any other form, so it is for its action to read.
        if request.method == "POST" and request.urlvars.get("noun") == "import":
            return "POST"
        return super()._method(request)

    # -- forms -------------------------------------------------------------------------

    def get_new_form(self, request: Request, **urlvars: Any) -> Any:
        """Answer the form for a new row."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        return forms.answer(self, request, self._open(request))

    def get_edit_form(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Answer the form that changes a row."""
        model = self._open(request)
        return forms.answer(self, request, model, key=self.key_of(model, id))

    def get_delete_form(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Ask whether to remove a row."""
        model = self._open(request)
        return forms.answer(self, request, model, key=self.key_of(model, id), action=FORMS[2])

    def get_file(self, request: Request, id: str, **urlvars: Any) -> Any:
        """Answer the bytes of a cell, see `wsgikit.model_collection.files`."""
        return files.answer(self, request, self.narrow(request), id)

    # -- description ---------------------------------------------------------------------

    def get_schema(self, request: Request, **urlvars: Any) -> Any:
        """Answer the JSON Schema of a row."""
        if "id" in urlvars:
            raise exc.HTTPNotFound()
        model = self._open(request)
        id = request.host_url + self.url(request, noun="schema")
        body = json.dumps(row_document(model, id, self.title)).encode()
        headers = [
            ("Content-Type", "application/schema+json"),
            ("Content-Length", str(len(body))),
            ("ETag", make_tag("", body)),
        ]
        return Response(headerlist=headers, app_iter=[body], conditional_response=True)

    def describe(self, request: Request | None = None) -> dict[str, Any]:
        """Describe what is served as plain data, see `wsgikit.model.describe_model`.

        Args:
            request: Whose policy narrows the description; without one, all is described.

        Raises:
            HTTPForbidden: If the policy says no.
        """
        model = self.model
        if request is not None:
            model = narrowed(self.policy, request, model, self.title)
            model = following.led_everywhere(request, model)
        if self.within:
            model = nesting.Unplaced(model, self.within)
        actions = self.allowed(model)
        formats = [kind.format for kind in self.media if kind.renderer is not None]
        return describe_model(model, title=self.title, actions=actions, formats=formats)

    def seen(self, request: Request) -> Seen:
        """Give what a request may see of this collection, to another one that refers to it.

        Args:
            request: A GET of this collection, with what tells who asks.

        Raises:
            HTTPForbidden: If the policy says no.
        """
        model = self.narrow(request)
        url = links.url_maker(self, request, model)
        return Seen(self.title, model, url, frozenset(self.allowed(model)), self)

    def summarize(self, request: Request) -> dict[str, Any]:
        """Tell what this collection is, see `wsgikit.model_collection.overview`.

        Args, Raises: As `seen`.
        """
        return overview.summarize(self.seen(request))

    def look_for(self, request: Request, words: str) -> dict[str, Any] | None:
        """Give the first rows in which all words occur; `None` if there are none.

        Args, Raises: As `seen`.
        """
        return overview.look_for(self.seen(request), words)

    # -- what actions share ------------------------------------------------------------

    def allowed(self, model: Any) -> set[str]:
        """Name the actions that there are for this model."""
        allowed = set(self.actions)
        if getattr(model, "read_only", False):
            allowed -= {*WRITES, *FORMS, *IMPORTS}
        return allowed

    def writable(self, model: Any) -> Any:
        """Give a model, if it can be written.

        Raises:
            DeniedError: If not.
        """
        if getattr(model, "read_only", False):
            raise DeniedError("It is read-only.")
        return model

    def is_page(self, request: Request) -> bool:
        """Whether the answer is going to be a page for people."""
        return negotiate(request, self.media) in self.pages

    def narrow(self, request: Request) -> Any:
        """Give the model as far as the policy lets this request see it, below its parents.

        Raises:
            HTTPForbidden: If the policy says no.
            HTTPNotFound: If there is no such parent.
        """
        model = narrowed(self.policy, request, self.model, self.title)
        return nesting.placed(request, model, self.model, self.within) if self.within else model

    def key_of(self, model: Any, id: str) -> tuple[Any, ...]:
        """Give the key that the `id` of a URL stands for.

        Raises:
            NotFoundError: If it cannot be one of this model.
        """
        # A range of the template may have converted it.
        return decode_key(to_text(id) or "", self.key_fields(model))

    def key_fields(self, model: Any) -> Sequence[Field]:
        return self._own_key_fields if model is self.model else links.key_fields(model)

    def _asked(self, request: Request, query: Query) -> tuple[Any, Query]:
        """Give the narrowed model and a query of it, whose foreign keys lead no further."""
        return following.led(request, self.narrow(request), query), query

    def _open(self, request: Request) -> Any:
        """Give the narrowed model for an action that takes no query.

        Raises:
            QueryError: If there is one: who sends `DELETE /people/7?age=3` means something else.
        """
        if request.query_string and query_of(request) != Query():
            raise QueryError("", "Only a list takes a query.")
        return self.narrow(request)

    def _sent(self, request: Request, body: Any) -> Sent:
        from_page = isinstance(body, Form) and self.is_page(request)
        return read_one(body, from_page=from_page)

    def _preferences(self, request: Request) -> Preferences:
        return parse_preferences(request.headers.get("Prefer", ""))

    def _offers_for_many(self, request: Request) -> Sequence[MediaType]:
        """Give the media types that answer a write of many rows: programs ask for those.

        Raises:
            HTTPNotAcceptable: If none will do; nothing was written yet.
        """
        try:
            negotiate(request, self.others)
        except (exc.HTTPNotAcceptable, ValueError):
            negotiate(request, self.media)
            return self.media
        return self.others

    # -- answers -----------------------------------------------------------------------

    def _represent(
        self,
        request: Request,
        model: Any,
        row: Row,
        status: int = 200,
        *,
        query: Query = Query(),  # noqa: B008  it is immutable
        headers: Mapping[str, str] | None = None,
        shown: Row | None = None,
    ) -> Response:
        """Answer a row, with its ETag.

        Args:
            row: As it is stored.
            shown: What `show` made of it, if that was done already.
        """
        if shown is None:
            with snapshot(model) if self.is_page(request) else nullcontext(model) as store:
                shown = show(self, request, model, store, row, query)
        lines = [self.link_header(request, {}), *(headers or {}).items()]
        response = respond(shown, request, self.media, status=status, headers=lines)
        plain = response.content_type == "application/json" and query == Query()
        if plain or request.method != "HEAD":
            response.headers["ETag"] = self._tag(model, row, None if plain else response.body)
        return response

    def _tag(self, model: Any, row: Row, body: bytes | None = None) -> str:
        """Give the ETag of a representation of a row.

        JSON is a function of the row alone.  Any other representation may depend on more (a
        template, the label of another row), so a digest of its bytes is part of its tag.
        """
        return make_tag(version_in(model, row), body)

    def _created(
        self,
        request: Request,
        model: Any,
        written: Written,
        sent: Sent,
        prefer: Preferences,
        replayed: bool = False,
    ) -> Response:
        """Answer the one row that was written."""
        row = written.rows[0] if written.rows else None
        url = None if row is None else self._row_url(request, model, row)
        if sent.from_page:
            return self._see_other(request, url or self.url(request), "created")
        headers = _applied(prefer, "tx", "resolution", "return")
        headers |= {"Idempotent-Replayed": "true"} if replayed else {}
        if url is not None and not prefer.rollback:
            headers["Location"] = url
        status = 201 if written.created else 200
        if prefer.minimal or row is None:
            headers |= {} if row is None else {"ETag": self._tag(model, row)}
            return _empty(status, headers)
        return self._represent(request, model, row, status, headers=headers)

    def _create_at(
        self,
        request: Request,
        model: Any,
        key: tuple[Any, ...],
        sent: Sent,
        prefer: Preferences,
    ) -> Response:
        """Create the row of this key, and no other (RFC 9110 13.1.2)."""
        if evaluate("PUT", None, if_match=request.headers.get("If-Match")) is not None:
            raise exc.HTTPPreconditionFailed("There is either such a row, or there is none.")
        given = dict(zip(model.key, key, strict=True))
        fields = {field.name: field for field in model.fields}
        for name, value in given.items():
            if name in sent.values and not fields[name].same(value, sent.values[name]):
                message = "Is not the key in the URL."
                raise ValidationError([FieldError(name, "read_only", message)])

        def write(store: Any) -> Row:
            refuse_existing(store, key)
            row: Row = store.create({**sent.values, **given})
            if links.row_id(row, self.key_fields(model)) != encode_key(key):
                message = "The row would have another URL: this key is not spelled as it is stored."
                raise ValidationError([FieldError(model.key[0], "check", message)])
            return row

        try:
            row = transact(model, write, rollback=prefer.rollback)
        except VersionError as error:
            return self._refuse_version(request, error.row, EXISTS)
        except ConflictError:
            # Perhaps somebody else was faster; if it is about another field, that is told.
            try:
                return self._refuse_version(request, model.retrieve(key), EXISTS)
            except NotFoundError:
                pass
            raise
        return self._created(request, model, Written(1, 1, (row,)), sent, prefer)

    def _save(
        self,
        request: Request,
        model: Any,
        key: tuple[Any, ...],
        sent: Sent,
        prefer: Preferences,
        write: Callable[[Any], Row],
    ) -> Response:
        """Change a row, and answer what is stored then."""
        try:
            row = transact(model, write, rollback=prefer.rollback)
        except (ValidationError, ConflictError, VersionError) as error:
            if sent.from_page:
                return forms.answer(self, request, model, key=key, sent=sent, error=error)
            raise
        except NotFoundError as error:
            # What somebody typed is not lost with the row that there was.
            if sent.from_page and sent.version is not None and FORMS[0] in self.allowed(model):
                return forms.anew(self, request, model, key=key, sent=sent, error=error)
            raise
        if sent.from_page:
            url = self._row_url(request, model, row) or self.url(request)
            return self._see_other(request, url, "saved")
        headers = _applied(prefer, "tx", "return")
        if prefer.minimal:
            headers["ETag"] = self._tag(model, row)
            return Response(status=204, headerlist=[*headers.items()])
        return self._represent(request, model, row, headers=headers)

    def _see_other(
        self, request: Request, url: str, code: str, about: object = ""
    ) -> exc.HTTPSeeOther:
        """Lead a person to a page that says what was done."""
        response = exc.HTTPSeeOther(location=url)
        flashes.say(response, request, self.url(request), code, about)
        return response

    # -- preconditions (RFC 9110 13) ---------------------------------------------------

    def _wanted_version(
        self, request: Request, store: Any, key: tuple[Any, ...], sent: Sent
    ) -> str | None:
        """Give the version that a write is meant for; `None` for any.

        The model compares it once more, in the statement that writes.
        """
        has_match = "If-Match" in request.headers
        if self.require_match and not has_match and sent.version is None:
            store.retrieve(key)  # 404 comes first
            raise exc.HTTPPreconditionRequired("Say with If-Match which version you mean.")
        if not has_match and "If-None-Match" not in request.headers:
            return sent.version
        row = self._current(request, store, key)
        if _precondition(request, self._tag(store, row)) is not None:
            raise VersionError(row)
        if sent.version is not None or request.headers.get("If-Match", "*").strip() == "*":
            return sent.version
        return version_in(store, row)

    def _current(self, request: Request, store: Any, key: tuple[Any, ...]) -> Row:
        try:
            row: Row = store.retrieve(key)
        except NotFoundError:
            # RFC 9110 13.1.1: where there is nothing, no version of it matches.
            if "If-Match" in request.headers and request.environ["wsgikit.action"] == "update":
                raise exc.HTTPPreconditionFailed("There is no such row.") from None
            raise
        return row

    # -- refusals ----------------------------------------------------------------------

    def refuse(self, request: Request, error: Exception) -> Response:
        """Turn what the model refused into a response.

        Args:
            request: The request.
            error: A `ModelError`, or a mistake in the query or the body.
        """
        if isinstance(error, VersionError):
            return self._refuse_version(request, error.row, pages.CHANGED)
        refusal, members = refusal_of(error)
        return problem(request, refusal, self.media, **members)

    def _refuse_version(self, request: Request, row: Row, detail: str) -> Response:
        response = problem(request, exc.HTTPPreconditionFailed(detail), self.media)
        response.headers["ETag"] = self._tag(self.model, row)
        return response

    # -- what renderers are told -------------------------------------------------------

    def tell(self, request: Request, model: Any, query: Query) -> Sequence[Field]:
        """Tell all renderers about the rows; give the fields that are shown, in order."""
        fields = shown_fields(model, query)
        request.environ["wsgikit.columns"] = fields
        request.environ["wsgikit.title"] = self.title
        request.environ["wsgikit.label"] = getattr(model, "label", None)
        request.environ["wsgikit.link"] = lambda row: self._row_url(request, model, row)
        return fields

    def link_header(
        self, request: Request, found: Mapping[str, str | None], more: Iterable[str] = ()
    ) -> tuple[str, str]:
        return links.header(
            {
                **found,
                "describedby": self._schema_url(request),
                "service-desc": links.named_url(request, "openapi"),
            },
            more,
        )

    def _schema_url(self, request: Request) -> str | None:
        return self.noun_url(request, "schema") if "get_schema" in self.actions else None

    def describe_page(self, request: Request, model: Any, shown: Mapping[str, Any]) -> None:
        """Tell the templates what they need to know besides the value."""
        url = links.url_maker(self, request, model)
        row = shown.get("row")
        flash = flashes.heard(request)
        if flash is not None and request.method != "HEAD":
            flashes.forget(request, self.url(request))
        crumb = None
        if row is not None:
            crumb = {"text": pages.heading_of(model, row), "href": url(row)}
        action = request.environ["wsgikit.action"]
        request.environ["wsgikit.context"] = {
            "title": self.title,
            "home": links.named_url(request, "home"),
            "crumbs": self.crumbs(request, row=crumb, last=pages.LAST.get(action)),
            "flash": flash,
            "heading": self.title if crumb is None else crumb["text"],
            "primary": model.key[0] if len(model.key) == 1 else (model.key or None),
            "label": getattr(model, "label", None),
            "formats": self.formats,
            "can": self.allowed(model),
            "url": url,
            **shown,
        }

    def noun_url(self, request: Request, noun: str, id: str | None = None) -> str | None:
        """Give the URL of a noun; `None` where the template of the route has none."""
        url = links.attempt(self.url, request, id=id, noun=noun)
        # Variables that a template does not have are ignored.
        return None if url == links.attempt(self.url, request, id=id) else url

    def crumbs(
        self, request: Request, *, row: pages.Crumb | None = None, last: str | None = ""
    ) -> Sequence[pages.Crumb]:
        """Give the way from the home page to a page of this collection.

        Args:
            request: The request for the page.
            row: The row that it is about.
            last: What it is called, if it is none of these; by default something of its own, as
                a problem is.
        """
        home = links.named_url(request, "home")
        url = links.attempt(self.url, request) if "list" in self.actions else None
        above = nesting.crumbs_above(request)
        return pages.breadcrumbs(home, {"text": self.title, "href": url}, row, last, above)

    def backlinks(self, request: Request, store: Any, row: Row) -> Sequence[Mapping[str, Any]]:
        """Give the collections below a row, and those whose rows point to it."""
        nested = nesting.below(request, self.nested, store, row)
        return [*nested, *relations.backlinks(request, self, store, [row])]

    def _row_url(self, request: Request, model: Any, row: Row) -> str | None:
        id = links.row_id(row, self.key_fields(model))
        return None if id is None else links.attempt(self.url, request, id=id)


# -- small things --------------------------------------------------------------------------


def _empty(status: int, headers: Mapping[str, str]) -> Response:
    """Answer without content, with a status that may have some."""
    lines = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0")]
    return Response(status=status, headerlist=[*lines, *headers.items()])


def _applied(prefer: Preferences, *names: Name) -> dict[str, str]:
    """Give the `Preference-Applied` header (RFC 7240 3), if there is something to say."""
    applied = prefer.applied(*names)
    return {"Preference-Applied": applied} if applied else {}


def _require_no_version(request: Request) -> None:
    """Refuse a write to a collection, which has no versions, that is meant for one of them."""
    if _precondition(request, NO_VERSION) is not None:
        raise exc.HTTPPreconditionFailed("A collection has no versions; it is always there.")


def _precondition(request: Request, tag: str) -> int | None:
    """Give the status that the preconditions of a request want instead of an answer."""
    return evaluate(
        request.method if request.method in ("GET", "HEAD") else "PUT",
        tag,
        if_match=request.headers.get("If-Match"),
        if_none_match=request.headers.get("If-None-Match"),
    )


if TYPE_CHECKING:
    from wsgikit.model import MemoryModel

    # The worked example keeps the contract; mypy checks it here.
    _proof: Model = MemoryModel(())
