"""wsgikit.views: functions and classes become WSGI applications."""

import functools
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from webob import Request, Response
from webob.exc import HTTPConflict, HTTPException, HTTPSeeOther

from wsgikit.dispatcher import Dispatcher
from wsgikit.media import Asset, MediaType
from wsgikit.media.json import JSON
from wsgikit.views import View, view


def finished(request: Request, app: WSGIApplication) -> Response:
    """The validated answer, read to its end: the validator wants it closed."""
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)
    return response


def ask(app: WSGIApplication, method: str = "GET", path: str = "/", **headers: str) -> Response:
    return finished(Request.blank(path, method=method, headers=headers), app)


def show_action(value: Any, request: Request) -> bytes:
    return request.environ["wsgikit.action"].encode()  # type: ignore[no-any-return]


ACTION = MediaType("text/plain", show_action)


# view()


def test_a_function_of_the_request_is_an_application() -> None:
    @view
    def hello(request: Request) -> str:
        return f"<p>Hello {request.method}"

    response = ask(hello, "POST")
    assert response.content_type == "text/html"
    assert response.text == "<p>Hello POST"


def test_the_variables_of_the_template_are_arguments() -> None:
    @view
    def archive(request: Request, year: int, month: int = 0) -> str:
        return f"{year!r} {month!r}"

    app = Dispatcher()
    app.add("/archive/{year:int}/[{month:int}/]", archive)
    assert ask(app, path="/archive/2024/").text == "2024 0"
    assert ask(app, path="/archive/2024/7/").text == "2024 7"


def test_positional_variables_come_first() -> None:
    request = Request.blank("/")
    request.environ["wsgiorg.routing_args"] = (("a",), {"b": "c"})
    assert finished(request, view(lambda request, first, b: first + b)).text == "ac"


def test_the_dispatcher_can_wrap_functions() -> None:
    app = Dispatcher(wrap=view)

    @app.route("/hello/{name:alpha}")
    def hello(request: Request, name: str) -> str:
        return name

    assert ask(app, path="/hello/ann").text == "ann"


def test_the_dispatcher_can_wrap_functions_and_take_applications_beside_them() -> None:
    class Counter(View):
        def get(self, request: Request) -> str:
            return "3"

    def plain(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"plain"]

    inner = Dispatcher()
    inner.add("/", Response("inner"))
    decorated = view(lambda request: "decorated")
    app = Dispatcher(wrap=view)
    app.add("/function", lambda request: "function")
    applications = {"response": Response("response"), "counter": Counter(), "plain": plain}
    for name, one in {**applications, "decorated": decorated}.items():
        assert view(one) is one
        app.add(f"/{name}", one)
    app.add("/inner|", inner)
    paths = ["/function", "/response", "/counter", "/plain", "/decorated", "/inner/"]
    texts = [ask(app, path=path).text for path in paths]
    assert texts == ["function", "response", "3", "plain", "decorated", "inner"]


def test_what_has_no_signature_is_a_function() -> None:
    """As are some that are written in C."""
    request = Request.blank("/")
    request.environ["wsgiorg.routing_args"] = (("method",), {})
    assert finished(request, view(getattr)).text == "GET"


def test_media_types_render_what_is_returned() -> None:
    @view(media=[JSON])
    def numbers(request: Request) -> Any:
        return {"numbers": [1, 2]}

    assert ask(numbers).json == {"numbers": [1, 2]}
    assert ask(view(lambda request: [1], media=JSON)).json == [1]


class Page:
    """A renderer whose pages have a style sheet."""

    assets = {"css": Asset("text/css", b"p { margin: 0 }", "v1")}  # noqa: RUF012

    def __call__(self, value: Any, request: Request) -> bytes:
        return b"a page"


def test_a_page_s_style_sheet_is_at_its_own_url() -> None:
    pages = [MediaType("text/html", Page())]
    app = view(lambda request: {}, media=pages)
    assert ask(app, path="/?format=css").body == b"p { margin: 0 }"
    assert ask(app, path="/?format=html").body == b"a page"
    assert ask(app, path="/?format=pdf").status_int == 406
    assert ask(View(media=pages), path="/?format=css").content_type == "text/css"


def test_without_media_types_only_finished_answers_can_be_returned() -> None:
    with pytest.raises(TypeError, match="Cannot answer with dict"):
        ask(view(lambda request: {}))


def test_a_variable_that_the_function_does_not_take_is_a_type_error() -> None:
    request = Request.blank("/")
    request.environ["wsgiorg.routing_args"] = ((), {"colour": "red"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        finished(request, view(lambda request: ""))


def test_the_name_of_the_function_is_left_for_the_renderer() -> None:
    @view(media=ACTION)
    def front_page(request: Request) -> Any:
        return {}

    assert ask(front_page).text == "front_page"
    assert ask(view(functools.partial(front_page.__wrapped__), media=ACTION)).text == "partial"  # type: ignore[attr-defined]


def test_the_application_keeps_name_and_documentation() -> None:
    @view
    def hello(request: Request) -> str:
        """Greet."""
        return ""

    assert (hello.__name__, hello.__doc__) == ("hello", "Greet.")  # type: ignore[attr-defined]


def chunks() -> Iterator[str | bytes]:
    yield "é"
    yield b"!"


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("202 Accepted", [("Content-Type", "text/plain")])
    return [b"plain"]


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        ("é", 200, "é".encode()),
        (b"bytes", 200, b"bytes"),
        (chunks(), 200, "é!".encode()),
        (plain, 202, b"plain"),
        (Response("response"), 200, b"response"),
        (view(lambda request: "another view"), 200, b"another view"),
    ],
)
def test_anything_that_can_be_sent_may_be_returned(result: Any, status: int, body: bytes) -> None:
    response = ask(view(lambda request: result))
    assert (response.status_int, response.body) == (status, body)


