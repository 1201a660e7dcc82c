"""wsgikit.deferred: views are found by name, in their package and nowhere else."""

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib import invalidate_caches
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from webob import Request, Response

from wsgikit.deferred import DeferredCollection

SHOW = """
from webob import Request, Response

def app(environ, start_response):
    return Response(f"{__name__} {Request(environ).urlvars}")(environ, start_response)
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a file of a package that can be imported, and is forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # Folders are cached by their time stamp, which is coarser than this.
        invalidate_caches()
        return path

    write_file("shop_views/__init__.py", "")
    yield write_file
    for name in set(sys.modules) - before:
        del sys.modules[name]


def ask(
    app: WSGIApplication, view: object, accept: str | None = None, **urlvars: object
) -> Response:
    request = Request.blank("/", accept=accept)
    request.environ["wsgiorg.routing_args"] = ((), {"view": view, **urlvars})
    return finished(request, app)


def finished(request: Request, app: WSGIApplication) -> Response:
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)
    return response


def test_the_view_of_the_name_answers_and_sees_the_other_variables(write: Write) -> None:
    write("shop_views/fred.py", SHOW)
    app = DeferredCollection("shop_views")
    assert ask(app, "fred", id="7").text == "shop_views.fred {'id': '7'}"
    assert ask(app, "fred").text == "shop_views.fred {}"


def test_the_variables_of_the_router_are_left_alone(write: Write) -> None:
    """What the dispatcher builds URLs from is the same dict."""
    write("shop_views/fred.py", SHOW)
    urlvars = {"view": "fred", "id": "7"}
    request = Request.blank("/")
    request.environ["wsgiorg.routing_args"] = (("a",), urlvars)
    finished(request, DeferredCollection("shop_views"))
    assert urlvars == {"view": "fred", "id": "7"}
    assert request.environ["wsgiorg.routing_args"] == (("a",), {"id": "7"})


@pytest.mark.parametrize(
    "name",
    [
        "nosuchview",
        "__init__",
        "__pycache__",
        "_hidden",
        "os",
        "sys",
        "json",
        "fred.py",
        "fred.app",
        "..",
        "../../etc",
        "..%2f..%2fetc",
        "sub.mod",
        "folder",
        "data",
        "FRED",
        "fred ",
        "fred\x00",
        "fred\n",
        "\ud800",
        "a" * 100_000,
        "1",
        "",
        7,
        ["fred"],
    ],
)
def test_what_is_no_public_module_of_the_package_is_404(write: Write, name: object) -> None:
    write("shop_views/fred.py", SHOW)
    write("shop_views/_hidden.py", SHOW)
    write("shop_views/sub/__init__.py", SHOW)
    write("shop_views/sub/mod.py", SHOW)
    write("shop_views/folder/mod.py", SHOW)
    write("shop_views/data.txt", "")
    write("secret.py", SHOW)
    response = ask(DeferredCollection("shop_views"), name)
    assert response.status_int == 404
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] == "There is no such view."


def test_a_package_with_an_init_file_is_a_view(write: Write) -> None:
    write("shop_views/sub/__init__.py", SHOW)
    assert ask(DeferredCollection("shop_views"), "sub").text == "shop_views.sub {}"


def test_a_view_may_have_the_name_of_a_module_of_the_standard_library(write: Write) -> None:
    write("shop_views/json.py", SHOW)
    assert ask(DeferredCollection("shop_views"), "json").text == "shop_views.json {}"


def test_the_package_may_lie_inside_another(write: Write) -> None:
    write("shop/__init__.py", "")
    write("shop/views/__init__.py", "")
    write("shop/views/fred.py", SHOW)
    assert ask(DeferredCollection("shop.views"), "fred").text == "shop.views.fred {}"


def test_a_browser_is_told_404_in_plain_words(write: Write) -> None:
    del write
    response = ask(DeferredCollection("shop_views"), "nosuchview", accept="text/html")
    assert response.status_int == 404
    assert response.content_type == "text/plain"
    assert "no such view" in response.text


def test_head_gets_404_without_a_body(write: Write) -> None:
    del write
    request = Request.blank("/", method="HEAD")
    request.environ["wsgiorg.routing_args"] = ((), {"view": "nosuchview"})
    response = finished(request, DeferredCollection("shop_views"))
    assert (response.status_int, response.body) == (404, b"")


def test_another_application_may_answer_for_unknown_names(write: Write) -> None:
    del write

    def lost(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return Response("lost", status=404)(environ, start_response)

    assert ask(DeferredCollection("shop_views", not_found=lost), "nosuchview").text == "lost"


def test_an_error_inside_a_view_is_raised_and_the_next_request_tries_again(write: Write) -> None:
    app = DeferredCollection("shop_views")
    write("shop_views/fred.py", "import no_such_module_anywhere\n" + SHOW)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
            ask(app, "fred")
    write("shop_views/fred.py", "syntax error")
    with pytest.raises(SyntaxError):
        ask(app, "fred")
    write("shop_views/fred.py", SHOW)
    assert ask(app, "fred").status_int == 200


@pytest.mark.parametrize("text", ["", "app = None", "app = 'fred'", "application = print"])
def test_a_module_without_an_app_is_an_error_that_names_its_file(write: Write, text: str) -> None:
    path = write("shop_views/fred.py", text)
    with pytest.raises(AttributeError, match="has no WSGI application") as caught:
        ask(DeferredCollection("shop_views"), "fred")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("package", ["no_such_package", "shop_views.fred"])
def test_a_missing_package_is_an_error_not_a_404(write: Write, package: str) -> None:
    write("shop_views/fred.py", SHOW)
    app = DeferredCollection(package)
    with pytest.raises(ImportError, match="There is no package"):
        ask(app, "fred")
    with pytest.raises(ImportError, match="There is no package"):
        app.names()


@pytest.mark.parametrize("package", ["", ".views", "views/", "../views", "my views"])
def test_the_package_is_given_by_name(package: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a package"):
        DeferredCollection(package)


def test_a_route_without_the_variable_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    request = Request.blank("/")
    with caplog.at_level(logging.ERROR, logger="wsgikit.deferred"):
        response = finished(request, DeferredCollection("shop_views"))
        request.environ["wsgiorg.routing_args"] = ((), {"name": "fred"})
        assert finished(request, DeferredCollection("shop_views")).status_int == 500
    assert response.status_int == 500
    assert "'view'" in response.json["detail"]
    assert "{'name': 'fred'}" in caplog.records[1].getMessage()


def test_names_lists_public_modules_without_importing_them(write: Write) -> None:
    for name in ("fred", "barney", "_hidden", "not-a-name"):
        write(f"shop_views/{name}.py", "raise RuntimeError('imported')")
    write("shop_views/sub/__init__.py", "raise RuntimeError('imported')")
    write("shop_views/folder/mod.py", "")
    write("shop_views/readme.txt", "")
    assert DeferredCollection("shop_views").names() == ["barney", "fred", "sub"]


def test_a_view_can_be_had_by_its_name(write: Write) -> None:
    write("shop_views/fred.py", SHOW)
    app = DeferredCollection("shop_views")
    assert callable(app.view("fred"))
    assert app.view("barney") is None


def test_every_name_that_is_listed_answers(write: Write) -> None:
    for name in ("fred", "class", "été"):
        write(f"shop_views/{name}.py", SHOW)
    app = DeferredCollection("shop_views")
    assert len(app.names()) == 3
    for name in app.names():
        assert ask(app, name).status_int == 200


def test_many_threads_that_ask_first_get_one_module(write: Write) -> None:
    count = write("count.txt", "")
    slow = f"import time; time.sleep(0.05)\nwith open({str(count)!r}, 'a') as f: f.write('x')\n"
    write("shop_views/fred.py", slow + SHOW)
    app = DeferredCollection("shop_views")
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda i=i: texts.append(ask(app, "fred", id=i).text))
        for i in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == sorted(f"shop_views.fred {{'id': {i}}}" for i in range(16))
    assert count.read_text() == "x"


def test_a_view_is_found_without_calling_it(write: Write) -> None:
    write("shop_views/fred.py", "def app(environ, start_response): raise AssertionError")
    environ = {"wsgiorg.routing_args": ((), {"view": "fred", "id": "7"})}
    found = DeferredCollection("shop_views").reach(environ)
    assert found is not None
    assert found[0].__module__ == "shop_views.fred"
    assert found[1]["wsgiorg.routing_args"] == ((), {"id": "7"})


def test_what_a_view_leads_to_is_found_behind_it(write: Write) -> None:
    write(
        "shop_views/shelf.py",
        """
class Shelf:
    def __call__(self, environ, start_response): raise AssertionError
    def reach(self, environ): return "a book", environ
app = Shelf()
""",
    )
    environ = {"wsgiorg.routing_args": ((), {"view": "shelf"})}
    assert DeferredCollection("shop_views").reach(environ) == ("a book", environ)


@pytest.mark.parametrize("name", ["nobody", "__init__", None])
def test_where_there_is_no_view_nothing_is_found(write: Write, name: object) -> None:
    environ = {"wsgiorg.routing_args": ((), {"view": name})}
    assert DeferredCollection("shop_views").reach(environ) is None
