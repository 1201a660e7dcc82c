"""Home: the index of a dispatcher, a page for people and JSON Home for programs.

Use it where visitors should find what there is, without a list kept by hand:

    from webob import Request
    from wsgikit.collection import Collection
    from wsgikit.dispatcher import Dispatcher
    from wsgikit.home import Home
    from wsgikit.media.json import JSON

    class People(Collection):
        def list(self, request):
            return []

    app = Dispatcher()
    app.add("/", Home(app, title="Staff"))
    app.add("/people/[{id:key}]", People(media=[JSON]), name="people")
    home = Request.blank("/?format=json").get_response(app)
    assert home.json["resources"]["people"]["href"] == "/people/"

The page links to all that can be reached without knowing a variable; the JSON
(``application/json-home``, as in draft-nottingham-json-home) has the URI templates of the
rest, too.  Both follow what is mounted inside: other dispatchers, and the views of a
`wsgikit.deferred.DeferredCollection`.  Another application below an open end (``/static|``) is
listed if its route has a name.
Where the dispatcher has a `wsgikit.openapi.OpenAPI`, both lead programs to it.

`Home.not_found` answers a path that leads nowhere as the other pages look, with the way home:
``Dispatcher(not_found=lambda *call: home.not_found(*call))``.

Routes are read as plain data, at each request; an application takes part by what it has:
``walk()`` (a dispatcher), ``names()`` (views by name), ``title``, ``media`` and ``actions`` (a
collection).  Reads ``wsgikit.url``, to know where the dispatcher is mounted; writes
``wsgikit.action`` (``home``) and, for pages, ``wsgikit.context``: ``title``, ``collections``,
``search`` and ``results``.

The page also tells how large the collections are, and searches all of them (``/?q=``).  It finds
each as a request would (``wsgikit.reach``), and asks those that can tell: ``summarize(request)``
and ``look_for(request, words)``, see `wsgikit.model_collection.overview`.  What a policy hides
from the request is not counted and not found.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request, Response
from webob.exc import (
    HTTPBadRequest,
    HTTPException,
    HTTPMethodNotAllowed,
    HTTPNoContent,
    HTTPNotFound,
)

from wsgikit.media import Media, MediaType, asset, media_types, negotiate, problem, respond
from wsgikit.uri import PatternError, URIPattern

#: What a collection's actions allow: on the collection, and on an item.
_COLLECTION_METHODS = {
    "list": "GET",
    "query": "QUERY",
    "create": "POST",
    "bulk_patch": "PATCH",
    "bulk_delete": "DELETE",
}
_ITEM_METHODS = {"retrieve": "GET", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
_WRITES = frozenset({"create", "update", "patch", "delete"})

_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """Something that a dispatcher reaches.

    Attributes:
        name: What programs call it.
        title: What people call it.
        href: Its URL; None if that takes variables.
        template: The URI template of its URL, or of its items' (RFC 6570); None if there is
            none.
        app: The application.
        schema: The URL of the JSON Schema of its items; None if there is none.
    """

    name: str
    title: str
    href: str | None
    template: str | None
    app: WSGIApplication
    schema: str | None = None


class Home:
    """The index of a dispatcher.

    Args:
        dispatcher: Whatever has `routes` and `walk()`, as a `wsgikit.dispatcher.Dispatcher` does.
        title: The heading of the page.
        media: How the page is rendered, as by ``HTML()``; by default in the way of the first
            listed collection that has pages, or as a plain list.
        patience: Seconds that all collections together may take to be counted, and to be
            searched.  What is not done by then is left out of the page.
    """

    def __init__(
        self,
        dispatcher: Any,
        title: str = "Home",
        media: Media | None = None,
        *,
        patience: float = 3.0,
    ) -> None:
        self.dispatcher = dispatcher
        self.title = title
        self.patience = patience
        self._given = None if media is None else media_types(media)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        ways, prefix = list(self.dispatcher.walk()), self._prefix(environ)
        entries = list(find_entries((w for w in ways if not self._is_about(w)), prefix))
        media = self._media(entries)
        try:
            response = self._answer(request, entries, media, self._description(ways, prefix))
        except HTTPException as error:
            response = self._problem(request, error, media, request.path)
        return response(environ, start_response)

    def not_found(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 404 as a page like the others, with the way home."""
        request = Request(environ)
        routes = (r for r in self.dispatcher.routes if r.app is self and r.pattern is not None)
        route = next(routes, None)
        if route is not None and route.name:
            # Asked by a route of the dispatcher, too, to which more of the path belongs.
            here: str | None = self.dispatcher.url_for(route.name, environ)
        else:
            prefix = quote(request.script_name).rstrip("/")
            here = None if route is None else _join(prefix, route.pattern)
        media = self._media(find_entries(self.dispatcher.walk()))
        response = asset(request, media)
        if response is None:
            error = HTTPNotFound("There is nothing at this URL.")
            response = self._problem(request, error, media, here)
        return response(environ, start_response)

    def _problem(
        self, request: Request, error: HTTPException, media: Sequence[MediaType], here: str | None
    ) -> Response:
        way = [{"text": "Home", "href": here}]
        request.environ["wsgikit.crumbs"] = lambda _request: way
        return problem(request, error, [m for m in media if m is not _PAGE])

    def _is_about(self, way: Sequence[Any]) -> bool:
        """Say whether a route leads to something about the dispatcher, such as this page."""
        return getattr(way[-1].app, "dispatcher", None) is self.dispatcher

    def _description(self, ways: Iterable[Sequence[Any]], prefix: str) -> str | None:
        """Give the URL of what else is about the dispatcher: its OpenAPI document."""
        for way in ways:
            if self._is_about(way) and way[-1].app is not self:
                return _place(way, prefix)[0]
        return None

    def _answer(
        self,
        request: Request,
        entries: Sequence[Entry],
        media: Sequence[MediaType],
        description: str | None,
    ) -> Response:
        if request.method not in ("GET", "HEAD"):
            allow = {"Allow": "GET, HEAD, OPTIONS"}
            if request.method == "OPTIONS":
                return HTTPNoContent(headers=allow)
            raise HTTPMethodNotAllowed(headers=allow)
        request.environ["wsgikit.action"] = "home"
        found = asset(request, media)
        if found is not None:
            return found
        # RFC 8631: where a description for programs is.
        headers = {} if description is None else {"Link": f'<{description}>; rel="service-desc"'}
        if _is_page(negotiate(request, media)) and request.method != "HEAD":
            overview = Overview(request, [e for e in entries if e.href], self.patience)
            request.environ["wsgikit.context"] = {"title": self.title, **overview.context()}
            if overview.private:
                headers["Cache-Control"] = "private, no-store"
        value = describe(self.title, entries, request.path_url, description)
        return respond(value, request, media, headers=headers)

    def _media(self, entries: Iterable[Entry]) -> Sequence[MediaType]:
        """Give pages first, then JSON Home under both names that a program may ask by."""
        found = (m for e in entries for m in getattr(e.app, "media", ()) if _is_page(m))
        pages = self._given if self._given is not None else (next(found, _PAGE),)
        return (*pages, _JSON_HOME, _JSON)

    def _prefix(self, environ: WSGIEnvironment) -> str:
        """Say where the dispatcher is mounted, as a URL."""
        here = next((r.pattern for r in self.dispatcher.routes if r.app is self), None)
        url = environ.get("wsgikit.url")
        if here is None or url is None:
            return quote(environ.get("SCRIPT_NAME", ""), encoding="latin-1").rstrip("/")
        _, urlvars = environ["wsgiorg.routing_args"]
        return str(url()).removesuffix(_join("", here, **urlvars) or "").rstrip("/")


