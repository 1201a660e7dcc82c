"""Collection: a WSGI application that maps method + id + noun to a method with a nice name.

Use it for anything that is a list of things with a URL each, whatever keeps the things: define
the methods that there are, and leave out the others.

    from wsgikit.collection import Collection
    from wsgikit.dispatcher import Dispatcher
    from wsgikit.media.json import JSON

    class People(Collection):
        def list(self, request):
            return [{"id": "1", "name": "Ann"}]

        def retrieve(self, request, id):
            return {"id": id, "name": "Ann"}

    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", People(media=[JSON]))

=============================  ==================  ==============================
request                        method called       with
=============================  ==================  ==============================
``GET /people/``               ``list``            ``(request)``
``POST /people/``              ``create``          ``(request)``
``GET /people/1``              ``retrieve``        ``(request, id="1")``
``PUT /people/1``              ``update``          ``(request, id="1")``
``PATCH /people/1``            ``patch``           ``(request, id="1")``
``DELETE /people/1``           ``delete``          ``(request, id="1")``
``QUERY /people/``             ``query``           ``(request)``
``PATCH /people/``             ``bulk_patch``      ``(request)``
``DELETE /people/``            ``bulk_delete``     ``(request)``
``GET /people/;new_form``      ``get_new_form``    ``(request)``
``GET /people/1;edit_form``    ``get_edit_form``   ``(request, id="1")``
``POST /people/1;comment``     ``post_comment``    ``(request, id="1")``
=============================  ==================  ==============================

Whatever other variables the template has are keyword arguments too.

Reads ``wsgiorg.routing_args``, under any router that sets it, and ``wsgikit.url`` and
``wsgikit.route`` where they are there.  Writes ``wsgikit.action``: the name of the method.
"""

import inspect
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request, Response
from webob.exc import (
    HTTPBadRequest,
    HTTPException,
    HTTPForbidden,
    HTTPInternalServerError,
    HTTPMethodNotAllowed,
    HTTPNotFound,
    WSGIHTTPException,
)

from wsgikit.media import (
    ACCEPT_HEADERS,
    Form,
    Media,
    MediaType,
    accepted,
    answer,
    asset,
    media_types,
    negotiate,
    parse_body,
    problem,
    without_body,
)

# The whole mapping.  An action is on a member (an id was given) or on the collection ...
_PLAIN = {
    "list": (False, "GET"),
    "create": (False, "POST"),
    "retrieve": (True, "GET"),
    "update": (True, "PUT"),
    "patch": (True, "PATCH"),
    "delete": (True, "DELETE"),
    "query": (False, "QUERY"),  # RFC 10008: safe, like GET, with a body
    "bulk_patch": (False, "PATCH"),
    "bulk_delete": (False, "DELETE"),
}
# ... or, with a noun, is called prefix_noun, and its signature says where it belongs.
_PREFIXES = {"get": "GET", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}

_ORDER = ("GET", "HEAD", "QUERY", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OVERRIDES = ("PUT", "PATCH", "DELETE")
# RFC 9110 9.2.1, RFC 10008 2
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "QUERY", "TRACE"})

# What a form can send that is not text/plain (HTML, "Form submission", enctype).
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# A template or regular expression with one of the variables: {id:key}, {/id}, (?P<id>...).
_HAS_TARGET = re.compile(r"[{<][^}>]*\b(?:id|noun)\b")
# RFC 3986 3.3: what stands in a path segment as it is, and the slash between segments.
_PATH = "/:@!$&'()*+,;=~"
_SEGMENT = _PATH[1:]

_log = logging.getLogger(__name__)

# Has it an id, and which noun?
_Target = tuple[bool, str | None]


