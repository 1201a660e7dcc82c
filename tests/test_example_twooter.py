"""examples/twooter: resources of ORM classes, and a chat over WebSockets."""

import http.client
import os
import queue
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import WSGIApplication

import pytest
import socketio
from sqlalchemy import Engine
from webob import Request, Response

from examples.twooter import make_app
from tests.redis_server import valkey
from tests.web_servers import running

ROOT = Path(__file__).parent.parent
SECONDS = 30
APP = "examples.twooter:make_app()"
THREADS = ("gunicorn-gthread", APP, "--threads=20")


# -- resources ------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest) -> WSGIApplication:
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return make_app(engine.url.render_as_string(hide_password=False))


def ask(app: WSGIApplication, method: str, path: str, json: Any = None, **rest: Any) -> Response:
    rest.setdefault("accept", "application/json")
    if json is not None:
        rest |= {"json": json, "content_type": "application/json"}
    return Request.blank(path, method=method, **rest).get_response(app)


def test_classes_are_resources(app: WSGIApplication) -> None:
    assert ask(app, "POST", "/users/", {"name": "Ada"}).json == {"id": 1, "name": "Ada"}
    assert ask(app, "POST", "/users/", {"name": "Ada"}).status_int == 409
    twoot = ask(app, "POST", "/twoots/", {"user_id": 1, "text": "Hello"})
    assert twoot.headers["Location"] == "http://localhost/twoots/1"
    assert re.match("20..-..-..T", twoot.json["written"])
    assert ask(app, "POST", "/twoots/", {"user_id": 2, "text": "Hello"}).status_int == 409
    assert ask(app, "POST", "/twoots/", {"user_id": 1, "text": "x" * 141}).status_int == 422
    found = ask(app, "GET", "/twoots/?user_id.name=Ada&embed=user_id&fields=text,user_id").json
    assert found["data"] == [{"text": "Hello", "user_id": {"id": 1, "name": "Ada"}}]
    assert ask(app, "DELETE", "/users/1").status_int == 409
    assert ask(app, "DELETE", "/twoots/1").status_int == 204
    assert ask(app, "DELETE", "/users/1").status_int == 204


def test_the_home_page_lists_what_there_is(app: WSGIApplication) -> None:
    links = re.findall("<main.*</main>", ask(app, "GET", "/", accept="text/html").text, re.S)
    assert re.findall('href="(/[a-z]+/?)"', links[0]) == ["/users/", "/twoots/", "/chat"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"name": "Ada", "text": "Hello"}', 204),
        ("application/x-www-form-urlencoded", b"name=Ada&text=Hello", 204),
        ("application/json", b'{"name": "Ada"}', 400),
        ("application/json", b'{"name": "Ada", "text": 7}', 400),
        ("application/json", b'["Ada", "Hello"]', 400),
        ("application/x-www-form-urlencoded", b"name=Ada&text=a&text=b", 400),
        ("text/plain", b"Hello", 415),
    ],
)
def test_what_is_no_message_is_refused(tmp_path: Path, kind: str, body: bytes, status: int) -> None:
    app = make_app(f"sqlite:///{tmp_path}/twooter.db")
    assert ask(app, "POST", "/chat", body=body, content_type=kind).status_int == status


# -- a chat in one process ------------------------------------------------------------------------


@contextmanager
def desk(directory: Path) -> Iterator[str]:
    """Run it as its documentation says; give the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.twooter"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield re.findall("http://[0-9.:]+", process.stdout.readline())[0]
    finally:
        process.terminate()
        printed, _ = process.communicate()
    assert "Traceback" not in printed


@pytest.fixture(params=["desk", "threads"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Iterator[str]:
    """Twooter in one process: the development server, and gunicorn's threads."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/twooter.db")
    with desk(tmp_path) if request.param == "desk" else running(*THREADS) as url:
        yield url


