"""The development server: `run` for a project being worked on, `serve` for an application.

Use it alone to try any WSGI application out:

    from wsgikit.server import serve

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello World!"]

    if __name__ == "__main__":
        serve(app)

Both answer with one thread a connection until Ctrl-C, by Werkzeug's server where Werkzeug
is installed and by wsgiref's otherwise.  They are for one person at a desk: in production,
give the application to gunicorn, uWSGI, mod_wsgi or waitress.

How it works, in four rules:

1. `run` imports the application when the first request needs it, and again after a
   failure: a syntax error is a page that says so, and correcting it heals it.
2. A changed Python file starts the whole process anew in place (``exec``), with the
   listening socket kept: nothing of the old code stays, and no client finds a closed port.
3. Requests are logged to ``logs/request.log``; everything else that is logged, and every
   traceback, to ``logs/detail.log``.  Both rotate.
4. Tracebacks, and Werkzeug's debugger, are shown only by `run`, and only where it listens
   on a loopback address.  There, requests for another name than this machine's are refused:
   by such a name (DNS rebinding) a page from elsewhere reaches in.

This is the only module that opens sockets.
"""

import importlib
import importlib.util
import ipaddress
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from logging.handlers import RotatingFileHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: A log file is rotated at a million bytes and five old ones are kept: each opens in any
#: editor, and together they hold weeks of one person's work.
LOG_BYTES = 1_000_000
LOG_FILES = 5

#: Seconds between two looks at the files.
INTERVAL = 0.5

#: How long, and how much, is read of a request that was answered before it was read whole:
#: closing a connection with bytes unread resets it, and the client never sees the answer.
#: nginx does the same, for the same 5 seconds (its lingering_timeout).
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024

_SOCKET_VARIABLE = "WSGIKIT_SERVER_FD"

_log = logging.getLogger("wsgikit.server")
_requests = logging.getLogger("wsgikit.server.requests")

Ready = Callable[[str], object]


class ServerError(OSError):
    """The server cannot listen where it was told to."""


def announce(url: str) -> None:
    """Print where the server is to be found."""
    print(f"Serving on {url} (Ctrl-C stops it)", flush=True)


def serve(
    app: WSGIApplication, host: str = "127.0.0.1", port: int = 8080, *, ready: Ready = announce
) -> None:
    """Serve an application until Ctrl-C.

    Args:
        app: The application.  What it raises is written to stderr, never shown.
        host: The address to listen on.
        port: The port; 0 picks a free one.
        ready: Called with the URL once connections are taken.

    Raises:
        ServerError: If the address cannot be listened on.
    """
    with _logging(None), _listening(host, port, ready) as listener:
        _serve(guard(beside_upgrades(LoggedErrors(app), app), host), listener)


def run(
    app: str | WSGIApplication = "dispatcher:app",
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    reload: bool = True,
    directory: str | Path = ".",
    ready: Ready = announce,
) -> None:
    """Serve an application that is being worked on, until Ctrl-C.

    Args:
        app: ``"module:name"``, or an application.
        host: The address to listen on.
        port: The port; 0 picks a free one.
        reload: Start anew when a Python file below *directory*, or an imported module from
            outside of the Python installation, has changed.  On POSIX systems only.
        directory: The project: where modules are imported from, and ``logs/`` is.
        ready: Called with the URL once connections are taken, but not when started anew.

    Raises:
        ServerError: If the address cannot be listened on.
        OSError: If the log files cannot be written.
    """
    directory = Path(directory).resolve()
    loaded = Lazy(app, directory) if isinstance(app, str) else app
    with ExitStack() as stack:
        stack.enter_context(_logging(directory / "logs"))
        listener = stack.enter_context(_listening(host, port, ready))
        if reload and os.name == "posix":
            stack.enter_context(watching(directory, lambda paths: _start_anew(paths, listener)))
        _serve(guard(beside_upgrades(_show_errors(loaded, host), loaded), host), listener)


def _serve(app: WSGIApplication, listener: socket.socket) -> None:
    server = _make_server(app, listener)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


# -- the socket ------------------------------------------------------------------------


