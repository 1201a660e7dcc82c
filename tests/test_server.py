"""wsgikit.server: real sockets, with Werkzeug's server and with wsgiref's."""

import http.client
import logging
import os
import py_compile
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import cache_from_source
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from webob import Request

from wsgikit import server
from wsgikit.server import (
    Lazy,
    LoggedErrors,
    ServerError,
    guard,
    is_loopback,
    run,
    serve,
    watching,
)

Client = Callable[[str], object]
Start = Callable[..., None]


@pytest.fixture(params=["werkzeug", "wsgiref"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    if name == "wsgiref":
        monkeypatch.setitem(sys.modules, "werkzeug", None)
    return name


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Take Ctrl-C as Python does, also where pytest was started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A directory with an app.py, which is forgotten after the test."""
    (tmp_path / "app.py").write_text(HELLO.format("Hello"))
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{}"]
"""


def visit(start: Start, client: Client) -> None:
    """Start a server in this thread, run a client in another, and then type Ctrl-C."""
    errors: list[BaseException] = []
    threads: list[threading.Thread] = []

    def ready(url: str) -> None:
        threads.append(threading.Thread(target=go, args=[url]))
        threads[0].start()

    def go(url: str) -> None:
        try:
            client(url)
        except BaseException as error:
            errors.append(error)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    start(ready=ready)
    threads[0].join()
    if errors:
        raise errors[0]


def get(
    url: str, path: str = "/", *, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, named)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def hello(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello"]


def fail(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    raise ZeroDivisionError("the secret")


def fail_late(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    yield b"12345"
    raise ZeroDivisionError("too late")


# -- serve -------------------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
def test_an_application_is_served_until_ctrl_c() -> None:
    seen = []
    visit(partial(serve, hello, port=0), lambda url: seen.append(get(url)))
    assert seen == [(200, "Hello")]


def test_the_url_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    server.announce("http://127.0.0.1:8080/")
    assert capsys.readouterr().out == "Serving on http://127.0.0.1:8080/ (Ctrl-C stops it)\n"


@pytest.mark.usefixtures("backend")
def test_ipv6_addresses_are_listened_on() -> None:
    seen = []
    visit(partial(serve, hello, "::1", 0), lambda url: seen.append((url[:12], get(url))))
    assert seen == [("http://[::1]", (200, "Hello"))]


@pytest.mark.usefixtures("backend")
def test_requests_are_answered_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        both.wait()
        return hello(environ, start_response)

    def client(url: str) -> None:
        other = threading.Thread(target=get, args=[url])
        other.start()
        assert get(url) == (200, "Hello")
        other.join()

    visit(partial(serve, app, port=0), client)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/%ff", "/\xff"),
        ("/%C3%A9?x=1", "/\xc3\xa9"),
        ("/a;b=%2F,c", "/a;b=/,c"),
        ("/a//b", "/a//b"),
    ],
)
def test_a_path_arrives_byte_for_byte(path: str, expected: str) -> None:
    seen = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    visit(partial(serve, app, port=0), lambda url: get(url, path))
    assert seen == [expected]


def test_the_path_of_a_whole_url_is_read() -> None:
    """RFC 9112 3.2.2: as a client writes it that takes the server for a proxy."""
    seen = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    visit(partial(serve, app, port=0), lambda url: get(url, f"{url}a%20b?c"))
    assert seen == ["/a b"]


@pytest.mark.usefixtures("backend")
def test_an_error_is_logged_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    seen, errors = [], ""

    def client(url: str) -> None:
        nonlocal errors
        seen.append(get(url, "/x?y=1"))
        deadline = time.monotonic() + 10
        # The line of a request is written after its answer.
        while " HTTP/1.1" not in errors and time.monotonic() < deadline:
            time.sleep(0.02)
            errors += capsys.readouterr().err

    visit(partial(serve, fail, port=0), client)
    assert seen == [(500, "500 Internal Server Error\n\nThe log says what happened.\n")]
    assert "ZeroDivisionError: the secret" in errors
    assert "GET '/x'" in errors
    assert '"GET /x?y=1 HTTP/1.1" 500' in errors


@pytest.mark.usefixtures("backend")
def test_an_error_in_the_middle_of_an_answer_cuts_it_short(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def client(url: str) -> None:
        with pytest.raises(http.client.IncompleteRead):
            get(url)

    visit(partial(serve, fail_late, port=0), client)
    assert "ZeroDivisionError: too late" in capsys.readouterr().err


@pytest.mark.usefixtures("backend")
def test_the_answer_to_a_body_that_is_not_read_arrives() -> None:
    def refuse(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("413 Content Too Large", [("Content-Type", "text/plain")])
        return [b"too large"]

    seen = []
    body = b"x" * 10_000_000

    def client(url: str) -> None:
        for _ in range(5):
            seen.append(get(url, method="POST", body=body))

    visit(partial(serve, refuse, port=0), client)
    assert seen == [(413, "too large")] * 5


def send_for_ever(connection: socket.socket) -> None:
    for _ in range(200):
        connection.sendall(b"more")
        time.sleep(0.05)


def test_what_a_client_may_send_in_vain_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "werkzeug", None)
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.2)

    def client(url: str) -> None:
        address = urlsplit(url).hostname, urlsplit(url).port
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with pytest.raises(OSError, match=r"reset|[Bb]roken"):
                send_for_ever(connection)

    visit(partial(serve, hello, port=0), client)


@pytest.mark.usefixtures("backend")
def test_a_request_that_is_no_http_is_survived(capsys: pytest.CaptureFixture[str]) -> None:
    def client(url: str) -> None:
        for nonsense in (b"\x1b[31m what is this\r\n\r\n", b"", b"GET /\x1b[31m HTTP/1.0\r\n\r\n"):
            address = urlsplit(url).hostname, urlsplit(url).port
            with socket.create_connection(address, timeout=30) as connection:
                connection.sendall(nonsense)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1000):
                    pass
        assert get(url) == (200, "Hello")

    visit(partial(serve, hello, port=0), client)
    assert "\x1b" not in capsys.readouterr().err


def test_a_client_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "werkzeug", None)
    monkeypatch.setattr(server._Handler, "timeout", 0.2)

    def client(url: str) -> None:
        address = urlsplit(url).hostname, urlsplit(url).port
        with socket.create_connection(address, timeout=30) as connection:
            assert connection.recv(1000) == b""

    visit(partial(serve, hello, port=0), client)


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"^cannot listen on 127.0.0.1:{port}: .*in use"):
            serve(hello, port=port)