def find_entries(ways: Iterable[Sequence[Any]], href: str = "") -> Iterator[Entry]:
    """Find all that routes lead to with GET.

    Args:
        ways: What `wsgikit.dispatcher.Dispatcher.walk()` gives.
        href: Where that dispatcher is mounted, as a URL without a slash at its end.
    """
    seen: set[tuple[str | None, str | None]] = set()
    for way in ways:
        if any("GET" not in (route.methods or ["GET"]) for route in way):
            continue
        # What is below an open end only the application there knows: files, or another site.
        if way[-1].pattern.open_ended and way[-1].name is None:
            continue
        for entry in _entries(way, href):
            if (entry.href, entry.template) not in seen:
                seen.add((entry.href, entry.template))
                yield entry


def _entries(way: Sequence[Any], prefix: str) -> Iterator[Entry]:
    route, app = way[-1], way[-1].app
    if hasattr(app, "names"):
        for name in app.names():
            url, _template = _place(way, prefix, view=name)
            if url is not None:
                yield Entry(name, name, url, None, app)
    else:
        yield from _entry(route, *_place(way, prefix), _place(way, prefix, noun="schema")[0])


def _place(way: Sequence[Any], prefix: str, **urlvars: str) -> tuple[str | None, str]:
    """Give the URL that routes lead to, or None if it takes other variables; and the template."""
    href: str | None = prefix
    template = ""
    for mount in way[:-1]:
        href = _join(href, mount.pattern)
        href = None if href is None else href.rstrip("/")
        template = (template + mount.pattern.published).rstrip("/")
    pattern = way[-1].pattern
    return _join(href, pattern, **urlvars), template + pattern.published


