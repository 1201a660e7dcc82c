"""The examples on every kind of server, and below a prefix: the same answers everywhere."""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from tests.web_servers import SERVERS, running

SECONDS = 30  # what cannot take long is waited for this long, on a loaded machine
ROOT = Path(__file__).parent.parent
PROGRAM = (ROOT / "examples" / "functions.py").read_bytes()


class Server(NamedTuple):
    name: str
    host: str
    prefix: str

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, timeout=SECONDS)


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param, "tests.all_examples:app") as url:
        parts = urlsplit(url)
        yield Server(request.param, parts.netloc, parts.path)


def ask(
    server: Server,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    with closing(server.connect()) as connection:
        connection.request(method, server.prefix + path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


# -- one request ----------------------------------------------------------------------------


def test_functions_answer(server: Server) -> None:
    answer = ask(server, "/functions/hello/Ada")
    assert (answer.status, answer.text) == (200, "Hello, Ada!")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Length"] == "11"


def test_paths_are_utf8(server: Server) -> None:
    assert ask(server, f"/functions/hello/{quote('Zoë')}").status == 404  # {name:alpha}
    assert ask(server, f"/hello/hello/{quote('a b&c=ü☃')}/").text == "Hello, a b&c=ü☃!\n"
    assert ask(server, "/hello/hello/%ff/").status == 400


def test_what_wsgi_says_of_the_path_is_the_same(server: Server) -> None:
    start = f"{server.prefix}/echo/"
    assert ask(server, "/echo/?q=%C3%A9%26").text == f"GET|{start}||q=%C3%A9%26|é&|0"
    assert ask(server, "/echo/a/b;c=1,d").text == f"GET|{start}a/b;c=1,d||||0"
    assert ask(server, "/echo/a%2Fb%20c").text == f"GET|{start}a/b c||||0"


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_bodies_arrive_whole(server: Server, size: int) -> None:
    answer = ask(server, "/echo/", "POST", b"x" * size, {"Content-Type": "text/plain"})
    assert answer.text == f"POST|{server.prefix}/echo/||||{size}"


def test_head_has_headers_only(server: Server) -> None:
    answer = ask(server, "/functions/hello/Ada", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_errors_are_problems_or_pages(server: Server) -> None:
    answer = ask(server, "/functions/hello/Nobody")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body)["detail"] == "There is nobody to greet."
    page = ask(server, "/functions/hello/Nobody", headers={"Accept": "text/html"})
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is nobody to greet." in page.text


def test_methods_that_are_not_there_are_refused(server: Server) -> None:
    answer = ask(server, "/functions/hello/", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    answer = ask(server, "/functions/hello/", "OPTIONS")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert answer.body == b""


def test_links_begin_with_the_prefix(server: Server) -> None:
    links = re.findall('href="([^"]*)"', ask(server, "/counter/").text)
    assert links == [f"{server.prefix}/counter{path}" for path in ("/count/1/", "/people/1/")]


def test_redirects_begin_with_the_prefix(server: Server) -> None:
    answer = ask(server, "/hello/hello/Ada?x=%C3%A9")
    assert answer.status == 308
    assert answer.headers["Location"] == f"{server.prefix}/hello/hello/Ada/?x=%C3%A9"


def test_a_row_comes_from_the_pool(server: Server) -> None:
    assert ask(server, "/counter/people/2/").text == "<p>Grace"
    assert ask(server, "/counter/people/3/").status == 404
    assert ask(server, "/counter/people/x/").status == 404


def test_middlewares_are_around_it(server: Server) -> None:
    headers = ask(server, "/counter/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server-Timing"].startswith("app;dur=")


def test_forms_lead_on_by_absolute_urls(server: Server) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    answer = ask(server, "/shapes/col/", "POST", b"text=hello", sent)
    assert answer.status == 303
    location = rf"http://{server.host}{server.prefix}/shapes/col;\d+/"
    assert re.fullmatch(location, answer.headers["Location"])


def test_forms_of_other_sites_are_refused(server: Server) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}
    assert ask(server, "/shapes/col/", "POST", b"text=hello", sent).status == 403


def test_files_are_served_whole_in_part_and_not_again(server: Server) -> None:
    path = "/static/functions.py"
    whole = ask(server, path)
    assert (whole.status, whole.body) == (200, PROGRAM)
    assert whole.headers["Content-Length"] == str(len(PROGRAM))
    part = ask(server, path, headers={"Range": "bytes=3-12"})
    assert (part.status, part.body) == (206, PROGRAM[3:13])
    assert part.headers["Content-Range"] == f"bytes 3-12/{len(PROGRAM)}"
    known = ask(server, path, headers={"If-None-Match": whole.headers["ETag"]})
    assert (known.status, known.body) == (304, b"")
    assert ask(server, path, headers={"Range": "bytes=99999-"}).status == 416


@pytest.mark.parametrize(
    "path",
    ["../README.md", "%2e%2e/README.md", "..%2fREADME.md", "airports/", "", "functions.py%00"],
)
def test_there_is_no_way_out_of_a_directory(server: Server, path: str) -> None:
    assert ask(server, f"/static/{path}").status == 404


SENT = {"Accept": "application/json", "Content-Type": "application/json"}


def create(server: Server, path: str, row: dict[str, str]) -> str:
    """Create a row; give the path of its URL, without the prefix."""
    answer = ask(server, path, "POST", json.dumps(row).encode(), SENT)
    assert answer.status == 201
    assert json.loads(answer.body).items() >= row.items()
    start = f"http://{server.host}{server.prefix}"
    assert answer.headers["Location"].startswith(f"{start}{path}")
    return answer.headers["Location"].removeprefix(start)


def test_rows_are_created_read_changed_and_removed(server: Server) -> None:
    post = create(server, "/blog/blog/", {"title": "Zoë"})
    seen = ask(server, post, headers=SENT)
    assert json.loads(seen.body)["title"] == "Zoë"
    tag = seen.headers["ETag"]
    assert ask(server, post, headers={**SENT, "If-None-Match": tag}).status == 304
    change = {**SENT, "If-Match": tag}
    assert ask(server, post, "PATCH", b'{"title": "New"}', change).status == 200
    assert ask(server, post, "PATCH", b'{"title": "Old"}', change).status == 412
    assert ask(server, post, "PUT", b"{}", SENT).status == 422
    assert ask(server, post, "PUT", b'{"title"', SENT).status == 400
    assert ask(server, post, "DELETE").status == 204
    assert ask(server, post, headers=SENT).status == 404


def test_lists_lead_on_and_are_exported_whole(server: Server) -> None:
    post = create(server, "/blog/blog/", {"title": "With comments"})
    for author in ("Ada", "Bob", "Cyd"):
        comment = create(server, f"{post}/comments/", {"author": author, "body": "…"})
    assert ask(server, comment.replace(post, f"{post}0"), headers=SENT).status == 404
    page = json.loads(ask(server, f"{post}/comments/?limit=2&sort=author", headers=SENT).body)
    assert page["next"].startswith(f"{server.prefix}{post}/comments/?")
    rest = json.loads(ask(server, page["next"].removeprefix(server.prefix), headers=SENT).body)
    authors = [row["author"] for row in page["data"] + rest["data"]]
    assert authors == ["Ada", "Bob", "Cyd"]
    export = ask(server, f"{post}/comments/?limit=all&format=csv&fields=author,body")
    assert export.text == "author,body\r\nAda,…\r\nBob,…\r\nCyd,…\r\n"
    query = ask(server, f"{post}/comments/", "QUERY", b'{"author__gt": "B"}', SENT)
    assert [row["author"] for row in json.loads(query.body)["data"]] == ["Bob", "Cyd"]


def test_a_paste_is_sent_by_a_form_and_read(server: Server) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    answer = ask(server, "/pastes/", "POST", b"code=print%28%22%C3%A9%22%29", sent)
    assert answer.status == 303
    start = f"http://{server.host}{server.prefix}"
    paste = answer.headers["Location"].removeprefix(start)
    assert re.fullmatch(r"/pastes/\d+", paste)
    assert ask(server, f"{paste};raw").text == 'print("é")'
    page = ask(server, paste, headers={"Accept": "text/html"}).text
    assert f'href="{server.prefix}{paste};raw"' in page


def test_every_link_of_a_page_begins_with_the_prefix(server: Server) -> None:
    post = create(server, "/blog/blog/", {"title": "Linked"})
    for path in ("/blog/", "/blog/blog/", post, f"{post};edit_form", f"{post}/comments/;new_form"):
        page = ask(server, path, headers={"Accept": "text/html"})
        links = re.findall(r' (?:href|src|action)="((?!data:|#|\?)[^"]+)"', page.text)
        assert len(links) > 2
        assert [link for link in links if not link.startswith(f"{server.prefix}/blog/")] == []


def test_events_are_sent(server: Server) -> None:
    answer = ask(server, "/events")
    assert answer.body == b":\n\ndata: one\ndata: two\n\nid: 3\ndata: three\n\n"
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store, no-transform"


# -- answers without an end -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "first"),
    [("/counting/", b"0<br>\n1<br>\n2<br>\n"), ("/listening", b":\n\ndata: hello\n\n:\n\n")],
)
def test_a_stream_is_not_held_back_and_ends_when_its_reader_leaves(
    server: Server, path: str, first: bytes
) -> None:
    with closing(server.connect()) as connection:
        connection.request("GET", server.prefix + path)
        response = connection.getresponse()
        assert response.status == 200
        assert response.read(len(first)) == first
        response.close()
    deadline = time.monotonic() + SECONDS
    while ask(server, "/open").text != "0 0":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "server",
    ["wsgikit", "waitress", "gunicorn-gthread", "gunicorn-gevent", "granian"],
    indirect=True,
    scope="module",
)
def test_a_limit_below_the_number_of_threads_leaves_some_for_others(server: Server) -> None:
    """At most eight threads, and eight clients that stay: without the limit, a ninth would wait."""
    with ExitStack() as stack:
        answers = []
        for _ in range(8):
            connection = stack.enter_context(closing(server.connect()))
            connection.request("GET", f"{server.prefix}/few/")
            answers.append(stack.enter_context(connection.getresponse()).status)
        assert sorted(answers) == [200] * 4 + [503] * 4
        assert ask(server, "/functions/hello/").status == 200