@pytest.mark.parametrize(
    ("host", "port"),
    [("no.such.host.invalid", 0), ("192.0.2.1", 0)],
)
def test_an_address_that_cannot_be_listened_on_is_an_error(host: str, port: int) -> None:
    with pytest.raises(ServerError, match=f"cannot listen on {host}:{port}"):
        serve(hello, host, port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_an_error(port: int) -> None:
    with pytest.raises(ServerError, match=f"port {port}: give one of 0 to 65535"):
        serve(hello, port=port)


# -- whom the server answers to ------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("app.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_loopback_addresses_are_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("listening", "asked", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8080", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "localhost:8080", 200),
        ("::1", "[::1]:8080", 200),
        ("::1", "[::1]", 200),
        ("127.0.0.1", "evil.example", 421),
        ("127.0.0.1", "evil.example:8080", 421),
        ("127.0.0.1", "localhost:evil.example", 421),
        ("127.0.0.1", "", 421),
        ("0.0.0.0", "evil.example", 200),
    ],
)
def test_a_loopback_server_answers_only_to_names_of_its_machine(
    listening: str, asked: str, status: int
) -> None:
    request = Request.blank("/", environ={"HTTP_HOST": asked})
    response = request.get_response(validator(guard(hello, listening)))
    assert response.status_code == status
    assert (response.text == "Hello") is (status == 200)


def test_a_request_without_a_host_is_answered() -> None:
    """HTTP/1.0 has none, and no browser sends it."""
    request = Request.blank("/")
    del request.environ["HTTP_HOST"]
    assert request.get_response(guard(hello, "127.0.0.1")).status_code == 200


# -- run ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
def test_a_project_is_imported_by_the_first_request(project: Path) -> None:
    seen = []

    def client(url: str) -> None:
        assert "app" not in sys.modules
        seen.append(get(url))

    visit(partial(run, "app:app", port=0, directory=project, reload=False), client)
    assert seen == [(200, "Hello")]


def test_an_application_can_be_run_as_well(tmp_path: Path) -> None:
    visit(partial(run, hello, port=0, directory=tmp_path), lambda url: get(url))
    assert '"GET / HTTP/1.1" 200' in (tmp_path / "logs/request.log").read_text()


