"""The tutorial, command by command, as a newcomer types it; then the same in a real browser.

The commands, the files and what they print are read from docs/tutorial.md, so the two cannot
drift apart.
"""

import doctest
import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from wsgikit.server import INTERVAL

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs/tutorial.md"
BLOCK = re.compile(r"^```(?P<language>[^\n]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTION = re.compile(r":caption: (?P<file>\S+)\n\n(?P<text>.*)", re.DOTALL)

#: Typed by a person only: what the tests run in is installed already.
NOT_RUN = ("python3 -m venv", ". .venv", "pip ")


class Terminal:
    """A person at a terminal, in a directory, with an environment.

    Args:
        directory: Where to begin.
        without: Modules that are not installed there.
    """

    def __init__(self, directory: Path, without: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.url = ""
        self.server: subprocess.Popen[str] | None = None
        self.program = (
            f"import sys; sys.modules.update(dict.fromkeys({without!r}))\n"
            "from wsgikit.cli import main; sys.exit(main())"
        )
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
        self.environ.pop("DATABASE_URL", None)

    def type(self, command: str) -> str:
        """Run a command; give what it prints."""
        name, *arguments = shlex.split(command)
        if name == "cd":
            self.directory /= arguments[0]
            return ""
        if name == "curl":
            return self.curl(arguments)
        if name == "wsgikit" and arguments[0] in ("run", "serve"):
            return self.start([*arguments, "--port", "0"])
        words = self.python(arguments) if name == "wsgikit" else [sys.executable, *arguments]
        return subprocess.run(
            words,
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        ).stdout

    def python(self, arguments: list[str]) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", self.program, *arguments]

    def start(self, arguments: list[str]) -> str:
        """Start a server; give what it prints until requests are taken."""
        self.stop()
        self.server = subprocess.Popen(
            self.python(arguments),
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.server.stdout is not None
        printed = ""
        for line in self.server.stdout:
            printed += line
            if line.startswith("Serving on "):
                self.url = line.split()[2].rstrip("/")
                break
        return printed.replace(self.url, "http://127.0.0.1:8080")

    def stop(self) -> None:
        """Type Ctrl-C if there is a server.

        Not while it starts anew for a file that was written a moment ago: a signal that meets
        Python before its first line of ours ends it in other ways.
        """
        if self.server is not None:
            server, self.server = self.server, None
            time.sleep(2 * INTERVAL)
            self.see("/")
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=30)
            assert server.returncode == 0

    def curl(self, arguments: list[str]) -> str:
        """Do what curl does, as far as the tutorial needs it."""
        method, body, headers = "GET", None, {"Accept": "*/*"}
        words = iter(arguments)
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "--json":
                method, body = ("POST" if method == "GET" else method), next(words)
                headers = dict.fromkeys(("Accept", "Content-Type"), "application/json")
            else:
                path = word.removeprefix("http://127.0.0.1:8080")
        return self.request(method, path, body, **headers)[2]

    def request(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for _ in range(2):
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
            try:
                connection.request(method, path, body and body.encode(), named)
                response = connection.getresponse()
                text = response.read().decode()
                return response.status, {k.lower(): v for k, v in response.getheaders()}, text
            except (ConnectionResetError, http.client.RemoteDisconnected):
                continue  # the server started anew while it answered
            finally:
                connection.close()
        raise AssertionError("the server does not answer")

    def see(self, path: str) -> str:
        """Give the page at a path."""
        return self.request("GET", path, Accept="text/html")[2]

    def submit(self, path: str, **fields: str) -> tuple[int, dict[str, str], str]:
        """Open the page at a path, fill in its form, and send that as a browser does."""
        form = re.search(r"<form.*?</form>", self.see(path), re.DOTALL)
        assert form is not None
        action = unescape(re.findall(r'action="([^"]*)"', form[0])[0])
        values = {}
        for control in re.findall(r"<input[^>]*>", form[0]):
            name, value = (re.search(rf'{key}="([^"]*)"', control) for key in ("name", "value"))
            assert name is not None
            values[unescape(name[1])] = unescape(value[1]) if value else ""
        assert set(fields) <= set(values)
        kind = "application/x-www-form-urlencoded"
        body = urlencode({**values, **fields})
        return self.request("POST", action, body, Accept="text/html", Content_Type=kind)

    def wait_for(self, path: str, found: Callable[[str], bool]) -> None:
        """Reload a page until it is as wanted."""
        end = time.monotonic() + 30
        while not found(page := self.see(path)):
            assert time.monotonic() < end, page
            time.sleep(0.1)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    with ExitStack() as stack:

        def sit_down(*without: str) -> Terminal:
            terminal = Terminal(tmp_path, without)
            stack.callback(terminal.stop)
            return terminal

        yield sit_down


def steps() -> Iterator[tuple[str, str, str]]:
    """Give what the tutorial says to do: ("type", command, output) or ("write", file, text)."""
    for block in BLOCK.finditer(TUTORIAL.read_text(encoding="utf-8")):
        if block["language"] == "console":
            for step in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, output = step.partition("\n")
                if not command.startswith(NOT_RUN):
                    yield "type", command, output
        else:
            caption = CAPTION.fullmatch(block["text"])
            assert caption is not None
            yield "write", caption["file"], caption["text"]


def as_printed(expected: str, printed: str) -> bool:
    """Whether a text is as expected, where ... stands for anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected, printed, flags)


# What a person does in the browser after a step, by the step's command or file.


def create_employees(terminal: Terminal) -> None:
    assert "Nothing here yet." in terminal.see("/employees/")
    assert ";new_form" in terminal.see("/employees/")
    for number, name in enumerate(["Ada", "Grace", "Bob"], 1):
        status, headers, _ = terminal.submit(
            "/employees/;new_form", name=name, title="Ms", office_number="7"
        )
        assert status == 303
        assert urlsplit(headers["location"]).path == f"/employees/{number}"
        assert name in terminal.see(f"/employees/{number}")
    status, _, page = terminal.submit("/employees/;new_form", name="", office_number="upstairs")
    assert status == 422
    assert "upstairs" in page
    assert terminal.submit("/employees/1;edit_form", name="Ada L.")[0] == 303
    assert "Ada L." in terminal.see("/employees/")
    assert terminal.submit("/employees/3;delete_form")[0] == 303
    assert "Bob" not in terminal.see("/employees/")


def wait_for_json(terminal: Terminal) -> None:
    terminal.wait_for("/employees/?format=json", lambda text: text.startswith('{"data"'))
    assert "Grace" in terminal.see("/employees/")


def see_the_new_heading(terminal: Terminal) -> None:
    terminal.wait_for("/employees/", lambda page: "<h1" in page and "Who works here" in page)
    assert "<title>Who works here</title>" in terminal.see("/employees/")


def break_and_mend_fred(terminal: Terminal) -> None:
    assert "Hello World!" in terminal.see("/fred/")
    assert "Item 7" in terminal.see("/fred/7")
    for path in ("/nosuchview/", "/__init__/", "/..%2f..%2fetc/", "/os/"):
        assert terminal.request("GET", path)[0] == 404
    view = terminal.directory / "views/fred.py"
    text = view.read_text()
    view.write_text(text.replace("Hello World!", "Hello again!"))
    terminal.wait_for("/fred/", lambda page: "Hello again!" in page)
    view.write_text(text.replace("def list(", "def list("[:-1]))
    terminal.wait_for("/fred/", lambda page: "SyntaxError" in page)
    view.write_text(text)
    terminal.wait_for("/fred/", lambda page: "Hello World!" in page)
    assert "/fred/" in (terminal.directory / "logs/request.log").read_text()
    assert "SyntaxError" in (terminal.directory / "logs/detail.log").read_text()


def only_read(terminal: Terminal) -> None:
    page = terminal.see("/employees/")
    assert "Ada Lovelace" in page
    assert ";new_form" not in page
    assert terminal.request("POST", "/employees/", "{}")[0] == 405


IN_THE_BROWSER: dict[str, Callable[[Terminal], None]] = {
    "wsgikit run": create_employees,
    "views/employees.py": wait_for_json,
    "templates/employees/list.html": see_the_new_heading,
    "wsgikit addview fred": break_and_mend_fred,
    "wsgikit serve database.db": only_read,
}


@pytest.mark.parametrize("without", [(), ("werkzeug", "msgspec")], ids=["dev", "plain"])
def test_the_tutorial_goes_as_it_says(
    without: tuple[str, ...], terminal: Callable[..., Terminal]
) -> None:
    person = terminal(*without)
    done = []
    for kind, what, text in steps():
        if kind == "write":
            (person.directory / what).write_text(text, encoding="utf-8")
        else:
            printed = person.type(what)
            assert as_printed(text, printed), f"$ {what}\n{printed}\n-- expected:\n{text}"
        if what in IN_THE_BROWSER:
            IN_THE_BROWSER[what](person)
        done.append(what)
    assert set(IN_THE_BROWSER) <= set(done)
    person.stop()


def test_the_session_in_a_browser(terminal: Callable[..., Terminal], browser: Any) -> None:
    """With a style sheet that loads, and nothing that the Content-Security-Policy blocks."""
    from playwright.sync_api import expect  # slow to import, and only here

    person = terminal()
    person.type("wsgikit createproject myproject")
    person.type("cd myproject")
    person.type("wsgikit addmodelview employees --type html,json")
    (model,) = (text for kind, what, text in steps() if what == "models/employees.py")
    (person.directory / "models/employees.py").write_text(model)
    person.type("wsgikit createdb")
    person.type("wsgikit run")
    page = browser.new_page()
    complaints: list[str] = []

    def note(message: Any) -> None:
        # A page that is still on its way has no icon yet, and Chromium asks for one.
        if not message.location["url"].endswith("/favicon.ico"):
            complaints.append(f"{message.text} {message.location}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(person.url)
    page.get_by_role("link", name="employees").click()
    for name in ("Ada Lovelace", "Grace Hopper"):
        page.get_by_role("link", name="New").click()
        page.get_by_label("Name").fill(name)
        page.get_by_label("Office number").fill("12")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("heading", name=name).wait_for()
        page.get_by_role("link", name="employees").click()
    expect(page.get_by_role("row")).to_have_count(3)  # the head's, and two

    page.get_by_role("link", name="1", exact=True).click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Title").fill("Analyst")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Analyst").wait_for()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row")).to_have_count(2)
    assert complaints == []
    page.get_by_role("link", name="JSON").click()
    page.get_by_text("Grace Hopper").wait_for()
    page.close()


def test_the_project_is_served_by_any_wsgi_server(terminal: Callable[..., Terminal]) -> None:
    """``dispatcher:app`` is all that there is to say; ``wsgikit run`` is not needed."""
    person = terminal()
    person.type("wsgikit createproject myproject")
    person.type("cd myproject")
    person.type("wsgikit addview fred --type json")
    program = (
        "from wsgiref.util import setup_testing_defaults as setup; from dispatcher import app; "
        "environ = {'PATH_INFO': '/fred/'}; setup(environ); "
        "print(b''.join(app(environ, lambda *head: None)).decode())"
    )
    printed = person.type(shlex.join(["python", "-W", "ignore", "-c", program]))
    assert printed == '{"message":"Hello World!"}\n'
