"""DeferredCollection: one route for a package of views, each imported when it is first asked for.

Use it where applications live one a file: a new file in ``views/`` is a new URL, and nothing
else has to be touched.  It is a WSGI application for the end of a route with a ``{view}``
variable, and works under every router that sets ``wsgiorg.routing_args``.

    from wsgikit.deferred import DeferredCollection
    from wsgikit.dispatcher import Dispatcher

    app = Dispatcher()
    app.add("/{view:word}/[{id:key}][;{noun}]", DeferredCollection("views"))

``GET /fred/7`` imports ``views.fred`` and calls its ``app``, which finds the remaining variables,
``{"id": "7"}``.

A view is a module of the package, or a sub-package with an ``__init__.py``, whose name is an
identifier that does not begin with an underscore.  Any other name is answered 404, and nothing
outside the package is ever looked at: ``/os/`` is no view, even where the package has no
``os.py``.  What goes wrong *inside* a view's module is raised, not answered 404.  A module that
could not be imported is imported again for the next request.

Reads ``view`` from ``wsgiorg.routing_args``, and leaves it out of what the view's app finds there.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pkgutil import iter_modules
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)


class DeferredCollection:
    """A WSGI application that calls ``<package>.<view>.app``.

    Args:
        package: The package's name, as it stands in an ``import``.  It is looked for when the
            first request comes.
        not_found: The application that answers for a name that is no view; 404 without it.

    Raises:
        ValueError: If *package* is not the name of a package.
    """

    def __init__(self, package: str = "views", *, not_found: WSGIApplication | None = None) -> None:
        if not all(part.isidentifier() for part in package.split(".")):
            raise ValueError(f"{package!r} is not the name of a package, such as 'project.views'")
        self.package = package
        self.not_found = not_found or _not_found
        # Only apps that were found: what a client asks for in vain takes no memory.
        self._apps: dict[str, WSGIApplication] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        routing_args = environ.get("wsgiorg.routing_args")
        if not routing_args or routing_args[1].get("view") is None:
            return _not_wired(environ, start_response)
        app = self._enter(environ) or self.not_found
        return app(environ, start_response)

    def reach(self, environ: WSGIEnvironment) -> tuple[WSGIApplication, WSGIEnvironment] | None:
        """Find the view that a request would be answered by, without calling it.

        Args:
            environ: The request; it is changed as if it had been sent there.

        Returns:
            The view's app, or what that leads to, and the environ that it would get; None if
            there is no such view.
        """
        app = self._enter(environ)
        inner = getattr(app, "reach", None)
        if inner is not None:
            found: tuple[WSGIApplication, WSGIEnvironment] | None = inner(environ)
            return found
        return None if app is None else (app, environ)

    def _enter(self, environ: WSGIEnvironment) -> WSGIApplication | None:
        """Give the view's app, to which the variable that named it means nothing."""
        urlargs, urlvars = environ["wsgiorg.routing_args"]
        app = self.view(urlvars.get("view"))
        if app is not None:
            rest = {key: value for key, value in urlvars.items() if key != "view"}
            environ["wsgiorg.routing_args"] = (urlargs, rest)
        return app

    def names(self) -> Sequence[str]:
        """Return the names of the views, sorted; none of them is imported for it.

        Raises:
            ImportError: If there is no such package.
        """
        found = (module.name for module in iter_modules(self._folders()))
        return sorted(name for name in found if _is_public(name))

    def view(self, name: object) -> WSGIApplication | None:
        """Return the app of the view *name*, imported if need be; None if there is no such view."""
        if not isinstance(name, str) or not _is_public(name):
            return None
        if name not in self._apps and self._exists(name):
            self._apps[name] = self._load(name)
        return self._apps.get(name)

    def _load(self, name: str) -> WSGIApplication:
        # Two threads that come here at once get the same module: importing locks.
        module = import_module(f"{self.package}.{name}")
        app: WSGIApplication | None = getattr(module, "app", None)
        if not callable(app):
            raise AttributeError(
                f"The view {module.__name__!r} ({module.__file__}) has no WSGI application: "
                "assign one to the name 'app'."
            )
        return app

    def _exists(self, name: str) -> bool:
        """Look for the view's file in the package's own folders, and nowhere else."""
        spec = PathFinder.find_spec(name, self._folders())
        # A mere folder has no origin: no file would be imported.
        return spec is not None and spec.origin is not None

    def _folders(self) -> Sequence[str]:
        spec = find_spec(self.package)
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError(
                f"There is no package {self.package!r} to find views in: it must be a folder "
                "that can be imported from where the application was started."
            )
        return list(spec.submodule_search_locations)


def _is_public(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_")


def _not_found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _answer(environ, start_response, "404 Not Found", "There is no such view.")


def _not_wired(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    detail = (
        "This application needs the URI variable 'view': route to it with a template such as "
        "/{view:word}/[{id:key}][;{noun}]."
    )
    _log.error("%s wsgiorg.routing_args is %r", detail, environ.get("wsgiorg.routing_args"))
    return _answer(environ, start_response, "500 Internal Server Error", detail)


def _answer(
    environ: WSGIEnvironment, start_response: StartResponse, status: str, detail: str
) -> Iterable[bytes]:
    """Answer *status* with *detail*: one line of text for a browser, else a problem (RFC 9457)."""
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        kind, body = "text/plain; charset=utf-8", f"{status}\n\n{detail}\n".encode()
    else:
        problem = {"type": "about:blank", "title": status[4:], "status": int(status[:3])}
        kind, body = "application/problem+json", json.dumps({**problem, "detail": detail}).encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