class Collection:
    """Base class: subclasses define the actions that there are.

    An action is called as ``method(self, request, **urlvars)``, where *urlvars* has ``id`` for a
    member and never ``noun``.  A noun's action whose ``id`` parameter has no default is on members
    only; one that takes neither ``id`` nor ``**`` is on the collection only; any other is on both.
    To stop serving an inherited action, set it to None.

    An action returns what `wsgikit.media.answer` takes: a mapping or list to be rendered, a
    response, text, an iterator.  None renders ``{}`` for the collection, ``{"id": id}`` for a
    member, so that a method whose body is ``pass`` shows its template.  HTTP errors (`webob.exc`)
    may be raised or returned; from 400 on they become problem responses (RFC 9457).

    One instance serves all threads; nothing about a request may be kept on it.

    Args:
        media: The media types that are rendered and parsed, the preferred one first.
        allow_cross_origin: Take unsafe requests that other sites' pages made a browser send.
            They are refused (403) otherwise by a collection that takes forms, or that has no
            media types and thus reads bodies in its own way.
    """

    media: tuple[MediaType, ...] = ()
    allow_cross_origin = False

    def __init__(self, media: Media | None = None, *, allow_cross_origin: bool = False) -> None:
        self.media = media_types(self.media if media is None else media)
        self.allow_cross_origin = allow_cross_origin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            app = self._dispatch(request)
        except HTTPException as error:
            app = error
        if isinstance(app, WSGIHTTPException) and app.status_int >= 400 and not app.has_body:
            app = problem(request, app, self.media)
        # WebOb's responses leave out the body themselves.
        if environ["REQUEST_METHOD"] == "HEAD" and not isinstance(app, Response):
            app = without_body(app)
        return app(environ, start_response)

    def parse(self, request: Request) -> Any:
        """Return the parsed body; a form's without its ``_method``.

        Raises:
            HTTPException: 400, 413 or 415, as `wsgikit.media.parse_body`.
        """
        body = parse_body(request, self.media)
        if isinstance(body, Form) and "_method" in body:
            return Form((name, value) for name, value in body.items() if name != "_method")
        return body

    def url(self, request: Request, id: object = None, noun: str | None = None) -> str:
        """Return the path of the collection, of a member, or of a noun of either.

        It is absolute, percent-encoded, and begins with where the application is mounted.  Under a
        router that does not say how its URLs are made (``wsgikit.url``), they are taken to look
        like ``/people/[{id:key}][;{noun}]``.

        Raises:
            LookupError: If the request's URL does not look like that.
        """
        expand = request.environ.get("wsgikit.url")
        if expand is not None:
            url: str = expand(id=id, noun=noun)
            return url
        return _base_url(request.environ) + _tail(id, noun, _quoted)

    @cached_property
    def actions(self) -> frozenset[str]:
        """The names of the actions that there are."""
        return frozenset(name for methods in self._targets.values() for name in methods.values())

    @property
    def targets(self) -> Mapping[tuple[bool, str | None], Mapping[str, str]]:
        """What there is, by whether an id and which noun were given: the action of each method."""
        return self._targets

    @cached_property
    def _targets(self) -> Mapping[_Target, Mapping[str, str]]:
        """For each target: its methods, and the action of each."""
        targets: dict[_Target, dict[str, str]] = {}
        for name in dir(self):
            for target, method in self._places(name):
                targets.setdefault(target, {})[method] = name
        return targets

    def _places(self, name: str) -> Iterator[tuple[_Target, str]]:
        prefix, _, noun = name.partition("_")
        is_noun = prefix in _PREFIXES and noun and not noun.startswith("_")
        if not (name in _PLAIN or is_noun) or not callable(getattr(self, name)):
            return
        if is_noun:
            for has_id in _with_id(getattr(self, name)):
                yield (has_id, noun), _PREFIXES[prefix]
        else:
            has_id, method = _PLAIN[name]
            yield (has_id, None), method

    @cached_property
    def _form_types(self) -> frozenset[str]:
        """The content types of forms that are parsed here."""
        return _FORM_TYPES.intersection(name for kind in self.media for name in kind.content_types)

    def _dispatch(self, request: Request) -> WSGIApplication:
        environ = request.environ
        urlargs, urlvars = _routing_args(environ)
        if "format=" in environ.get("QUERY_STRING", ""):
            found = asset(request, self.media)
            if found is not None:
                return found
        given = {name: value for name, value in urlvars.items() if name != "noun"}
        if given.get("id") in (None, ""):
            given.pop("id", None)
        methods = self._targets.get(("id" in given, urlvars.get("noun") or None))
        if methods is None:
            raise HTTPNotFound("There is nothing at this URL.")
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return Response(status=204, headerlist=self._options(methods))
        environ["wsgikit.action"] = name = self._action(request, methods)
        result = getattr(self, name)(request, *urlargs, **given)
        if result is None:
            result = {"id": given["id"]} if "id" in given else {}
        return answer(result, request, self.media)

    def _options(self, methods: Mapping[str, str]) -> list[tuple[str, str]]:
        """Give the headers that say what may be sent here."""
        lines = [("Allow", _allow(methods))]
        for method, header in ACCEPT_HEADERS.items():
            names = accepted(self.media, method) if method in methods else ()
            if names:
                lines.append((header, ", ".join(names)))
        return lines

    def _action(self, request: Request, methods: Mapping[str, str]) -> str:
        """Choose the action, and refuse what should not even begin."""
        unsafe = request.method not in _SAFE
        if unsafe and self._guards() and _is_cross_origin(request.environ):
            raise HTTPForbidden(
                "The browser says that this request was made by a page of another site. "
                "Send it from a page of this site."
            )
        name = methods.get(self._method(request))
        if name is None:
            raise HTTPMethodNotAllowed(
                "That method is not for this URL.", headers=[("Allow", _allow(methods))]
            )
        if unsafe and any(kind.renderer for kind in self.media):
            negotiate(request, self.media)  # 406 before anything was changed, not after
        return name

    def _guards(self) -> bool:
        return not self.allow_cross_origin and (not self.media or bool(self._form_types))

    def _method(self, request: Request) -> str:
        """Return the method that is meant: HTML forms can only GET and POST."""
        if request.method == "HEAD":
            return "GET"
        if request.method != "POST" or _content_type(request) not in self._form_types:
            return request.method
        body = parse_body(request, self.media)
        if not isinstance(body, Form) or "_method" not in body:
            return "POST"
        method = body["_method"]
        if method not in _OVERRIDES:
            raise HTTPBadRequest("The form's _method must be one of PUT, PATCH and DELETE, once.")
        return str(method)


