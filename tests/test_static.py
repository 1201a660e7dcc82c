"""wsgikit.static: files as they are, what is known or wanted of them, and no way out."""

import http.client
import os
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.static import CHUNK, content_type, static

TEXT = b"0123456789"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with files in it, below one that holds a secret."""
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "static"
    (root / "css").mkdir(parents=True)
    (root / "css" / "style.css").write_text("body {}")
    (root / "text.txt").write_bytes(TEXT)
    (root / "empty").touch()
    return root


@pytest.fixture
def app(root: Path) -> WSGIApplication:
    return static(root)


def ask(app: WSGIApplication, path: str, method: str = "GET", **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return finished(app, Request.blank(path, method=method, headers=names))


def finished(app: WSGIApplication, request: Request) -> Response:
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)  # read to its end, and closed
    return response


# -- whole files ----------------------------------------------------------------------------


def test_a_file_is_served_as_it_is(app: WSGIApplication, root: Path) -> None:
    response = ask(app, "/css/style.css")
    assert (response.status, response.body) == ("200 OK", b"body {}")
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["Content-Length"] == "7"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    modified = (root / "css" / "style.css").stat().st_mtime
    assert response.headers["Last-Modified"] == formatdate(int(modified), usegmt=True)


def test_head_has_the_same_headers_and_no_body(app: WSGIApplication) -> None:
    got, head = ask(app, "/text.txt"), ask(app, "/text.txt", "HEAD")
    assert (head.status, head.body) == ("200 OK", b"")
    assert head.headerlist == got.headerlist


def test_a_large_file_comes_in_pieces(app: WSGIApplication, root: Path) -> None:
    data = os.urandom(2 * CHUNK + 1)
    (root / "large").write_bytes(data)
    response = Request.blank("/large").get_response(app)
    assert [len(chunk) for chunk in response.app_iter] == [CHUNK, CHUNK, 1]
    response.app_iter.close()
    assert ask(app, "/large").body == data


def test_an_empty_file_is_a_file(app: WSGIApplication) -> None:
    response = ask(app, "/empty")
    assert (response.status, response.body, response.content_length) == ("200 OK", b"", 0)


def test_a_name_may_hold_anything_else(app: WSGIApplication, root: Path) -> None:
    for name in ("naïve & co.txt", "a%2Fb", "~", "a..", "a:b", "a b+c", "snow\u2603"):
        (root / name).write_text(name)
        request = Request.blank("/")
        request.environ["PATH_INFO"] = "/" + name.encode().decode("latin-1")
        assert finished(app, request).body == name.encode()


def test_caches_are_told_what_the_application_says(root: Path) -> None:
    app = static(root, cache="public, max-age=60")
    tag = ask(app, "/text.txt").headers["ETag"]
    for headers in ({}, {"If_None_Match": tag}, {"Range": "bytes=0-1"}):
        assert ask(app, "/text.txt", **headers).headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("A.TXT", "text/plain; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.ico", "image/x-icon"),
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("a.tgz", "application/gzip"),
        ("a.csv.bz2", "application/x-bzip2"),
        ("a.txt.br", "application/octet-stream"),
        ("data:text/html,a.png", "image/png"),
        ("a.nobody-knows", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ],
)
def test_the_type_is_that_of_the_name(name: str, expected: str) -> None:
    assert content_type(name) == expected


# -- what there is not ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/absent.txt",
        "/css",
        "/css/",
        "/",
        "",
        "//text.txt",
        "/text.txt/",
        "/text.txt/x",
        "/css//style.css",
        "/./text.txt",
        "/css/../text.txt",
        "/../secret.txt",
        "/../static/text.txt",
        "/css/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/css%5cstyle.css",
        "/text.txt%00",
        "/%00",
        "/text.txt%00.png",
        "/%ff",
        "/.",
        "/..",
        "/...",
        f"/{'x' * 300}",
        f"/{'x/' * 3000}",
    ],
)
def test_there_is_nothing_there(app: WSGIApplication, path: str) -> None:
    response = ask(app, path)
    assert response.status == "404 Not Found"
    assert response.json["detail"] == "There is no such file."


def test_a_path_without_a_slash_leads_nowhere(app: WSGIApplication, tmp_path: Path) -> None:
    for path_info in ("text.txt", "../secret.txt", f"{tmp_path}/secret.txt"):
        request = Request.blank("/")
        request.environ["PATH_INFO"] = path_info
        assert request.get_response(app).status_int == 404


def test_an_absolute_path_is_one_below_the_directory(app: WSGIApplication, tmp_path: Path) -> None:
    assert ask(app, f"{tmp_path}/secret.txt").status_int == 404
    assert ask(app, f"/{tmp_path}/secret.txt").status_int == 404


def test_hidden_files_are_not_there(app: WSGIApplication, root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    (root / ".env").write_text("secret")
    (root / "link").symlink_to(root / ".env")
    for path in ("/.git/config", "/.env", "/link", "/%2eenv"):
        assert ask(app, path).status_int == 404


def test_a_link_may_lead_elsewhere_in_the_directory_but_not_out_of_it(
    app: WSGIApplication, root: Path, tmp_path: Path
) -> None:
    (root / "inside").symlink_to(root / "css")
    (root / "relative.css").symlink_to("css/style.css")
    (root / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (root / "above").symlink_to(tmp_path)
    (root / "self").symlink_to(root)
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nothing")
    assert ask(app, "/inside/style.css").status_int == 200
    assert ask(app, "/relative.css").headers["Content-Type"] == "text/css; charset=utf-8"
    assert ask(app, "/self/text.txt").status_int == 200
    for path in ("/outside.txt", "/above/secret.txt", "/loop", "/dangling", "/self", "/above"):
        assert ask(app, path).status_int == 404


def test_a_directory_whose_name_only_starts_alike_is_another_one(
    app: WSGIApplication, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "static-private").mkdir()
    (tmp_path / "static-private" / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "static-private" / "secret.txt")
    assert ask(app, "/link.txt").status_int == 404


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_regular_file_is_not_there(app: WSGIApplication, root: Path, kind: str) -> None:
    """And does not keep the server waiting, as the opening of a pipe would."""
    if kind == "pipe":
        os.mkfifo(root / kind)
        assert ask(app, "/pipe").status_int == 404
    else:
        with socket.socket(socket.AF_UNIX) as there:
            there.bind(os.path.relpath(root / kind))
            assert ask(app, "/socket").status_int == 404


def test_a_file_that_may_not_be_read_is_logged(
    app: WSGIApplication,
    root: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: str, *_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    (root / "text.txt").chmod(0)
    if os.access(root / "text.txt", os.R_OK):  # the tests run as root
        monkeypatch.setattr(os, "open", refuse)
    assert ask(app, "/text.txt").status_int == 404
    assert "text.txt" in caplog.text


def test_another_application_can_answer_instead(root: Path) -> None:
    app = static(root, not_found=Response("Have a look elsewhere", status=404))
    assert ask(app, "/absent").text == "Have a look elsewhere"


def test_a_browser_is_told_in_plain_text(app: WSGIApplication) -> None:
    response = ask(app, "/absent", Accept="text/html")
    assert response.content_type == "text/plain"
    assert response.text == "404 Not Found\n\nThere is no such file.\n"


def test_head_of_nothing_has_no_body(app: WSGIApplication) -> None:
    response = ask(app, "/absent", "HEAD")
    assert (response.status_int, response.body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_files_can_only_be_read(app: WSGIApplication, method: str) -> None:
    response = ask(app, "/text.txt", method)
    assert response.status == "405 Method Not Allowed"
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("name", ["absent", "text.txt"])
def test_a_directory_that_is_none_is_refused_at_once(root: Path, name: str) -> None:
    with pytest.raises(NotADirectoryError, match=name):
        static(root / name)


# -- what the client knows already ----------------------------------------------------------

PAST, FUTURE = "Mon, 01 Jan 2001 00:00:00 GMT", "Tue, 01 Jan 2999 00:00:00 GMT"
FILE_TIME = 1_700_000_000
FILE_DATE = formatdate(FILE_TIME, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "TAG"}, 304),
        ({"If-None-Match": "W/TAG"}, 304),
        ({"If-None-Match": '"other", TAG'}, 304),
        ({"If-None-Match": '"a,b" , W/"c",TAG'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "other"}, 200),
        ({"If-None-Match": ""}, 200),
        ({"If-Modified-Since": FILE_DATE}, 304),
        ({"If-Modified-Since": FUTURE}, 304),
        ({"If-Modified-Since": PAST}, 200),
        ({"If-Modified-Since": "Tuesday, 14-Nov-23 22:13:20 GMT"}, 304),
        ({"If-Modified-Since": "Tue Nov 14 22:13:20 2023"}, 304),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": "Tue, 99 Nov 2999 22:13:20 GMT"}, 200),
        ({"If-Modified-Since": "Tue, 14 Nov 2999 22:13:20 +0000"}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": FUTURE}, 200),
        ({"If-None-Match": "TAG", "If-Modified-Since": PAST}, 304),
        ({"If-Match": "TAG"}, 200),
        ({"If-Match": '"other", TAG'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": "W/TAG"}, 412),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": ""}, 412),
        ({"If-Unmodified-Since": FILE_DATE}, 200),
        ({"If-Unmodified-Since": FUTURE}, 200),
        ({"If-Unmodified-Since": PAST}, 412),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-Match": "TAG", "If-Unmodified-Since": PAST}, 200),
        ({"If-Match": '"other"', "If-None-Match": "TAG"}, 412),
        ({"If-Match": "TAG", "If-None-Match": "TAG"}, 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_preconditions_hold_in_the_order_of_the_rfc(
    app: WSGIApplication, root: Path, method: str, headers: dict[str, str], status: int
) -> None:
    os.utime(root / "text.txt", (FILE_TIME, FILE_TIME))
    tag = ask(app, "/text.txt").headers["ETag"]
    sent = {name: value.replace("TAG", tag) for name, value in headers.items()}
    response = finished(app, Request.blank("/text.txt", method=method, headers=sent))
    assert response.status_int == status
    assert response.body == (TEXT if (method, status) == ("GET", 200) else response.body)
    if status == 304:
        assert response.headerlist == [("ETag", tag), ("Cache-Control", "no-cache")]
        assert response.body == b""
    if method == "HEAD":
        assert response.body == b""


@pytest.mark.parametrize("change", ["content", "same size and time"])
def test_a_file_that_has_changed_has_another_tag(
    app: WSGIApplication, root: Path, change: str
) -> None:
    file = root / "text.txt"
    os.utime(file, (FILE_TIME, FILE_TIME))
    before = ask(app, "/text.txt").headers["ETag"]
    assert ask(app, "/text.txt").headers["ETag"] == before
    time.sleep(0.02)  # longer than the clock of any file system stands still
    file.write_bytes(TEXT[::-1] if change == "same size and time" else b"x")
    if change == "same size and time":
        os.utime(file, (FILE_TIME, FILE_TIME))
    assert ask(app, "/text.txt").headers["ETag"] != before


def test_no_file_is_from_the_future(app: WSGIApplication, root: Path) -> None:
    os.utime(root / "text.txt", (2**33, 2**33))
    before = formatdate(int(time.time()), usegmt=True)
    modified = ask(app, "/text.txt").headers["Last-Modified"]
    assert modified in (before, formatdate(int(time.time()), usegmt=True))


# -- ranges ---------------------------------------------------------------------------------

WHOLE = (200, TEXT, None)
NONE = (416, None, "bytes */10")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (206, b"0", "bytes 0-0/10")),
        ("bytes=0-4", (206, b"01234", "bytes 0-4/10")),
        ("bytes=3-", (206, b"3456789", "bytes 3-9/10")),
        ("bytes=9-", (206, b"9", "bytes 9-9/10")),
        ("bytes=-3", (206, b"789", "bytes 7-9/10")),
        ("bytes=-10", (206, TEXT, "bytes 0-9/10")),
        ("bytes=-99", (206, TEXT, "bytes 0-9/10")),
        ("bytes=0-", (206, TEXT, "bytes 0-9/10")),
        ("bytes=5-999999999999999999", (206, b"56789", "bytes 5-9/10")),
        ("Bytes=1-2", (206, b"12", "bytes 1-2/10")),
        ("bytes = 1-2", (206, b"12", "bytes 1-2/10")),
        ("bytes=,\t1-2 ,", (206, b"12", "bytes 1-2/10")),
        ("bytes=001-2", (206, b"12", "bytes 1-2/10")),
        ("bytes=10-", NONE),
        ("bytes=10-12", NONE),
        ("bytes=-0", NONE),
        ("bytes=4-3", WHOLE),
        ("bytes=12-11", WHOLE),
        ("bytes=0-1,3-4", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=", WHOLE),
        ("bytes=,", WHOLE),
        ("bytes", WHOLE),
        ("", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=1-2-3", WHOLE),
        ("bytes=--1", WHOLE),
        ("bytes=+1-2", WHOLE),
        ("bytes=1 - 2", WHOLE),
        ("bytes=\u0661-\u0662", WHOLE),
        ("bytes=9999999999999999999-", WHOLE),
        (f"bytes={'9' * 5000}-", WHOLE),
        ("items=0-1", WHOLE),
    ],
)
def test_a_range_of_bytes_is_served(
    app: WSGIApplication, header: str, expected: tuple[int, bytes | None, str | None]
) -> None:
    request = Request.blank("/text.txt")
    request.environ["HTTP_RANGE"] = header.encode().decode("latin-1")
    response = finished(app, request)
    status, body, content_range = expected
    assert response.status_int == status
    assert response.headers.get("Content-Range") == content_range
    if body is not None:
        assert response.body == body
        assert response.headers["Content-Length"] == str(len(body))
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    else:
        assert response.json["detail"] == "It has 10 bytes."


def test_a_range_is_of_get_only(app: WSGIApplication) -> None:
    response = ask(app, "/text.txt", "HEAD", Range="bytes=0-1")
    assert (response.status_int, response.headers["Content-Length"]) == (200, "10")


@pytest.mark.parametrize(
    ("header", "status"), [("bytes=0-", 416), ("bytes=-0", 416), ("bytes=-5", 200)]
)
def test_an_empty_file_has_no_bytes_to_choose(
    app: WSGIApplication, header: str, status: int
) -> None:
    response = ask(app, "/empty", Range=header)
    assert response.status_int == status
    assert response.headers.get("Content-Range") == ("bytes */0" if status == 416 else None)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("TAG", 206),
        (FILE_DATE, 206),
        ("W/TAG", 200),
        ('"other"', 200),
        (PAST, 200),
        (FUTURE, 200),
        ("*", 200),
        ("", 200),
    ],
)
def test_a_range_is_of_the_version_that_was_begun(
    app: WSGIApplication, root: Path, value: str, status: int
) -> None:
    os.utime(root / "text.txt", (FILE_TIME, FILE_TIME))
    tag = ask(app, "/text.txt").headers["ETag"]
    headers = {"Range": "bytes=5-", "If_Range": value.replace("TAG", tag)}
    response = ask(app, "/text.txt", **headers)
    assert (response.status_int, response.body) == (status, TEXT[5:] if status == 206 else TEXT)


def test_preconditions_come_before_ranges(app: WSGIApplication) -> None:
    tag = ask(app, "/text.txt").headers["ETag"]
    assert ask(app, "/text.txt", Range="bytes=0-1", If_None_Match=tag).status_int == 304
    assert ask(app, "/text.txt", Range="bytes=99-", If_Match='"other"').status_int == 412
    assert ask(app, "/text.txt", Range="bytes=99-", If_Range='"other"').status_int == 200


@settings(deadline=None)
@given(st.data())
def test_the_parts_of_a_file_make_the_whole(data: st.DataObject) -> None:
    content = Path(__file__).read_bytes()
    app = static(Path(__file__).parent)
    size = len(content)
    cuts = sorted(data.draw(st.sets(st.integers(1, size - 1), max_size=4)))
    parts = zip([0, *cuts], [*cuts, size], strict=True)
    path = f"/{Path(__file__).name}"
    bodies = [ask(app, path, Range=f"bytes={start}-{stop - 1}").body for start, stop in parts]
    assert b"".join(bodies) == content


# -- files that change under way ------------------------------------------------------------


def test_a_file_that_grows_is_sent_as_long_as_was_announced(
    app: WSGIApplication, root: Path
) -> None:
    response = Request.blank("/text.txt").get_response(app)
    with (root / "text.txt").open("ab") as file:
        file.write(b"more")
    assert response.body == TEXT


def test_a_file_that_is_cut_short_is_no_shorter_answer(app: WSGIApplication, root: Path) -> None:
    response = Request.blank("/text.txt").get_response(app)
    os.truncate(root / "text.txt", 4)
    with pytest.raises(OSError, match=r"6 bytes of a static file are gone: .*text\.txt"):
        list(response.app_iter)
    response.app_iter.close()


# -- where it is ----------------------------------------------------------------------------


def test_it_goes_below_any_prefix(root: Path) -> None:
    app = Dispatcher()
    app.add("/files|", GET=static(root), name="files")
    assert ask(app, "/files/css/style.css").text == "body {}"
    assert ask(app, "/files/../secret.txt").status_int == 404
    assert ask(app, "/files").status_int == 404
    assert ask(app, "/files/text.txt", "HEAD", Range="bytes=0-1").status_int == 200
    assert app.url_for("files") + "/css/style.css" == "/files/css/style.css"


def test_a_relative_directory_is_where_it_was_given(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    app = static("static")
    monkeypatch.chdir("/")
    assert ask(app, "/text.txt").status_int == 200


def test_the_root_of_the_file_system_is_a_directory_too(root: Path) -> None:
    assert ask(static("/"), os.path.realpath(root / "text.txt")).body == TEXT


def test_paths_are_not_tidied_on_the_way_over_a_socket(
    serve: Callable[[WSGIApplication], str], root: Path
) -> None:
    """As clients do that look for a way out: ``http.client`` sends what it is given."""
    netloc = urlsplit(serve(static(root))).netloc
    for path, status in {
        "/text.txt": 200,
        "/../secret.txt": 404,
        "/..%2Fsecret.txt": 404,
        "/css/%2e%2e/%2e%2e/secret.txt": 404,
        "//etc/passwd": 404,
        "/text.txt%00.css": 404,
        "/css/": 404,
    }.items():
        connection = http.client.HTTPConnection(netloc, timeout=30)
        connection.request("GET", path)
        assert (path, connection.getresponse().status) == (path, status)
        connection.close()
