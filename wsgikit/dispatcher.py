"""Dispatcher: send each request to the application whose URI template matches its path.

Use it alone in front of any WSGI applications; it needs nothing else of wsgikit but the templates
of :mod:`wsgikit.uri`, whose page describes their language.

::

    from webob import Response
    from webob.dec import wsgify
    from wsgikit.dispatcher import Dispatcher

    app = Dispatcher()

    @app.route("/hello/{name}", name="hello")
    @wsgify
    def hello(request):
        return Response(f"Hello {request.urlvars['name']}!")

    assert app.url_for("hello", name="world") == "/hello/world"

Routes are tried in the order they were added; the first whose template *and* method match wins.
When templates match and no method does, the answer is 405 with ``Allow``; when no template
matches, it is that of ``not_found``, or 404.
``HEAD`` goes to the application for ``GET``, without the body, and ``OPTIONS`` is answered here
unless there is an application for it.
A path that is not UTF-8 is 400.

The dispatcher is an application itself, so one can be added to another, at an open-ended
template such as ``/blog|``.

It reads and writes the WSGI environ, so that applications need not import it:

=========================  ===================================================================
key                        value
=========================  ===================================================================
``SCRIPT_NAME``            gets the part of the path that matched
``PATH_INFO``              keeps the rest: a text that is empty or starts with ``/``
``wsgiorg.routing_args``   ``(urlargs, urlvars)``; those of an outer dispatcher come first
``wsgikit.route``          the template that matched, those of outer dispatchers before it
``wsgikit.url_for``        ``url_for(name, /, **urlvars)``: the URL of a named route, of this
                           dispatcher or an outer one, as seen by the client
``wsgikit.url``            ``url(**urlvars)``: the URL of the matched route for other
                           variables; those not given keep their value, None leaves one out
``wsgikit.places``         ``places()``: pairs of the name and the URL of all that has a name and
                           can be reached without knowing a variable, the nearest first; the name
                           is the route's, else the application's own (``app.name``)
``wsgikit.reach``          ``reach(environ, url)``: what a GET of this URL would be answered by,
                           and with which environ; None where that cannot be known
=========================  ===================================================================

With the last two, an application finds out about its neighbours without calling them: which
collection has the rows that a foreign key refers to, for one.  Applications of one's own take part
by a method ``reach(environ)``, as a dispatcher and `wsgikit.deferred.DeferredCollection` do.  What
is wrapped in anything else stays closed: who may look behind a login is for that to say.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from html import escape
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, unquote_to_bytes
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Response, exc
from webob.acceptparse import create_accept_header

from wsgikit.uri import Match, PatternError, RangeSpec, URIPattern, known_ranges

_Function = TypeVar("_Function", bound=Callable[..., Any])

Found: TypeAlias = tuple[WSGIApplication, WSGIEnvironment]

# What a dispatcher writes, and those further out wrote before it.
_WRITTEN = ("wsgiorg.routing_args", "wsgikit.route", "wsgikit.url_for", "wsgikit.url",
            "wsgikit.places", "wsgikit.reach")  # fmt: skip
# What belongs to a single request: its body, its conditions, what was found out about it.
_OF_ONE_REQUEST = ("wsgikit.", "webob.", "CONTENT_", "HTTP_IF_", "HTTP_PREFER", "HTTP_RANGE",
                   "HTTP_CONTENT_", "HTTP_TRANSFER_ENCODING", "HTTP_IDEMPOTENCY")  # fmt: skip

# RFC 9110 5.6.2, without the lower-case letters: methods are case-sensitive, and "get" is a slip.
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]+")
_ANY = "_ANY_"


class Route(NamedTuple):
    """One template and one application, as plain data."""

    template: str
    name: str | None
    #: The methods that go to the application; ``()`` means every method.
    methods: tuple[str, ...]
    app: WSGIApplication
    #: None when the route was added as a regular expression.
    pattern: URIPattern | None


class Dispatcher:
    """A WSGI application that chooses other applications by path and method.

    Add all routes before the first request; from then on threads may share it.

    Args:
        not_found: Application for paths that no template matches, instead of a plain 404.
        ranges: More ranges for the templates, see :class:`wsgikit.uri.URIPattern`.
        wrap: Applied to every application that is added: ``Dispatcher(wrap=view)`` makes
            functions of ``request`` addable.
        redirect_slashes: Answer 308 to a path that would match with, or without, a slash at
            its end.
    """

    def __init__(
        self,
        *,
        not_found: WSGIApplication | None = None,
        ranges: Mapping[str, RangeSpec] | None = None,
        wrap: Callable[[Any], WSGIApplication] | None = None,
        redirect_slashes: bool = False,
    ) -> None:
        self._not_found = not_found or _answer_not_found
        self._ranges = known_ranges(ranges)
        self._wrap = wrap
        self._redirect_slashes = redirect_slashes
        self._routes: list[Route] = []
        self._names: dict[str, _Entry] = {}
        self._entries: list[_Entry] = []
        self._index = _Segment()

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes in the order they were added, one for each template and application."""
        return tuple(self._routes)

    def walk(self) -> Iterator[tuple[Route, ...]]:
        """Find every application, those of mounted dispatchers included.

        Yields:
            The routes that lead to one, the outermost first.  Regular expressions are left out,
            since no URL can be made of them.
        """
        for route in self._routes:
            if route.pattern is not None:
                inner = getattr(route.app, "walk", None)
                ways = [()] if inner is None else inner()
                yield from ((route, *way) for way in ways)

    def mounted_at(self, environ: WSGIEnvironment) -> str:
        """Return the URL under which this dispatcher was reached, without a slash at its end.

        Args:
            environ: A request that it has sent to one of its applications, or to one further in.
        """
        return self._prefix(environ).rstrip("/")

    def add(
        self,
        template: str,
        app: Any = None,
        *,
        name: str | None = None,
        **methods: Any,
    ) -> None:
        """Add an application for every method, or one for each method.

        Args:
            template: The URI template; it starts with a ``/``, a variable or an optional part.
            app: A WSGI application (or what *wrap* makes one of); ``_ANY_=app`` is the same.
            name: A name for ``url_for``.
            methods: ``GET=show, POST=change``.

        Raises:
            PatternError: The template is malformed.
            TypeError: Both an app and methods were given, or neither, or not an application.
            ValueError: Another template has this name.
        """
        pattern = URIPattern(template, self._ranges)
        if template and template[0] not in "/{[|":
            reason = f"a path starts with /: write {'/' + template!r}"
            raise PatternError(f"{reason}\n  {template}\n  ^")
        self._add(_Entry(template, pattern.match, pattern), app, name, methods)

    def add_regex(
        self, regex: str, app: Any = None, *, name: str | None = None, **methods: Any
    ) -> None:
        """Add a regular expression for the whole path instead of a template.

        Named groups go to ``urlvars``, others to ``urlargs``. Such a route is compared with every
        request, and no URL can be made from it. Arguments and errors are those of ``add``.
        """
        try:
            compiled = re.compile(regex)
        except re.error as error:
            caret = " " * (error.pos or 0)
            raise PatternError(f"{error.msg}\n  {regex}\n  {caret}^") from error
        self._add(_Entry(regex, _regex_matcher(compiled), None), app, name, methods)

    def add_all(self, routes: Iterable[tuple[str, Any] | tuple[str, str | None, Any]]) -> None:
        """Add a table of ``(template, app)`` or ``(template, name, app)``, for every method."""
        for template, *name, app in routes:
            if len(name) > 1:
                raise TypeError(f"write (template, app) or (template, name, app) at {template!r}")
            self.add(template, app, name=name[0] if name else None)

    def route(
        self, template: str, *, methods: Iterable[str] = ("GET",), name: str | None = None
    ) -> Callable[[_Function], _Function]:
        """Add the decorated application, which stays what it is.

        Args:
            template: See ``add``.
            methods: The methods that go to it; ``()`` means every method.
            name: See ``add``.
        """
        if isinstance(methods, str):
            raise TypeError(f"methods is a sequence: write ({methods!r},)")
        wanted = tuple(methods) or (_ANY,)

        def add(function: _Function) -> _Function:
            self.add(template, name=name, **dict.fromkeys(wanted, function))
            return function

        return add

    def url_for(self, name: str, /, environ: WSGIEnvironment | None = None, **urlvars: Any) -> str:
        """Return the URL of a named route as an absolute path, percent-encoded.

        Args:
            name: The name given to ``add``.
            environ: A request, to take the place from where this dispatcher is mounted.
            urlvars: Values of the variables; positional ones are named "0", "1" and so on.

        Raises:
            LookupError: There is no such name, or it is that of a regular expression.
            PatternError: A value is missing or does not fit.
        """
        prefix = "" if environ is None else self._prefix(environ)
        return _absolute(prefix + self._pattern(name).expand(**urlvars))

    def reach(self, environ: WSGIEnvironment) -> "Found | None":
        """Find what a request would be answered by, without calling it.

        Args:
            environ: The request; it is changed as if it had been sent there.

        Returns:
            The application, further in if that can be told, and the environ that it would get;
            `None` if there is none.
        """
        try:
            path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8")
        except UnicodeError:
            return None
        for number in self._index.find(path):
            entry = self._entries[number]
            match = entry.match(path)
            app = None if match is None else entry.app(environ["REQUEST_METHOD"])
            if match is not None and app is not None:
                self._enter(environ, path, entry, match)
                inner = getattr(app, "reach", None)
                found: Found | None = (app, environ) if inner is None else inner(environ)
                return found
        return None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        try:
            path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8")
        except UnicodeError:
            return _bad_request(environ, start_response)
        allowed: set[str] = set()
        for number in self._index.find(path):
            entry = self._entries[number]
            match = entry.match(path)
            if match is None:
                continue
            app = entry.app(method)
            if app is not None:
                self._enter(environ, path, entry, match)
                if method == "HEAD":
                    return _without_body(app, environ, start_response)
                return app(environ, start_response)
            allowed.update(entry.apps)
        return self._otherwise(environ, path, allowed)(environ, start_response)

    def _otherwise(self, environ: WSGIEnvironment, path: str, allowed: set[str]) -> WSGIApplication:
        """Return the answer for a request that no route takes."""
        if allowed:
            methods = allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
            headers = {"Allow": ", ".join(sorted(methods))}
            if environ["REQUEST_METHOD"] == "OPTIONS":
                return exc.HTTPNoContent(headers=headers)
            detail = "That method is not for this URL."
            return _problem(exc.HTTPMethodNotAllowed(detail, headers=headers))
        if self._redirect_slashes:
            other = path[:-1] if path.endswith("/") else f"{path}/"
            url = _quoted(environ.get("SCRIPT_NAME", "")) + quote(other, safe=_PATH)
            if url and any(self._entries[n].match(other) for n in self._index.find(other)):
                return _redirect(_absolute(url), environ.get("QUERY_STRING", ""))
        return self._not_found

    def _enter(self, environ: WSGIEnvironment, path: str, entry: "_Entry", match: Match) -> None:
        """Write into the environ what the chosen application can know."""
        mount, rest = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        outer_route = environ.get("wsgikit.route")
        if outer_route is not None:
            outer_route = outer_route.removesuffix("|")
            # A slash at the end of the outer template is the one that this path starts with.
            outer_route = outer_route.removesuffix("/") if rest else outer_route
        before = {name: environ[name] for name in _WRITTEN if name in environ}
        reverse = _Reverse(self, mount, before, entry.pattern, match)
        size = len(rest) if match.end == len(path) else len(path[: match.end].encode())
        # PEP 3333: PATH_INFO is empty or starts with "/", and SCRIPT_NAME is never just "/".
        if rest[:size].endswith("/") and (entry.open_ended or mount + rest[:size] == "/"):
            size -= 1
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount + rest[:size], rest[size:]
        urlargs, urlvars = environ.get("wsgiorg.routing_args") or ((), {})
        merged = {**urlvars, **match.urlvars}
        environ["wsgiorg.routing_args"] = ((*urlargs, *match.urlargs), merged)
        environ["wsgikit.route"] = (outer_route or "") + entry.template
        environ["wsgikit.url_for"] = reverse
        environ["wsgikit.places"], environ["wsgikit.reach"] = reverse.places, reverse.reach
        if entry.pattern is None:
            environ.pop("wsgikit.url", None)
        else:
            environ["wsgikit.url"] = reverse.url

    def _prefix(self, environ: WSGIEnvironment) -> str:
        """Return where this dispatcher is mounted, also when asked from further inside."""
        reverse = environ.get("wsgikit.url_for")
        while isinstance(reverse, _Reverse):
            if reverse.dispatcher is self:
                return _quoted(reverse.mount)
            reverse = reverse.outer
        return _quoted(environ.get("SCRIPT_NAME", ""))

    def _pattern(self, name: str) -> URIPattern:
        entry = self._names.get(name)
        if entry is None:
            raise LookupError(f"no route is named {name!r}: there are {sorted(self._names)}")
        if entry.pattern is None:
            raise LookupError(f"{name!r} is a regular expression: no URL can be made from it")
        return entry.pattern

    def _add(self, entry: "_Entry", app: Any, name: str | None, methods: dict[str, Any]) -> None:
        entry.apps = self._applications(app, methods)
        if name is not None:
            known = self._names.setdefault(name, entry)
            if known.template != entry.template:
                raise ValueError(f"the name {name!r} is taken by {known.template}")
        apps = {id(app): app for app in entry.apps.values()}
        for one in apps.values():
            verbs = tuple(verb for verb, other in entry.apps.items() if other is one)
            verbs = () if verbs == (_ANY,) else verbs
            self._routes.append(Route(entry.template, name, verbs, one, entry.pattern))
        self._index.add(entry.pattern, len(self._entries))
        self._entries.append(entry)

    def _applications(self, app: Any, methods: dict[str, Any]) -> dict[str, WSGIApplication]:
        if app is not None and methods:
            raise TypeError("give one app for every method, or one for each method, not both")
        if app is None and not methods:
            raise TypeError("no application: give one for every method, or one for each method")
        given = methods or {_ANY: app}
        if _ANY in given and len(given) > 1:
            raise TypeError("_ANY_ is every method: give no others with it")
        wrapped: dict[int, WSGIApplication] = {}
        for method, one in given.items():
            if not _METHOD.fullmatch(method):
                raise TypeError(f"{method!r} is not a method: write {method.upper()}")
            if not callable(one):
                raise TypeError(f"{one!r} is not an application: it cannot be called")
            wrapped.setdefault(id(one), self._wrap(one) if self._wrap else one)
        return {method: wrapped[id(one)] for method, one in given.items()}