@contextmanager
def _listening(host: str, port: int, ready: Ready) -> Iterator[socket.socket]:
    inherited = os.environ.pop(_SOCKET_VARIABLE, None)
    if inherited is not None:
        with socket.socket(fileno=int(inherited)) as listener:
            yield listener
        return
    with _listen(host, port) as listener:
        ready(f"http://{_authority(host, listener.getsockname()[1])}/")
        yield listener


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ServerError(f"cannot listen on port {port}: give one of 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServerError(f"cannot listen on {_authority(host, port)}: {reason}") from error


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether an address, or the name ``localhost``, can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def guard(app: WSGIApplication, host: str) -> WSGIApplication:
    """Refuse requests for another name than this machine's, if *host* is a loopback address.

    RFC 9110 section 7.4: a request for an authority that the server is not meant to answer
    for is misdirected (421).
    """
    if not is_loopback(host):
        return app

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name, colon, port = environ.get("HTTP_HOST", "localhost").rpartition(":")
        if is_loopback(name if colon and port.isdigit() else name + colon + port):
            return app(environ, start_response)
        text = (
            "This server answers only to names of its own machine, such as localhost.\n"
            "To reach it by another name, have it listen on another address (--host).\n"
        )
        return _answer(start_response, "421 Misdirected Request", text)

    return guarded


# -- the application -------------------------------------------------------------------


class Lazy:
    """An application that is imported when a request needs it, and again after a failure.

    Args:
        spec: ``"module:name"``.
        directory: Where modules are looked for first.
    """

    def __init__(self, spec: str, directory: Path) -> None:
        self.module, _, self.name = spec.partition(":")
        self.directory = str(directory)
        self.app: WSGIApplication | None = None
        self.lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self.lock:
            if self.app is None:
                self.app = self._load()
        return self.app(environ, start_response)

    def _load(self) -> WSGIApplication:
        if self.directory not in sys.path:
            sys.path.insert(0, self.directory)
        importlib.invalidate_caches()
        app: WSGIApplication = getattr(importlib.import_module(self.module), self.name)
        return app


#: In the environ where Werkzeug's debugger shows what is raised, on the console too.
_DEBUGGED = "wsgikit.server.debugged"


class LoggedErrors:
    """Log what an application raises, and answer 500.

    Args:
        app: The application.
        shown: Whether the answer holds the traceback.
    """

    def __init__(self, app: WSGIApplication, *, shown: bool = False) -> None:
        self.app = app
        self.shown = shown

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        body: Iterable[bytes] = ()
        try:
            body = self.app(environ, start_response)
            yield from body
        except Exception:
            debugged = _DEBUGGED in environ
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            _log.exception("%s %r", environ["REQUEST_METHOD"], path, extra={"seen": debugged})
            if debugged:
                raise
            status = "500 Internal Server Error"
            text = traceback.format_exc() if self.shown else "The log says what happened.\n"
            yield from _answer(start_response, status, f"{status}\n\n{text}", sys.exc_info())
        finally:
            if hasattr(body, "close"):
                body.close()


def _answer(
    start_response: StartResponse,
    status: str,
    text: str,
    exc_info: tuple[type[BaseException], BaseException, TracebackType] | Any = None,
) -> list[bytes]:
    body = text.encode("utf-8", "backslashreplace")
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, headers, exc_info)
    return [body]


def _show_errors(app: WSGIApplication, host: str) -> WSGIApplication:
    """Show tracebacks on loopback addresses: in Werkzeug's debugger where it is installed."""
    logged = LoggedErrors(app, shown=is_loopback(host))
    if not is_loopback(host) or not importlib.util.find_spec("werkzeug"):
        return logged
    from werkzeug.debug import DebuggedApplication  # optional

    def debugged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return logged({**environ, _DEBUGGED: True}, start_response)

    # Without its console page, which would hide a view of that name.
    debugger = DebuggedApplication(debugged, evalex=True, console_path="")
    print(f"Debugger PIN: {debugger.pin}", file=sys.stderr)
    return debugger


