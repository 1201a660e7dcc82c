"""examples/counter.py: what it answers, and to a thousand clients at once."""

import http.client
import re
import resource
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from examples.counter import Config, make_app
from tests.web_servers import running

CLIENTS = 1000
SECONDS = 60  # what takes a few is waited for this long, on a loaded machine

# What the docstring says, on a free port.
GEVENT = ("gunicorn-gevent", "--worker-connections=1200")
GTHREAD = ("gunicorn-gthread", "--threads=1200", "--worker-connections=1400")


@pytest.fixture
def app(tmp_path: Path) -> WSGIApplication:
    return make_app(Config(database=f"sqlite:///{tmp_path}/counter.db", streams=1, seconds=0))


def ask(app: WSGIApplication, path: str) -> Response:
    response = Request.blank(path).get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


# -- one client -----------------------------------------------------------------------------


def test_the_home_page_leads_to_the_others(app: WSGIApplication) -> None:
    response = ask(app, "/")
    assert re.findall('href="([^"]*)"', response.text) == ["/count/1/", "/people/1/"]
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Server-Timing"].startswith("app;dur=")


def test_a_person_is_found_by_a_number(app: WSGIApplication) -> None:
    assert ask(app, "/people/2/").text == "<p>Grace"
    assert ask(app, "/people/3/").json["detail"] == "There is no such person."
    assert ask(app, "/people/two/").status_int == 404


def test_the_count_goes_on_as_long_as_somebody_reads(app: WSGIApplication) -> None:
    response = Request.blank("/count/7/").get_response(app)
    assert list(islice(response.app_iter, 3)) == [b"7<br>\n", b"8<br>\n", b"9<br>\n"]
    assert ask(app, "/count/").status == "503 Service Unavailable"
    response.app_iter.close()
    again = Request.blank("/count/").get_response(app)
    assert list(islice(again.app_iter, 1)) == [b"0<br>\n"]
    again.app_iter.close()


def test_two_applications_have_nothing_in_common(app: WSGIApplication, tmp_path: Path) -> None:
    other = make_app(Config(database=f"sqlite:///{tmp_path}/other.db", streams=1, seconds=0))
    streams = [Request.blank("/count/").get_response(each) for each in (app, other)]
    assert [stream.status_int for stream in streams] == [200, 200]
    for stream in streams:
        stream.app_iter.close()


# -- a thousand -----------------------------------------------------------------------------


class Crowd:
    """Clients that read lines, in one thread; how many each of them has."""

    def __init__(self, host: str, path: str, size: int) -> None:
        self.lines = [0] * size
        self.gone = 0
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._read)
        name, _, port = host.partition(":")
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        for number in range(size):
            client = socket.create_connection((name, int(port)), timeout=SECONDS)
            client.sendall(request)
            client.setblocking(False)
            self._sockets.append(client)
            self._selector.register(client, selectors.EVENT_READ, number)
        self._thread.start()

    def _read(self) -> None:
        while not self._leave.is_set():
            for key, _ in self._selector.select(timeout=0.1):
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                self.lines[key.data] += data.count(b"<br>\n")
                if not data:
                    self.gone += 1
                    self._selector.unregister(key.fileobj)

    def wait_for(self, lines: int) -> None:
        """Return when every client has read so many lines."""
        deadline = time.monotonic() + SECONDS
        while min(self.lines) < lines:
            assert time.monotonic() < deadline, f"{sum(n < lines for n in self.lines)} still wait"
            time.sleep(0.02)

    def leave(self) -> None:
        self._leave.set()
        self._thread.join()
        self._selector.close()
        for client in self._sockets:
            client.close()


@pytest.fixture
def _many_files() -> Iterator[None]:
    """A thousand connections are a thousand files, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS * 2 if hard == resource.RLIM_INFINITY else min(CLIENTS * 2, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(host: str) -> Iterator[Crowd]:
    clients = Crowd(host, "/count/", CLIENTS)
    try:
        yield clients
    finally:
        clients.leave()


def get(host: str, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(host, timeout=SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return (
            response.status,
            b"" if path == "/count/" and response.status == 200 else response.read(),
        )


def seconds_of_a_request(host: str) -> float:
    start = time.perf_counter()
    assert get(host, "/people/1/") == (200, b"<p>Ada")
    return time.perf_counter() - start


@pytest.mark.usefixtures("_many_files")
@pytest.mark.parametrize(("server", "options"), [(n, o) for n, *o in (GEVENT, GTHREAD)])
def test_a_thousand_clients_read_while_others_are_answered_at_once(
    server: str, options: list[str]
) -> None:
    with running(server, "examples.counter:make_app()", *options) as url:
        host = urlsplit(url).netloc
        with crowd(host) as clients:
            clients.wait_for(1)
            before = list(clients.lines)
            times = []
            for _ in range(20):
                times.append(seconds_of_a_request(host))
                time.sleep(0.1)
            assert statistics.median(times) < 0.1
            assert get(host, "/count/")[0] == 503  # one more is one too many
            clients.wait_for(3)
            assert clients.gone == 0
            assert min(now - then for now, then in zip(clients.lines, before, strict=True)) >= 2
        deadline = time.monotonic() + SECONDS
        while get(host, "/count/")[0] != 200:  # the server notices that they have left
            assert time.monotonic() < deadline
            time.sleep(0.1)