class _Entry:
    """What was added by one call."""

    __slots__ = ("apps", "match", "open_ended", "pattern", "template")

    def __init__(
        self, template: str, match: Callable[[str], Match | None], pattern: URIPattern | None
    ) -> None:
        self.template = template
        self.match = match
        self.pattern = pattern
        self.open_ended = pattern is not None and pattern.open_ended
        self.apps: dict[str, WSGIApplication] = {}

    def app(self, method: str) -> WSGIApplication | None:
        app = self.apps.get(method) or self.apps.get(_ANY)
        return self.apps.get("GET") if app is None and method == "HEAD" else app


class _Segment:
    """A node of the index: the routes by the segments of their paths.

    A path that fits a route always leads to it. The reverse is not so: what varies within a
    segment is left to the pattern. So the cost of a request depends on the depth of its path and
    on how many routes look like it, not on how many there are.
    """

    __slots__ = ("below", "fixed", "here", "varying")

    def __init__(self) -> None:
        self.fixed: dict[str, _Segment] = {}
        self.varying: _Segment | None = None
        #: Routes that end here, and routes that may go on from here.
        self.here: list[int] = []
        self.below: list[int] = []

    def add(self, pattern: URIPattern | None, number: int) -> None:
        if pattern is None:
            self.below.append(number)
            return
        node = self
        for segment in pattern.segments:
            if segment is not None:
                node = node.fixed.setdefault(segment, _Segment())
            else:
                node.varying = node = node.varying or _Segment()
        (node.here if pattern.bounded else node.below).append(number)

    def find(self, path: str) -> list[int]:
        """Return the routes that may fit, in the order they were added."""
        nodes, found = [self], list(self.below)
        for segment in path.split("/"):
            following = []
            for node in nodes:
                if (child := node.fixed.get(segment)) is not None:
                    following.append(child)
                    found += child.below
                if (child := node.varying) is not None:
                    following.append(child)
                    found += child.below
            nodes = following
            if not nodes:
                break
        for node in nodes:
            found += node.here
        found.sort()
        return found


