"""Web servers for the tests: each started as its documentation says, and gone with the tests.

``running("gunicorn-gthread", "package.module:app")`` is a context manager that gives a URL.
``python -m tests.web_servers gunicorn-gthread package.module:app`` keeps one up to look at.

The server's working directory is an empty one of its own, and what it prints goes to a file
there.  Its end hangs on an open pipe, as that of the databases does, see ``tests/servers.py``.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import CGIHandler
from wsgiref.simple_server import make_server
from wsgiref.types import WSGIApplication

from tests.servers import START_SECONDS, WATCH, QuietHandler
from wsgikit.server import serve

ROOT = Path(__file__).parent.parent

#: Where the applications of these servers are mounted; the others have them at the root.
PREFIXES = {"cgi": "/cgi-bin/program", "mounted": "/site"}

_GUNICORN = ("gunicorn", "--no-control-socket", "--graceful-timeout=1", "--bind=127.0.0.1:{port}")
_COMMANDS: Mapping[str, Sequence[str]] = {
    "wsgiref": ("tests.web_servers", "serve-wsgiref", "{app}", "{port}"),
    "wsgikit": ("tests.web_servers", "serve-wsgikit", "{app}", "{port}"),
    "waitress": ("waitress", "--listen=127.0.0.1:{port}", "--threads=8", "{app}"),
    "gunicorn-sync": (*_GUNICORN, "--worker-class=sync", "{app}"),
    "gunicorn-gthread": (*_GUNICORN, "--worker-class=gthread", "--threads=8", "{app}"),
    "gunicorn-gevent": (*_GUNICORN, "--worker-class=gevent", "{app}"),
    "granian": ("granian", "--interface=wsgi", "--port={port}", "--blocking-threads=8", "{app}"),
    "cgi": ("tests.web_servers", "serve-cgi", "{app}", "{port}"),
    # As mod_wsgi does below a WSGIScriptAlias.
    "mounted": (*_GUNICORN, "--env=SCRIPT_NAME=/site", "--threads=8", "{app}"),
}
SERVERS = tuple(_COMMANDS)

# Coverage that is measured in every process would measure these too, and slow them down.
_NOT_HANDED_ON = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONWARNINGS")


@contextmanager
def running(server: str, app: str, *options: str) -> Iterator[str]:
    """Serve an application until the block ends; give its URL, without a slash at the end.

    Args:
        server: One of ``SERVERS``.
        app: ``"module:name"``, or what else the server takes.
        options: More arguments of its command line.
    """
    port = free_port()
    module, *arguments = (part.format(app=app, port=port) for part in _COMMANDS[server])
    command = [sys.executable, "-m", module, *arguments, *options]
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
    with tempfile.TemporaryDirectory(prefix="wsgikit-", ignore_cleanup_errors=True) as directory:
        process = subprocess.Popen(
            ["sh", "-c", WATCH, "sh", directory, "TERM", *command],
            cwd=directory,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for pytest, which then stops the server in order
        )
        try:
            wait_until_open(port, process, Path(directory, "log"))
            yield f"http://127.0.0.1:{port}{PREFIXES.get(server, '')}"
        finally:
            process.communicate()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_open(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server takes connections; show what it printed if it never does."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if time.monotonic() > deadline or process.poll() is not None:
                said = log.read_text(errors="replace") if log.exists() else ""
                raise RuntimeError(f"the server did not start:\n{said}") from error
            time.sleep(0.02)
        else:
            return


# -- those that come without a command -------------------------------------------------------


def load(spec: str) -> WSGIApplication:
    """Import ``"module:name"``."""
    module, _, name = spec.partition(":")
    app: WSGIApplication = getattr(import_module(module), name)
    return app


def serve_wsgiref(spec: str, port: str) -> None:
    """Serve with the standard library's server, one request after the other."""
    make_server("127.0.0.1", int(port), load(spec), handler_class=QuietHandler).serve_forever()


def serve_wsgikit(spec: str, port: str) -> None:
    """Serve with the development server."""
    serve(load(spec), port=int(port))


def serve_cgi(spec: str, port: str) -> None:
    """Serve by starting a program for each request (RFC 3875), one after the other."""
    Gateway.app = staticmethod(load(spec))
    HTTPServer(("127.0.0.1", int(port)), Gateway).serve_forever()


def run_cgi(spec: str) -> None:
    """Be such a program, when a web server starts it."""
    CGIHandler().run(load(spec))


class Gateway(BaseHTTPRequestHandler):
    """Hands a request to a program in its environment, and the program's output to the client."""

    app: WSGIApplication
    server: HTTPServer

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.run_program
        raise AttributeError(name)

    def run_program(self) -> None:
        """Answer a request, whatever its method."""
        if "%00" in self.path:  # which no variable of an environment can hold
            self.send_error(404)
            return
        with tempfile.TemporaryFile() as body:
            body.write(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            body.seek(0)
            source, target = os.pipe()
            child = os.fork()
            if not child:
                os.close(source)
                self.connection.close()
                self.be_program(body.fileno(), target)
        os.close(target)
        with open(source, "rb") as output, suppress(ConnectionError):
            self.pass_on(output)
        os.waitpid(child, 0)  # it ends when nobody reads what it writes

    def be_program(self, stdin: int, stdout: int) -> NoReturn:
        """Be the program that a web server would start, without the time that a start takes."""
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.environb.update({name.encode(): text for name, text in self.variables().items()})
        try:
            CGIHandler().run(self.app)
            sys.stdout.flush()
        finally:
            os._exit(0)

    def variables(self) -> dict[str, bytes]:
        """Describe the request (RFC 3875, 4.1)."""
        path, _, query = self.path.partition("?")
        fields = {name.upper().replace("-", "_"): text for name, text in self.headers.items()}
        length, kind = fields.pop("CONTENT_LENGTH", ""), fields.pop("CONTENT_TYPE", "")
        described = {
            **{f"HTTP_{name}": text for name, text in fields.items()},
            "CONTENT_LENGTH": length,
            "CONTENT_TYPE": kind,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "QUERY_STRING": query,
            "REMOTE_ADDR": self.client_address[0],
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": PREFIXES["cgi"],
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "SERVER_SOFTWARE": "tests",
        }
        found = {name: text.encode("latin-1") for name, text in described.items()}
        return found | {"PATH_INFO": unquote_to_bytes(path.removeprefix(PREFIXES["cgi"]))}

    def pass_on(self, output: IO[bytes]) -> None:
        """Make a response of the program's output (RFC 3875, 6)."""
        status, *lines = iter(output.readline, b"\r\n")
        self.wfile.write(b"HTTP/1.1" + status.removeprefix(b"Status:") + b"".join(lines))
        self.wfile.write(b"Connection: close\r\n\r\n")
        while chunk := output.read1(65536):  # type: ignore[attr-defined]
            self.wfile.write(chunk)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write no access log."""


def main() -> None:
    """Be one of those, or keep any server up for a person to look at."""
    commands: Mapping[str, Callable[..., None]] = {
        "serve-wsgiref": serve_wsgiref,
        "serve-wsgikit": serve_wsgikit,
        "serve-cgi": serve_cgi,
        "run-cgi": run_cgi,
    }
    command, *arguments = sys.argv[1:]
    if command in commands:
        commands[command](*arguments)
    else:
        with running(command, *arguments) as url:
            print(url, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