@pytest.mark.usefixtures("backend")
def test_a_syntax_error_shows_and_heals(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def client(url: str) -> None:
        (project / "app.py").write_text("def app(:")
        status, text = get(url)
        assert status == 500
        assert "SyntaxError" in text
        (project / "app.py").write_text(HELLO.format("Healed"))
        assert [get(url), get(url)] == [(200, "Healed")] * 2

    visit(partial(run, "app:app", port=0, directory=project, reload=False), client)
    assert "SyntaxError" in (project / "logs/detail.log").read_text()
    assert capsys.readouterr().err.count("SyntaxError:") == 1


def test_the_debugger_is_werkzeugs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    visit(
        partial(run, fail, port=0, directory=project, reload=False),
        lambda url: seen.append(get(url)),
    )
    assert "Werkzeug" in seen[0][1]
    assert "Debugger PIN: " in capsys.readouterr().err


def test_no_page_of_the_debugger_hides_one_of_the_project(project: Path) -> None:
    seen = []
    visit(
        partial(run, hello, port=0, directory=project, reload=False),
        lambda url: seen.append(get(url, "/console")),
    )
    assert seen == [(200, "Hello")]


@pytest.mark.usefixtures("backend")
def test_tracebacks_are_shown_on_this_machine_only(project: Path) -> None:
    seen = []
    visit(
        partial(run, fail, "0.0.0.0", 0, directory=project, reload=False),
        lambda url: seen.append(get(url.replace("0.0.0.0", "127.0.0.1"))),
    )
    assert seen == [(500, "500 Internal Server Error\n\nThe log says what happened.\n")]
    assert "the secret" in (project / "logs/detail.log").read_text()


@pytest.mark.usefixtures("backend")
def test_requests_and_details_have_a_log_each(project: Path) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        logging.getLogger("shop").info("An order came in")
        return hello(environ, start_response)

    visit(
        partial(run, app, port=0, directory=project, reload=False),
        lambda url: get(url, "/a?b"),
    )
    requests = (project / "logs/request.log").read_text()
    details = (project / "logs/detail.log").read_text()
    assert '127.0.0.1 "GET /a?b HTTP/1.1" 200' in requests
    assert "INFO shop An order came in" in details
    assert ("An order" in requests, "GET" in details) == (False, False)


def test_logs_rotate(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOG_BYTES", 100)

    def client(url: str) -> None:
        for _ in range(10):
            get(url)

    visit(partial(run, hello, port=0, directory=project, reload=False), client)
    names = sorted(path.name for path in (project / "logs").glob("request*"))
    assert names == ["request.log", *[f"request.log.{n}" for n in range(1, 6)]]


def test_logging_is_left_as_it_was(project: Path) -> None:
    def state() -> list[object]:
        loggers = [logging.getLogger(), logging.getLogger("wsgikit.server.requests")]
        return [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]

    before = state()
    visit(partial(run, hello, port=0, directory=project), lambda url: get(url))
    assert state() == before


def test_logs_that_cannot_be_written_are_an_error(project: Path) -> None:
    (project / "logs").write_text("")
    with pytest.raises(OSError, match="logs"):
        run("app:app", port=0, directory=project)


def test_a_missing_name_is_an_error_each_time(project: Path) -> None:
    lazy = Lazy("app:nothing", project)
    for _ in range(2):
        with pytest.raises(AttributeError, match="nothing"):
            Request.blank("/").get_response(lazy)


def test_a_body_is_closed_after_an_error() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            raise ZeroDivisionError

        def close(self) -> None:
            closed.append(True)

    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    request = Request.blank("/")
    status, _, body, _ = request.call_application(
        LoggedErrors(app, shown=True), catch_exc_info=True
    )
    assert status == "500 Internal Server Error"
    assert b"ZeroDivisionError" in b"".join(body)
    assert closed == [True]


def test_an_application_may_return_a_mere_list() -> None:
    assert Request.blank("/").get_response(LoggedErrors(hello)).text == "Hello"


# -- starting anew -------------------------------------------------------------------------


def changes(project: Path, act: Callable[[], object], seconds: float = 10) -> list[str]:
    """Give the paths that are told of, while a file is changed."""
    told: list[str] = []
    came = threading.Event()

    def changed(paths: list[str]) -> None:
        told.extend(paths)
        came.set()

    with watching(project, changed, interval=0.02):
        act()
        came.wait(seconds)
    return told


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def test_a_changed_file_is_told_of_once(project: Path) -> None:
    path = project / "app.py"
    assert changes(project, lambda: touch(path)) == [str(path)]


def test_a_deleted_file_is_told_of(project: Path) -> None:
    path = project / "app.py"
    assert changes(project, path.unlink) == [str(path)]


def test_a_change_that_python_cannot_see_is_seen(project: Path) -> None:
    """A .pyc counts as fresh if its source has the same size, and the same time in seconds."""
    path = project / "app.py"
    py_compile.compile(str(path))
    compiled = Path(cache_from_source(str(path)))
    assert compiled.exists()
    assert changes(project, lambda: touch(path)) == [str(path)]
    assert not compiled.exists()


def test_a_file_that_was_added_is_told_of(project: Path) -> None:
    """It may have been imported, and changed since, before anybody looked."""
    path = project / "views/new.py"

    def act() -> None:
        path.parent.mkdir()
        path.write_text("")

    assert changes(project, act) == [str(path)]


def test_importing_a_module_is_no_change(
    tmp_path_factory: pytest.TempPathFactory, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("later") / "wsgikit_test_later.py"
    path.write_text("")
    monkeypatch.syspath_prepend(path.parent)

    def act() -> None:
        __import__("wsgikit_test_later")

    def act_and_change() -> None:
        act()
        time.sleep(0.5)
        touch(path)

    assert changes(project, act, 0.2) == []
    del sys.modules["wsgikit_test_later"]
    assert changes(project, act_and_change) == [str(path)]
    del sys.modules["wsgikit_test_later"]


def test_an_imported_module_from_elsewhere_is_watched(
    tmp_path_factory: pytest.TempPathFactory, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "wsgikit_test_elsewhere.py"
    path.write_text("")
    monkeypatch.syspath_prepend(path.parent)
    __import__("wsgikit_test_elsewhere")
    assert changes(project, lambda: touch(path)) == [str(path)]
    del sys.modules["wsgikit_test_elsewhere"]


@pytest.mark.parametrize(
    "name", ["database.db", ".git/hook.py", "__pycache__/app.py", "venv/lib/site.py"]
)
def test_other_files_are_not_watched(name: str, project: Path) -> None:
    (project / "venv").mkdir()
    (project / "venv/pyvenv.cfg").write_text("")
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert changes(project, lambda: touch(path), 0.2) == []


@contextmanager
def process(project: Path, backend: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    program = (
        "import sys\n"
        f"if {backend == 'wsgiref'}: sys.modules['werkzeug'] = None\n"
        "from wsgikit.server import run\n"
        "run('app:app', port=0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().split()[2], running
        finally:
            running.kill()


def wait_for(url: str, found: Callable[[tuple[int, str]], bool]) -> None:
    """Ask until the answer is as wanted; no answer at all is an error at once."""
    end = time.monotonic() + 30
    while not found(answer := ask(url)):
        assert time.monotonic() < end, answer
        time.sleep(0.05)


def ask(url: str) -> tuple[int, str]:
    try:
        return get(url)
    except (ConnectionResetError, http.client.RemoteDisconnected):
        return 0, ""  # the process started anew while it answered


def test_a_changed_file_starts_the_server_anew_and_heals(project: Path, backend: str) -> None:
    with process(project, backend) as (url, running):
        wait_for(url, lambda answer: answer == (200, "Hello"))
        for text in ("Changed", "Again"):
            (project / "app.py").write_text("def app(:  # " + text)
            wait_for(url, lambda answer: answer[0] == 500 and "SyntaxError" in answer[1])
            (project / "app.py").write_text(HELLO.format(text))
            wait_for(url, lambda answer, text=text: answer == (200, text))  # type: ignore[misc]
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=30)
        assert running.returncode == 0
        assert output == ""
        assert "app.py has changed: starting anew" in errors
        assert "KeyboardInterrupt" not in errors


def test_ctrl_c_ends_quietly(project: Path, backend: str) -> None:
    with process(project, backend) as (url, running):
        get(url)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=30)
        assert (running.returncode, output) == (0, "")
        assert "Traceback" not in errors


def take_over(environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Answer by the connection itself, as a WebSocket does; the server is to do no more."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nfar from HTTP")
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionError


@pytest.mark.parametrize("start", [serve, run])
def test_the_end_of_a_websocket_is_no_error(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def client(url: str) -> None:
        with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=10) as connection:
            connection.sendall(
                b"GET / HTTP/1.1\r\nHost: localhost\r\n"
                b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
            )
            answer = connection.makefile("rb").read()
        assert answer == b"HTTP/1.1 101 Switching Protocols\r\n\r\nfar from HTTP"

    options = {"directory": tmp_path, "reload": False} if start is run else {}
    visit(partial(start, take_over, port=0, **options), client)
    assert "Traceback" not in capsys.readouterr().err