class _Reverse:
    """``wsgikit.url_for`` and ``wsgikit.url`` of one request."""

    __slots__ = ("before", "dispatcher", "match", "mount", "outer", "pattern")

    def __init__(
        self,
        dispatcher: Dispatcher,
        mount: str,
        before: Mapping[str, Any],
        pattern: URIPattern | None,
        match: Match,
    ) -> None:
        self.dispatcher = dispatcher
        #: SCRIPT_NAME as it was when the request came to the dispatcher.
        self.mount = mount
        #: What it overwrote of the environ.
        self.before = before
        self.outer: Callable[..., str] | None = before.get("wsgikit.url_for")
        self.pattern = pattern
        self.match = match

    def __call__(self, name: str, /, **urlvars: Any) -> str:
        try:
            pattern = self.dispatcher._pattern(name)
        except LookupError:
            if self.outer is None:
                raise
            return self.outer(name, **urlvars)
        return _absolute(_quoted(self.mount) + pattern.expand(**urlvars))

    def url(self, **urlvars: Any) -> str:
        assert self.pattern is not None
        for name, value in urlvars.items():
            known = self.dispatcher._ranges.get(self.pattern.ranges.get(name, ""))
            if known is not None and known.convert is not None and isinstance(value, str):
                urlvars[name] = known.convert(value)
        named = {str(index): value for index, value in enumerate(self.match.urlargs)}
        path = self.pattern.expand(**{**named, **self.match.urlvars, **urlvars})
        return _absolute(_quoted(self.mount) + path)

    def places(self) -> Iterator[tuple[str, str]]:
        """Give the names and URLs of what can be reached without knowing a variable."""
        known: dict[str, str] = {}
        for name, path in self._named():
            known.setdefault(name, _absolute(_quoted(self.mount) + path))
        yield from known.items()
        for name, url in self.before.get("wsgikit.places", tuple)():
            if name not in known:
                yield name, url

    def _named(self) -> Iterator[tuple[str, str]]:
        """Give the names of routes and views; then what applications call themselves."""
        for _template, name, _methods, app, pattern in self.dispatcher.routes:
            names = getattr(app, "names", None)
            try:
                if pattern is not None and names is not None:
                    yield from [(view, pattern.expand(view=view)) for view in names()]
                elif pattern is not None and name is not None:
                    yield name, pattern.expand()
            except PatternError:
                continue  # it takes variables
        for route in self.dispatcher.routes:
            own = getattr(route.app, "name", None)
            if isinstance(own, str) and own and route.pattern is not None:
                with suppress(PatternError):
                    yield own, route.pattern.expand()

    def reach(self, environ: WSGIEnvironment, url: str) -> "Found | None":
        """Find what a GET of a URL would be answered by, beginning at the nearest dispatcher."""
        path = unquote_to_bytes(url).decode("latin-1")
        if path.startswith(self.mount):
            kept = {n: v for n, v in environ.items() if not n.startswith(_OF_ONE_REQUEST)}
            asked: WSGIEnvironment = {**kept, "wsgiorg.routing_args": ((), {}), **self.before}
            asked |= {"REQUEST_METHOD": "GET", "QUERY_STRING": "", "wsgi.input": BytesIO()}
            asked |= {"SCRIPT_NAME": self.mount, "PATH_INFO": path.removeprefix(self.mount)}
            found = self.dispatcher.reach(asked)
            if found is not None:
                return found
        outer = self.before.get("wsgikit.reach")
        return None if outer is None else outer(environ, url)