def _with_id(action: Callable[..., object]) -> Iterable[bool]:
    """Tell from its signature whether an action is on the collection, on members, or on both."""
    parameters = inspect.signature(action).parameters
    if "id" in parameters:
        return (True,) if parameters["id"].default is inspect.Parameter.empty else (False, True)
    kinds = {parameter.kind for parameter in parameters.values()}
    return (False, True) if inspect.Parameter.VAR_KEYWORD in kinds else (False,)


def _routing_args(environ: WSGIEnvironment) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return what the router found in the path.

    An absent `id` may be a part of the path that was left out; only a template without the
    variable shows that it can never be there.
    """
    routing_args = environ.get("wsgiorg.routing_args")
    if routing_args:
        urlargs, urlvars = routing_args
        route = environ.get("wsgikit.route")
        if "id" in urlvars or "noun" in urlvars or route is None or _HAS_TARGET.search(route):
            return urlargs, urlvars
    explanation = (
        "This collection needs the URI variables 'id' and 'noun' in wsgiorg.routing_args: "
        "route to it with a template such as /people/[{id:key}][;{noun}]."
    )
    route = environ.get("wsgikit.route")
    _log.error("%s wsgiorg.routing_args: %r, route: %r", explanation, routing_args, route)
    raise HTTPInternalServerError(explanation)


def _allow(methods: Iterable[str]) -> str:
    allowed = {*methods, "OPTIONS"}
    if "GET" in allowed:
        allowed.add("HEAD")
    return ", ".join(sorted(allowed, key=_ORDER.index))


def _content_type(request: Request) -> str:
    name: str = request.environ.get("CONTENT_TYPE", "")
    return name.partition(";")[0].strip().lower()


def _is_cross_origin(environ: WSGIEnvironment) -> bool:
    """Tell whether a page of another site made a browser send this request.

    The same rule as that of `wsgikit.security.CrossOriginProtection`, without trusted origins.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    origin = environ.get("HTTP_ORIGIN")
    if site is not None or origin is None:
        return site not in (None, "same-origin", "none")
    scheme, _, host = origin.lower().partition("://")
    own = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    port = _DEFAULT_PORTS.get(scheme, "")
    return not host or host.removesuffix(port) != own.lower().removesuffix(port)


def _tail(id: object, noun: str | None, encode: Callable[[str], str]) -> str:
    item = "" if id in (None, "") else encode(str(id))
    return item + (f";{encode(noun)}" if noun else "")


def _quoted(text: str) -> str:
    return quote(text, safe=_SEGMENT)


def _base_url(environ: WSGIEnvironment) -> str:
    """Return the collection's URL: the request's path without its id and noun."""
    # PEP 3333: the bytes of the path arrive as if they were Latin-1.
    raw = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = raw.encode("latin-1").decode("utf-8", "surrogateescape")
    urlvars: Mapping[str, Any] = (environ.get("wsgiorg.routing_args") or ((), {}))[1]
    tail = _tail(urlvars.get("id"), urlvars.get("noun"), str)
    base = path.removesuffix(tail)
    if base + tail != path or not base.endswith("/"):
        raise LookupError(
            f"Cannot tell the collection's URL from {path!r}: the router does not set "
            "wsgikit.url, and the path does not look like /people/[{id:key}][;{noun}]."
        )
    url = quote(base, safe=_PATH, errors="surrogateescape")
    # Two slashes at the start would begin a host name (RFC 3986 4.2).
    return f"/%2F{url[2:]}" if url.startswith("//") else url