def _entry(route: Any, url: str | None, published: str, schema: str | None) -> Iterator[Entry]:
    app = route.app
    actions = getattr(app, "actions", ("list", "retrieve"))
    url = url if "list" in actions else None
    item = published if "{" in published and "retrieve" in actions else None
    name = str(route.name or (unquote(url) if url else published).strip("/") or "home")
    if url is not None or item is not None:
        has_schema = "get_schema" in actions and "noun" in route.pattern.variables
        schema = schema if has_schema else None
        yield Entry(name, str(getattr(app, "title", None) or name), url, item, app, schema)


def _join(prefix: str | None, pattern: URIPattern, **urlvars: Any) -> str | None:
    """Give a URL, or None if it takes other variables than these."""
    try:
        return None if prefix is None else prefix + pattern.expand(**urlvars)
    except PatternError:
        return None


def _note(app: WSGIApplication) -> str:
    actions = getattr(app, "actions", None)
    return "" if actions is None or _WRITES & set(actions) else "read-only"


# -- the page ----------------------------------------------------------------------------


class Overview:
    """What the page shows of what is listed, as far as the request may see it.

    Args:
        request: The request for the page.
        entries: What is listed.
        patience: Seconds for all of it.
    """

    def __init__(self, request: Request, entries: Iterable[Entry], patience: float) -> None:
        self._request = request
        self._entries = list(entries)
        self._end = monotonic() + patience
        self._apps = {e.href: found for e in self._entries if (found := self._reach(e))}

    @property
    def private(self) -> bool:
        """Whether what is shown depends on who asks."""
        apps = (app for app, _request in self._apps.values())
        return any(getattr(app, "policy", None) is not None for app in apps)

    def context(self) -> dict[str, Any]:
        """Give what the template sees besides the title."""
        found = [self._collection(entry) for entry in self._entries]
        words = self._words()
        known = any(each.get("searchable") for each in found)
        return {
            "collections": found,
            "search": {"url": self._request.path, "value": words} if known else None,
            "results": [*self._results(words)] if known and words else None,
        }

    def _words(self) -> str:
        try:
            pairs = parse_qsl(
                self._request.query_string, errors="strict", separator="&", max_num_fields=100
            )
        except ValueError as error:
            raise HTTPBadRequest("The query string cannot be read.") from error
        words = [value for name, value in pairs if name == "q"]
        return words[0].strip() if words else ""

    def _collection(self, entry: Entry) -> dict[str, Any]:
        told = self._ask(entry, "summarize") or {}
        note = _note(entry.app) or ("read-only" if told.get("read_only") else "")
        empty = {"count": None, "kind": None, "read_only": "", "searchable": False}
        return {"href": entry.href, "title": entry.title, "note": note, **empty, **told}

    def _results(self, words: str) -> Iterator[dict[str, Any]]:
        for entry in self._entries:
            found = self._ask(entry, "look_for", words)
            if found is not None:
                yield {"title": entry.title, **found}

    def _reach(self, entry: Entry) -> tuple[WSGIApplication, Request] | None:
        """Find what is at an entry's URL, and the request that it would get."""
        reach = self._request.environ.get("wsgikit.reach")
        try:
            found = None if reach is None else reach(self._request.environ, entry.href)
        except Exception:
            # A view that cannot be imported is shown when somebody goes there.
            _log.exception("what is at %s cannot be found out", entry.href)
            return None
        return None if found is None else (found[0], Request(found[1]))

    def _ask(self, entry: Entry, name: str, *arguments: str) -> dict[str, Any] | None:
        """Ask a collection about itself, if it can tell, and if there is time."""
        app, request = self._apps.get(entry.href, (None, None))
        if not hasattr(app, name) or monotonic() > self._end:
            return None
        try:
            told: dict[str, Any] | None = getattr(app, name)(request, *arguments)
        except HTTPException:  # not for this request
            return None
        return told