def _regex_matcher(regex: re.Pattern[str]) -> Callable[[str], Match | None]:
    names = {number: name for name, number in regex.groupindex.items()}

    def match(path: str) -> Match | None:
        found = regex.fullmatch(path)
        if found is None:
            return None
        texts = list(enumerate(found.groups(), start=1))
        urlvars = {names[n]: text for n, text in texts if n in names and text is not None}
        return Match(urlvars, tuple(text for n, text in texts if n not in names), found.end())

    return match


# RFC 3986 3.3: what may stand in a path as it is, besides letters, digits and "-._~".
_PATH = "/:@!$&'()*+,;="


def _quoted(raw: str) -> str:
    """Percent-encode a path of the environ, which has one character for each byte (PEP 3333)."""
    return quote(raw.encode("latin-1", "replace"), safe=_PATH)


def _absolute(url: str) -> str:
    """Keep a path a path: ``//host`` would be taken for another server (RFC 3986 4.2)."""
    return f"/%2F{url[2:]}" if url.startswith("//") else url


def _redirect(url: str, query: str) -> WSGIApplication:
    # The query goes back as it came, but for what cannot stand in a header.
    query = quote(query.encode("latin-1", "replace"), safe=_PATH + "%?#[]")
    headers = [
        ("Location", f"{url}?{query}" if query else url),
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("Content-Length", "0"),
    ]

    def answer(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("308 Permanent Redirect", headers)
        return []

    return answer


def _without_body(
    app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Run an application for the sake of its headers (RFC 9110 9.3.2)."""
    started: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        started.append(status)
        start_response(status, headers, *([exc_info] if exc_info else []))
        return _discard

    body = app(environ, start)
    try:
        # An application written as a generator starts when it is asked for its first chunk.
        if not started:
            next(iter(body), None)
    finally:
        if hasattr(body, "close"):
            body.close()
    return []


def _discard(_data: bytes) -> None:
    pass


def _answer_not_found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _problem(exc.HTTPNotFound("There is nothing at this address."))(environ, start_response)


def _bad_request(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _problem(exc.HTTPBadRequest("The path is not UTF-8."))(environ, start_response)


def _problem(error: exc.WSGIHTTPException) -> WSGIApplication:
    """Return the error as a page, or as RFC 9457 has it for clients that prefer JSON."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = _as_json if _prefers_json(environ.get("HTTP_ACCEPT", "")) else _as_page
        kind, text = write(error)
        headers = [(name, value) for name, value in error.headerlist if name == "Allow"]
        headers += [("Content-Type", kind), ("Vary", "Accept")]
        return Response(text.encode(), error.status, headers)(environ, start_response)

    return answer


def _prefers_json(accept: str) -> bool:
    # Programs rarely say what they want; browsers always name HTML.
    if "text/html" not in accept.lower():
        return True
    offers = ["text/html", "application/problem+json", "application/json"]
    wanted = create_accept_header(accept).acceptable_offers(offers)
    return bool(wanted) and wanted[0][0] != "text/html"


def _as_json(error: exc.WSGIHTTPException) -> tuple[str, str]:
    problem = {
        "type": "about:blank",
        "title": error.title,
        "status": error.code,
        "detail": str(error),
    }
    return "application/problem+json", json.dumps(problem)


def _as_page(error: exc.WSGIHTTPException) -> tuple[str, str]:
    page = _PAGE.format(status=escape(error.status), detail=escape(str(error)))
    return "text/html; charset=utf-8", page


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{status}</title>
</head>
<body>
<main>
<h1>{status}</h1>
<p>{detail}</p>
</main>
</body>
</html>
"""