def beside_upgrades(shown: WSGIApplication, app: WSGIApplication) -> WSGIApplication:
    """Leave WebSockets alone, for which an application takes over the connection.

    Its end is a `ConnectionError`, by which the server knows that there is nothing to answer; it
    is no error to log or to show.

    Args:
        shown: The application as it is served, with its errors logged and shown.
        app: The application itself.
    """

    def served(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        upgrades = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        return (app if upgrades else shown)(environ, start_response)

    return served


# -- the servers -----------------------------------------------------------------------


def _make_server(app: WSGIApplication, listener: socket.socket) -> BaseServer:
    if not importlib.util.find_spec("werkzeug"):
        return _Server(app, listener)
    from werkzeug import serving  # optional

    class Handler(_LoggedRequests, serving.WSGIRequestHandler):
        def make_environ(self) -> WSGIEnvironment:
            # Werkzeug would put another character for bytes that are not UTF-8.
            path = self.path if self.path.startswith("/") else urlsplit(self.path).path
            path_info = unquote(path.partition("?")[0], "iso-8859-1")
            return {**super().make_environ(), "PATH_INFO": path_info}

    host, port = listener.getsockname()[:2]
    return serving.make_server(
        host, port, app, threaded=True, request_handler=Handler, fd=listener.fileno()
    )


class _LoggedRequests(BaseHTTPRequestHandler):
    """Log a line for each request: the client, the request line, the status, the bytes."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        code = code.value if isinstance(code, HTTPStatus) else code
        # Control characters are escaped: terminals obey them.
        line = self.requestline.encode("unicode_escape").decode("ascii")
        _requests.info('%s "%s" %s %s', self.client_address[0], line, code, size)

    def log_message(self, format: str, *args: object) -> None:
        _log.info("%s %s", self.client_address[0], format % args)


class _Handler(_LoggedRequests, WSGIRequestHandler):
    #: Seconds that a client may be silent: no thread is kept for ever.
    timeout = 60


class _Server(ThreadingMixIn, WSGIServer):
    """wsgiref's server, with threads and a socket that listens already."""

    daemon_threads = True

    def __init__(self, app: WSGIApplication, listener: socket.socket) -> None:
        address = listener.getsockname()[:2]
        super().__init__(address, _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = address
        self.setup_environ()
        self.set_app(app)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection in a way that lets the client see the answer."""
        end = time.monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            while left > 0 and (seconds := end - time.monotonic()) > 0:
                request.settimeout(seconds)
                received = len(request.recv(65536))
                left -= received or left
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("%s %s", client_address[0], sys.exc_info()[1])


# -- logs ------------------------------------------------------------------------------


@contextmanager
def _logging(directory: Path | None) -> Iterator[None]:
    """Log to stderr, and to the files of a directory; at the end all is as it was before."""
    warnings = _formatted(logging.StreamHandler(), "%(levelname)s %(name)s %(message)s")
    warnings.setLevel(logging.WARNING)
    warnings.addFilter(lambda record: not getattr(record, "seen", False))
    details = [warnings]
    requests = [_formatted(logging.StreamHandler(), "%(message)s")]
    if directory is not None:
        directory.mkdir(exist_ok=True)
        details.append(_log_file(directory / "detail.log"))
        requests.append(_log_file(directory / "request.log"))
    with _logging_to(logging.getLogger(), details), _logging_to(_requests, requests):
        yield


def _log_file(path: Path) -> logging.Handler:
    handler = RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", errors="backslashreplace"
    )
    return _formatted(handler, "%(asctime)s %(levelname)s %(name)s %(message)s")


def _formatted(handler: logging.Handler, format: str) -> logging.Handler:
    handler.setFormatter(logging.Formatter(format))
    return handler


@contextmanager
def _logging_to(logger: logging.Logger, handlers: list[logging.Handler]) -> Iterator[None]:
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(before[0])
        logger.propagate = before[1]
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


# -- starting anew when a file changes -------------------------------------------------


@contextmanager
def watching(
    directory: Path, changed: Callable[[list[str]], object], *, interval: float = INTERVAL
) -> Iterator[None]:
    """Call a function, once, when Python files have changed, come or gone.

    Args:
        directory: All Python files below it are watched, imported or not, and with them
            every imported module that is not part of the Python installation.
        changed: Called with the files' paths, in a thread of its own.
        interval: Seconds between two looks.
    """
    files, modules = _stamps(_files(directory)), _stamps(_modules())
    end = threading.Event()

    def watch() -> None:
        while not end.wait(interval):
            # A file that has come counts as well: it may have been imported, and changed since.
            different = {path for path, _ in files.items() ^ _stamps(_files(directory)).items()}
            different |= {path for path, _ in modules.items() - _stamps(modules).items()}
            if different:
                _forget_compiled(different)
                changed(sorted(different))
                return
            modules.update(_stamps(_modules() - modules.keys()))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _files(directory: Path) -> set[str]:
    found: set[str] = set()
    for place, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if _is_watched(place, name)]
        found.update(os.path.join(place, file) for file in files if file.endswith(".py"))
    return found


def _modules() -> set[str]:
    paths = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    return {path for path in paths if not path.startswith((sys.prefix, sys.base_prefix))}


def _stamps(paths: Iterable[str]) -> dict[str, int]:
    """Give the times of change, in nanoseconds, of the files that are there."""
    stamps = {}
    for path in paths:
        with suppress(OSError):
            stamps[path] = os.stat(path).st_mtime_ns
    return stamps


def _is_watched(place: str, name: str) -> bool:
    """Whether a directory may hold a project's own modules: caches and environments do not."""
    return not name.startswith((".", "__", "node_modules")) and not os.path.exists(
        os.path.join(place, name, "pyvenv.cfg")
    )


def _forget_compiled(paths: Iterable[str]) -> None:
    """Delete the .pyc files of sources.

    Python knows whether one is of a source by the source's size and its time in whole seconds:
    a change within the second that leaves the size as it was would not be seen.
    """
    for path in paths:
        with suppress(OSError, NotImplementedError):
            os.unlink(importlib.util.cache_from_source(path))


def _start_anew(paths: Sequence[str], listener: socket.socket) -> None:  # pragma: no cover
    # Nothing runs after exec, so no coverage is written: tests see it from outside.
    print(f"{paths[0]} has changed: starting anew", file=sys.stderr, flush=True)
    os.environ[_SOCKET_VARIABLE] = str(listener.fileno())
    os.set_inheritable(listener.fileno(), True)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