@pytest.mark.parametrize("raising", [True, False])
def test_http_errors_become_problems(raising: bool) -> None:
    @view
    def conflict(request: Request) -> Any:
        error = HTTPConflict("It is taken.", headers=[("Retry-After", "5")])
        if raising:
            raise error
        return error

    response = ask(conflict)
    assert response.status_int == 409
    assert response.json["detail"] == "It is taken."
    assert response.headers["Retry-After"] == "5"
    assert ask(conflict, Accept="text/html").content_type == "text/html"


def test_an_error_with_a_body_of_its_own_is_left_alone() -> None:
    error = HTTPConflict(body=b"mine", content_type="text/plain")
    assert ask(view(lambda request: error)).body == b"mine"


def test_redirections_and_other_responses_may_be_raised() -> None:
    def leave(request: Request) -> Any:
        raise HTTPSeeOther(location="/there") if request.GET else HTTPException("", plain)

    response = ask(view(leave), path="/?a=1")
    assert response.status_int == 303
    assert response.headers["Location"].endswith("/there")
    assert ask(view(leave)).text == "plain"


def test_not_acceptable_is_said_before_anything_is_done() -> None:
    done: list[str] = []

    @view(media=[JSON])
    def change(request: Request) -> Any:
        done.append("changed")
        return {}

    assert ask(change, "POST", Accept="image/png").status_int == 406
    assert done == []
    assert ask(change, "POST").status_int == 200


# View


class Door(View):
    """A view with some of the methods."""

    def get(self, request: Request, **urlvars: Any) -> Any:
        return f"get {urlvars}"

    def put(self, request: Request, **urlvars: Any) -> Any:
        return f"put {urlvars}"

    post = None


def test_each_method_has_its_own() -> None:
    app = Dispatcher()
    app.add("/doors/{id:int}", Door())
    assert ask(app, path="/doors/1").text == "get {'id': 1}"
    assert ask(app, "PUT", path="/doors/1").text == "put {'id': 1}"


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "TRACE", "_DISPATCH"])
def test_an_absent_method_is_405_and_lists_the_others(method: str) -> None:
    response = ask(Door(), method)
    assert response.status_int == 405
    assert response.headers["Allow"] == "GET, HEAD, PUT, OPTIONS"


def test_options_lists_the_methods_unless_the_view_does() -> None:
    response = ask(Door(), "OPTIONS")
    assert (response.status_int, response.headers["Allow"]) == (204, "GET, HEAD, PUT, OPTIONS")

    class Own(View):
        def options(self, request: Request) -> Any:
            return "own"

    assert ask(Own(), "OPTIONS").text == "own"
    assert ask(Own()).headers["Allow"] == "OPTIONS"


def test_head_is_get_without_the_body_unless_the_view_has_one() -> None:
    response = ask(Door(), "HEAD")
    assert (response.body, response.headers["Content-Length"]) == (b"", "6")

    class Own(Door):
        def head(self, request: Request) -> Any:
            return Response(headerlist=[("X-Own", "1"), ("Content-Type", "text/plain")])

    assert ask(Own(), "HEAD").headers["X-Own"] == "1"


class Closing:
    """An application that writes, answers in chunks, and knows whether it was closed."""

    closed = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> "Closing":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])(
            b"early"
        )
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    def close(self) -> None:
        self.closed += 1


def generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
    yield b"a"


def listing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
    return [b"1234567"]


@pytest.mark.parametrize("result", [Closing(), generator, listing])
def test_head_of_another_application_has_its_headers_only(result: Any) -> None:
    class Other(View):
        def get(self, request: Request) -> Any:
            return result

    response = ask(Other(), "HEAD")
    assert (response.body, response.headers["Content-Length"]) == (b"", "7")
    assert getattr(result, "closed", 1) == 1


def test_a_view_has_media_types_and_tells_renderers_the_method() -> None:
    class Both(View):
        def get(self, request: Request) -> Any:
            return {"a": 1}

        def delete(self, request: Request) -> Any:
            raise HTTPConflict("No.")

    assert ask(Both([JSON])).json == {"a": 1}
    assert ask(Both(JSON), "DELETE").json["status"] == 409
    assert ask(Both(ACTION)).text == "get"


def test_one_view_serves_many_threads() -> None:
    meet = threading.Barrier(8)

    class Slow(View):
        def get(self, request: Request, id: int) -> Any:
            meet.wait(10)
            return f"{id} {request.path}"

    app = Dispatcher()
    app.add("/slow/{id:int}", Slow())
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda i=i: texts.append(ask(app, path=f"/slow/{i}").text))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == [f"{i} /slow/{i}" for i in range(8)]