@pytest.mark.parametrize(
    "server", [name for name in SERVERS if name != "cgi"], indirect=True, scope="module"
)
def test_several_requests_go_over_one_connection(server: Server) -> None:
    """An answer without a body, or one that was cut, must not be mixed up with the next."""
    with closing(server.connect()) as connection:
        for method, path, status in [
            ("GET", "/functions/hello/", 200),
            ("HEAD", "/functions/hello/", 200),
            ("OPTIONS", "/functions/hello/", 204),
            ("GET", "/events", 200),
            ("HEAD", "/listening", 200),
            ("HEAD", "/static/functions.py", 200),
            ("POST", "/echo/", 200),
            ("GET", "/absent", 404),
            ("GET", "/functions/hello/", 200),
        ]:
            connection.request(method, server.prefix + path, b"x" if method == "POST" else None)
            response = connection.getresponse()
            response.read()
            assert (method, path, response.status) == (method, path, status)


# -- a program for each request -------------------------------------------------------------


def test_a_cgi_program_answers_from_its_environment() -> None:
    """In an interpreter of its own, as a web server starts it."""
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH_INFO": "/hello/Zoë/",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/cgi-bin/program",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    command = [sys.executable, "-m", "tests.web_servers", "run-cgi", "examples.hello:app"]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    head, _, body = output.partition(b"\r\n\r\n")
    assert head.startswith(b"Status: 200 OK\r\n")
    assert body.decode() == "Hello, Zoë!\n"
