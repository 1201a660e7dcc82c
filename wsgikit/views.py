"""view() turns a function into a WSGI application, View a class with a method for each HTTP method.

Use them for what is no collection: a page, a search, a form.  Both work under every router that
sets ``wsgiorg.routing_args``, and without one.

    from wsgikit.dispatcher import Dispatcher
    from wsgikit.views import View, view

    @view
    def hello(request, name="World"):
        return f"Hello {name}!"

    class Counter(View):
        def get(self, request):
            return "3"

        def post(self, request):
            return "4"

    app = Dispatcher()
    app.add("/hello/[{name:alpha}]", GET=hello)
    app.add("/counter/", Counter())

What may be returned is what `wsgikit.media.answer` takes: a response or another WSGI application,
text (HTML) or bytes, an iterator of those, and with media types whatever they render.
HTTP errors (`webob.exc`) may be raised or returned; from 400 on they become problem responses
(RFC 9457): JSON for programs, a page for people.

Reads ``wsgiorg.routing_args``: its variables are the keyword arguments.  Writes
``wsgikit.action``: the name of the function or method, by which HTML finds its template.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, wraps
from typing import Any, overload
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request, Response
from webob.exc import HTTPException, HTTPMethodNotAllowed, WSGIHTTPException

from wsgikit.media import (
    Media,
    MediaType,
    answer,
    asset,
    media_types,
    negotiate,
    problem,
    without_body,
)

_METHODS = {
    "GET": "get",
    "HEAD": "head",
    "POST": "post",
    "PUT": "put",
    "PATCH": "patch",
    "DELETE": "delete",
    "OPTIONS": "options",
}
# RFC 9110 9.2.1
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_Function = Callable[..., Any]


@overload
def view(function: _Function, *, media: Media | None = None) -> WSGIApplication: ...
@overload
def view(
    function: None = None, *, media: Media | None = None
) -> Callable[[_Function], WSGIApplication]: ...
def view(
    function: _Function | None = None, *, media: Media | None = None
) -> WSGIApplication | Callable[[_Function], WSGIApplication]:
    """Make a WSGI application of a function of ``request`` and the URI variables.

    It is called for every method; the route says which ones come here.  What is a WSGI
    application already, by the names of its parameters, is returned as it is, so that
    ``Dispatcher(wrap=view)`` takes both.

    Args:
        function: Left out, a decorator is returned: ``@view(media=[JSON])``.
        media: The media types that render what is returned, the preferred one first.
    """
    kinds = media_types(media)

    def decorate(function: _Function) -> WSGIApplication:
        if _is_application(function):
            return function
        name = getattr(function, "__name__", type(function).__name__)

        @wraps(function)
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ["wsgikit.action"] = name
            return _run(function, Request(environ), kinds)(environ, start_response)

        return app

    return decorate if function is None else decorate(function)


def _is_application(function: _Function) -> bool:
    try:
        # Not the signature of what was decorated: that is the one of a view's function.
        parameters = inspect.signature(function, follow_wrapped=False).parameters
    except (TypeError, ValueError):
        return False  # written in C, some of these have none
    return [*parameters][1:] == ["start_response"]  # PEP 3333's names, but for one's _environ


class View:
    """Base class: subclasses define ``get``, ``post``, ``put``, ``patch``, ``delete`` and so on.

    Each is called as ``method(self, request, **urlvars)``.  A method that is absent, or None, is
    answered 405 with ``Allow``.  Without ``head``, ``get`` answers HEAD too; without ``options``,
    OPTIONS is answered 204 with ``Allow``.

    One instance serves all threads; nothing about a request may be kept on it.

    Args:
        media: The media types that render what is returned, the preferred one first.
    """

    media: tuple[MediaType, ...] = ()

    def __init__(self, media: Media | None = None) -> None:
        self.media = media_types(self.media if media is None else media)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        app = _run(self._dispatch, Request(environ), self.media)
        # WebOb's responses leave out the body themselves.
        if environ["REQUEST_METHOD"] == "HEAD" and not isinstance(app, Response):
            app = without_body(app)
        return app(environ, start_response)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """The names of the methods that there are, by HTTP method."""
        names = {
            method: name for method, name in _METHODS.items() if callable(getattr(self, name, None))
        }
        return {"HEAD": "get", **names} if "GET" in names else names

    def _dispatch(self, request: Request, *urlargs: Any, **urlvars: Any) -> Any:
        name = self._names.get(request.method)
        if name is not None:
            request.environ["wsgikit.action"] = name
            return getattr(self, name)(request, *urlargs, **urlvars)
        served = {*self._names, "OPTIONS"}
        headers = [("Allow", ", ".join(method for method in _METHODS if method in served))]
        if request.method == "OPTIONS":
            return Response(status=204, headerlist=headers)
        return HTTPMethodNotAllowed("That method is not for this URL.", headers=headers)


def _run(function: _Function, request: Request, media: tuple[MediaType, ...]) -> WSGIApplication:
    """Call *function*, and make a WSGI application of what it returns or raises."""
    urlargs, urlvars = request.environ.get("wsgiorg.routing_args") or ((), {})
    if media and "format=" in request.environ.get("QUERY_STRING", ""):
        found = asset(request, media)
        if found is not None:
            return found
    try:
        if request.method not in _SAFE and any(kind.renderer for kind in media):
            negotiate(request, media)  # 406 before anything was changed, not after
        app = answer(function(request, *urlargs, **urlvars), request, media)
    except HTTPException as error:
        app = error
    if isinstance(app, WSGIHTTPException) and app.status_int >= 400 and not app.has_body:
        return problem(request, app, media)
    return app