# -- JSON Home ---------------------------------------------------------------------------


def describe(
    title: str, entries: Iterable[Entry], url: str, description: str | None = None
) -> dict[str, Any]:
    """Describe entries as a JSON Home document.

    Args:
        title: The title of the API.
        entries: What `find_entries` gives.
        url: The absolute URL of the home page: variables are identified by fragments of it.
        description: The URL of an OpenAPI document.

    Source: draft-nottingham-json-home-06.
    """
    entries = list(entries)
    resources: dict[str, Any] = {}
    for entry in entries:
        if entry.href is not None:
            hints = _hints(entry, _COLLECTION_METHODS)
            resources[_unique(entry.name, resources)] = {"href": entry.href, **hints}
    for entry in entries:
        if entry.template is not None:
            name = entry.name if entry.href is None else f"{entry.name}-item"
            variables = {name: f"{url}#{name}" for name in _variables(entry.template)}
            resources[_unique(name, resources)] = {
                "hrefTemplate": entry.template,
                "hrefVars": variables,
                **_hints(entry, _ITEM_METHODS),
            }
    links = {} if description is None else {"links": {"service-desc": description}}
    return {"api": {"title": title, **links}, "resources": resources}


def _unique(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "-"
    return name


def _variables(template: str) -> Iterator[str]:
    for expression in re.findall(r"\{[+#./;?&]?([^}]*)\}", template):
        for variable in expression.split(","):
            yield variable.rstrip("*").partition(":")[0]


def _hints(entry: Entry, methods: Mapping[str, str]) -> dict[str, Any]:
    """Give the hints that can be known of a collection: its methods, media types and schema."""
    hints: dict[str, Any] = {}
    app = entry.app
    if hasattr(app, "actions"):
        hints["allow"] = [method for action, method in methods.items() if action in app.actions]
    formats: dict[str, Any] = {m.name: {} for m in getattr(app, "media", ()) if m.renderer}
    if formats:
        hints["formats"] = formats
    if entry.schema is not None:
        hints["describedBy"] = entry.schema
    return {"hints": hints} if hints else {}


def _render_json(value: Any, request: Request) -> bytes:
    # A lone surrogate cannot be UTF-8; escaped as \udXXX it is JSON.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


_JSON_HOME = MediaType("application/json-home", _render_json)
_JSON = MediaType("application/json", _render_json)


# -- a page without templates ------------------------------------------------------------


def _is_page(media_type: MediaType) -> bool:
    return media_type.format == "html" and media_type.renderer is not None


def _render_page(value: Any, request: Request) -> bytes:
    context = request.environ["wsgikit.context"]
    title = escape(context["title"])
    found = [{"href": r["url"], "title": r["title"]} for r in context["results"] or ()]
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>",
        _links(context["collections"]),
        *([f"<h2>Found in</h2>\n{_links(found)}"] if found else []),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts).encode("utf-8", "replace")


def _links(targets: Iterable[Mapping[str, Any]]) -> str:
    items = (
        f'<li><a href="{escape(each["href"])}">{escape(each["title"])}</a> '
        f"{escape(each.get('note', ''))}</li>\n"
        for each in targets
    )
    return f"<ul>\n{''.join(items)}</ul>"


_PAGE = MediaType("text/html", _render_page)