def post(url: str, name: str, text: str, **headers: str) -> int:
    """Say something, as curl does."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/chat", f"name={name}&text={text}", kind | headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def said(page: Any) -> list[str]:
    found: list[str] = page.locator("#messages li").all_inner_texts()
    return [text for text in found if not text.startswith("Guest")]


def test_two_tabs_see_each_other_at_once(browser: Any, url: str) -> None:
    errors: list[str] = []
    tabs = []
    for _ in range(2):
        tab = browser.new_page()
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(url)
        tab.click("main >> role=link[name=chat]")
        tab.wait_for_selector("li:has-text('came')")
        tabs.append(tab)
    first, second = tabs
    first.wait_for_selector("li:has-text('came') >> nth=1")
    first.fill("[name=name]", "Ada")
    first.fill("[name=text]", "<b>Hello</b>")
    first.click("text=Say")
    second.wait_for_selector("li:has-text('Hello')")
    second.fill("[name=name]", "Bob")
    second.fill("[name=text]", "Oh")
    second.press("[name=text]", "Enter")
    first.wait_for_selector("li:has-text('Oh')")
    assert post(url, "curl", "all") == 204
    for tab in tabs:
        tab.wait_for_selector("li:has-text('curl: all')")
        assert said(tab) == ["Ada: <b>Hello</b>", "Bob: Oh", "curl: all"]
        assert tab.input_value("[name=text]") == ""
    second.close()
    first.wait_for_selector("li:has-text('left')")
    first.close()
    assert errors == []


def test_people_write_and_remove_twoots_in_a_browser(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}/users/;new_form")
    page.fill("[name=name]", "Ada")
    page.click("text=Save")
    page.goto(url)
    page.click("main >> role=link[name=twoots]")
    page.click("role=link[name=New]")
    page.select_option("[name=user_id]", label="Ada")
    page.fill("[name=text]", "Helo")
    page.click("text=Save")
    page.click("role=link[name=Edit]")
    page.fill("[name=text]", "Hello")
    page.click("text=Save")
    assert "Hello" in page.inner_text("dl")
    page.click("role=link[name=Delete]")
    page.click("main >> role=button[name=Delete]")
    assert page.url == f"{url}/twoots/"
    page.close()


def test_other_sites_have_no_say(url: str) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    assert post(url, "Eve", "spam", **origin) == 403
    with pytest.raises(socketio.exceptions.ConnectionError):
        socketio.Client().connect(url, origin, transports=["websocket"])


# -- a chat of two workers ------------------------------------------------------------------------


class Person:
    """Somebody who listens."""

    def __init__(self, url: str) -> None:
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        for name in ("chat", "came", "left"):
            self.client.on(name, lambda what, name=name: self.heard.put((name, what)))
        self.client.connect(url, transports=["websocket"], wait_timeout=SECONDS)

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.wait()

    @property
    def number(self) -> str:
        return str(self.client.get_sid())[:4]

    @property
    def worker(self) -> int:
        """The process at the other end, by the inode of its socket."""
        socket = self.client.eio.ws.sock
        ends = [f":{socket.getpeername()[1]:04X}", f":{socket.getsockname()[1]:04X}", "01"]
        lines = map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
        # Local and remote address, and state: those that are closed stay for a while (proc(5)).
        inode = next(f[9] for f in lines if [f[1][-5:], f[2][-5:], f[3]] == ends)
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if os.readlink(link) == f"socket:[{inode}]":
                    return int(link.parts[2])
            except OSError:
                continue
        raise LookupError(inode)

    def hears(self, event: tuple[str, Any]) -> bool:
        """Wait for an event."""
        while self.heard.get(timeout=SECONDS) != event:
            pass
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_two_workers_share_a_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(valkey(tmp_path))
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/twooter.db")
        monkeypatch.setenv("REDIS_URL", server.url)
        url = stack.enter_context(running("gunicorn-gevent", APP, "--workers=2"))
        people: dict[int, Person] = {}
        while len(people) < 2:  # whichever worker takes a connection first has it
            person = stack.enter_context(Person(url))
            people.setdefault(person.worker, person)
        first, second = people.values()
        first.client.emit("chat", {"name": "Ada", "text": "Hello"})
        for person in (first, second):
            assert person.hears(("chat", {"name": "Ada", "text": "Hello"}))
        assert post(url, "curl", "all") == 204
        for person in (first, second):
            assert person.hears(("chat", {"name": "curl", "text": "all"}))
        assert first.client.call("chat", "no message", timeout=SECONDS) is False
        number = first.number
        first.client.disconnect()
        assert second.hears(("left", number))


def test_polling_is_refused_where_there_are_several_workers(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        app = make_app(f"sqlite:///{tmp_path}/twooter.db", server.url)
        assert ask(app, "GET", "/socket.io/?EIO=4&transport=polling").status_int == 400
