"""wsgikit.collection: method, id and noun decide which method is called, and with what."""

import inspect
import logging
import threading
import uuid
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response
from webob.exc import (
    HTTPConflict,
    HTTPException,
    HTTPFound,
    HTTPNotFound,
    HTTPSeeOther,
    HTTPUnauthorized,
)

from tests.test_security import CROSS_ORIGIN_CASES
from wsgikit.collection import Collection
from wsgikit.dispatcher import Dispatcher
from wsgikit.media import Asset, MediaType, read_body
from wsgikit.media.forms import FormParser
from wsgikit.media.json import JSON

FORMS = MediaType("application/x-www-form-urlencoded", parser=FormParser())
URLENCODED = "application/x-www-form-urlencoded"


class Page:
    """An HTML renderer that shows what it was asked to render, and has a style sheet."""

    assets = {"css": Asset("text/css", b"* { color: red }", "v1")}  # noqa: RUF012

    def __call__(self, value: Any, request: Request) -> bytes:
        return f"{request.environ['wsgikit.action']}: {value}".encode()


HTML = MediaType("text/html", Page(), FormParser())


class Everything(Collection):
    """Every action there is says its name and what it was called with."""

    def list(self, request: Request, **urlvars: Any) -> Any:
        return {"list": urlvars}

    def create(self, request: Request, **urlvars: Any) -> Any:
        return {"create": urlvars}

    def retrieve(self, request: Request, id: str, **urlvars: Any) -> Any:
        return {"retrieve": urlvars, "id": id}

    def update(self, request: Request, id: str, **urlvars: Any) -> Any:
        return {"update": urlvars, "id": id}

    def patch(self, request: Request, id: str, **urlvars: Any) -> Any:
        return {"patch": urlvars, "id": id}

    def delete(self, request: Request, id: str, **urlvars: Any) -> Any:
        return {"delete": urlvars, "id": id}

    def get_new_form(self, request: Request) -> Any:
        return {"get_new_form": {}}

    def get_edit_form(self, request: Request, id: str) -> Any:
        return {"get_edit_form": {}, "id": id}

    def post_comment(self, request: Request, id: str) -> Any:
        return {"post_comment": {}, "id": id}

    def put_picture(self, request: Request, id: str) -> Any:
        return {"put_picture": {}, "id": id}

    def patch_picture(self, request: Request, id: str) -> Any:
        return {"patch_picture": {}, "id": id}

    def delete_picture(self, request: Request, id: str) -> Any:
        return {"delete_picture": {}, "id": id}

    def get_help(self, request: Request, id: str | None = None) -> Any:
        return {"get_help": {}, "id": id}

    def get_any(self, request: Request, **urlvars: Any) -> Any:
        return {"get_any": urlvars}

    def get__secret(self, request: Request) -> Any:
        raise AssertionError("reached")

    def _hidden(self, request: Request) -> Any:
        raise AssertionError("reached")

    def helper(self, request: Request) -> Any:
        raise AssertionError("reached")

    get_nothing = 3


def ask(
    app: WSGIApplication,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    urlvars: dict[str, Any] | None = None,
    path: str = "/",
    **kw: Any,
) -> Response:
    """The answer of an app that some router calls, validated and read to its end."""
    request = Request.blank(path, method=method, headers=headers or {}, **kw)
    request.environ["wsgiorg.routing_args"] = ((), urlvars or {})
    return finished(request, app)


def finished(request: Request, app: WSGIApplication) -> Response:
    response = request.get_response(validator(app))
    assert isinstance(response.body, bytes)
    return response


# Which method


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/people/", {"list": {}}),
        ("POST", "/people/", {"create": {}}),
        ("GET", "/people/1", {"retrieve": {}, "id": "1"}),
        ("PUT", "/people/1", {"update": {}, "id": "1"}),
        ("PATCH", "/people/1", {"patch": {}, "id": "1"}),
        ("DELETE", "/people/1", {"delete": {}, "id": "1"}),
        ("GET", "/people/;new_form", {"get_new_form": {}}),
        ("GET", "/people/1;edit_form", {"get_edit_form": {}, "id": "1"}),
        ("POST", "/people/1;comment", {"post_comment": {}, "id": "1"}),
        ("PUT", "/people/1;picture", {"put_picture": {}, "id": "1"}),
        ("PATCH", "/people/1;picture", {"patch_picture": {}, "id": "1"}),
        ("DELETE", "/people/1;picture", {"delete_picture": {}, "id": "1"}),
        ("GET", "/people/;help", {"get_help": {}, "id": None}),
        ("GET", "/people/1;help", {"get_help": {}, "id": "1"}),
        ("GET", "/people/;any", {"get_any": {}}),
        ("GET", "/people/1;any", {"get_any": {"id": "1"}}),
    ],
)
def test_method_id_and_noun_decide(method: str, path: str, expected: dict[str, Any]) -> None:
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", Everything([JSON]))
    assert finished(Request.blank(path, method=method), app).json == expected


@pytest.mark.parametrize(
    ("urlvars", "status"),
    [
        ({"noun": "nosuchnoun"}, 404),
        ({"id": "1", "noun": "new_form"}, 404),
        ({"noun": "edit_form"}, 404),
        ({"noun": "_secret"}, 404),
        ({"noun": "__class__"}, 404),
        ({"noun": "nothing"}, 404),
        ({"noun": "new-form"}, 404),
        ({"noun": "NEW_FORM"}, 404),
        ({"noun": "é\ud800"}, 404),
        ({"noun": "comment", "id": "1"}, 405),
    ],
)
def test_what_was_not_mapped_is_404_and_a_missing_method_405(
    urlvars: dict[str, Any], status: int
) -> None:
    assert ask(Everything([JSON]), urlvars=urlvars).status_int == status


@pytest.mark.parametrize(
    ("urlvars", "method", "allow"),
    [
        ({}, "DELETE", "GET, HEAD, POST, OPTIONS"),
        ({}, "TRACE", "GET, HEAD, POST, OPTIONS"),
        ({"id": "1"}, "POST", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ({"id": "1", "noun": "comment"}, "GET", "POST, OPTIONS"),
        ({"id": "1", "noun": "comment"}, "HEAD", "POST, OPTIONS"),
        ({"id": "1", "noun": "picture"}, "POST", "PUT, PATCH, DELETE, OPTIONS"),
        ({"noun": "new_form"}, "POST", "GET, HEAD, OPTIONS"),
    ],
)
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_a_405_lists_what_the_target_allows(
    urlvars: dict[str, Any], method: str, allow: str
) -> None:
    response = ask(Everything([JSON]), method, urlvars=urlvars)
    assert response.status_int == 405
    assert response.headers["Allow"] == allow
    options = ask(Everything([JSON]), "OPTIONS", urlvars=urlvars)
    assert (options.status_int, options.headers["Allow"]) == (204, allow)


def test_options_of_what_is_not_there_is_404() -> None:
    assert ask(Everything([JSON]), "OPTIONS", urlvars={"noun": "no"}).status_int == 404


def test_a_collection_without_members_has_no_member_urls() -> None:
    class Lonely(Collection):
        def create(self, request: Request) -> Any:
            return "created"

    assert ask(Lonely(), urlvars={"id": "1"}).status_int == 404
    assert ask(Lonely(), "GET").headers["Allow"] == "POST, OPTIONS"
    assert ask(Lonely(), "POST").text == "created"


def test_none_in_a_subclass_or_on_an_instance_switches_an_action_off() -> None:
    class Less(Everything):
        update = None  # type: ignore[assignment]
        get_help = None  # type: ignore[assignment]

        def __init__(self) -> None:
            self.delete = None  # type: ignore[assignment, method-assign]
            super().__init__([JSON])

    allow = "GET, HEAD, PATCH, OPTIONS"
    assert ask(Less(), "PUT", urlvars={"id": "1"}).headers["Allow"] == allow
    assert ask(Less(), "DELETE", urlvars={"id": "1"}).headers["Allow"] == allow
    assert ask(Less(), urlvars={"noun": "help"}).status_int == 404
    assert Everything().actions - Less().actions == {"update", "delete", "get_help"}


def test_actions_are_the_names_that_can_be_reached() -> None:
    assert Collection().actions == frozenset()
    assert Everything().actions == {
        "list", "create", "retrieve", "update", "patch", "delete", "get_new_form",
        "get_edit_form", "post_comment", "put_picture", "patch_picture", "delete_picture",
        "get_help", "get_any",
    }  # fmt: skip


def test_targets_say_what_each_method_does() -> None:
    class Few(Collection):
        list = retrieve = delete = lambda self, request, **urlvars: None

        def post_comment(self, request: Request, id: str) -> None:
            pass

    assert Few().targets == {
        (False, None): {"GET": "list"},
        (True, None): {"GET": "retrieve", "DELETE": "delete"},
        (True, "comment"): {"POST": "post_comment"},
    }


@given(noun=st.sampled_from(sorted(set(dir(Everything)) | {"init__", "_"})) | st.text())
def test_no_noun_reaches_anything_but_an_action(noun: str) -> None:
    collection = Everything([JSON])
    for urlvars in ({"noun": noun}, {"id": "1", "noun": noun}):
        response = ask(collection, urlvars=urlvars)
        if noun and f"get_{noun}" not in collection.actions:
            assert response.status_int in (404, 405)


# What it is called with


def test_other_variables_are_arguments_too_and_noun_is_not() -> None:
    app = Dispatcher()
    app.add("/blog/{post_id:int}/comments/[{id:key}][;{noun}]", Everything([JSON]))
    answer = finished(Request.blank("/blog/7/comments/3"), app).json
    assert answer == {"retrieve": {"post_id": 7}, "id": "3"}
    assert finished(Request.blank("/blog/7/comments/"), app).json == {"list": {"post_id": 7}}
    answer = finished(Request.blank("/blog/7/comments/3;any"), app).json
    assert answer == {"get_any": {"post_id": 7, "id": "3"}}


@pytest.mark.parametrize("absent", ["", None])
def test_routers_may_give_empty_variables_for_absent_ones(absent: str | None) -> None:
    urlvars = {"id": absent, "noun": absent}
    assert ask(Everything([JSON]), urlvars=urlvars).json == {"list": {}}


def test_a_converted_id_arrives_as_it_is_even_when_it_is_zero() -> None:
    assert ask(Everything([JSON]), urlvars={"id": 0}).json == {"retrieve": {}, "id": 0}


def test_positional_variables_come_before_the_others() -> None:
    class Pair(Collection):
        def retrieve(self, request: Request, first: str, id: str) -> Any:
            return f"{first} {id}"

    request = Request.blank("/")
    request.environ["wsgiorg.routing_args"] = (("a",), {"id": "1"})
    assert finished(request, Pair()).text == "a 1"


def test_a_method_that_cannot_take_the_variables_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        ask(Everything([JSON]), urlvars={"noun": "new_form", "colour": "red"})


@pytest.mark.parametrize("urlvars", [{}, {"id": "1"}, {"noun": "any"}])
def test_the_name_of_the_method_is_left_for_the_renderer(urlvars: dict[str, str]) -> None:
    names = {"": "list", "id": "retrieve", "noun": "get_any"}
    assert ask(Everything(HTML), urlvars=urlvars).text.startswith(names["".join(urlvars)])


# What it may return


class Bare(Collection):
    """Methods whose body is `pass`."""

    def list(self, request: Request) -> Any:
        pass

    def retrieve(self, request: Request, id: Any) -> Any:
        pass

    def get_edit_form(self, request: Request, id: Any) -> Any:
        pass


def test_none_shows_the_template_with_the_id() -> None:
    assert ask(Bare(HTML)).text == "list: {}"
    assert ask(Bare(HTML), urlvars={"id": 7}).text == "retrieve: {'id': 7}"
    assert ask(Bare([JSON]), urlvars={"id": "7", "noun": "edit_form"}).json == {"id": "7"}


def returning(result: Any) -> Collection:
    class One(Collection):
        def list(self, request: Request) -> Any:
            if isinstance(result, type):
                raise result("it is so")
            return result() if inspect.isfunction(result) else result

    return One([JSON])


def chunks() -> Iterator[str | bytes]:
    yield "é"
    yield b"\xc3\xa9"


@pytest.mark.parametrize(
    ("result", "content_type", "body"),
    [
        ("<p>é", "text/html", "<p>é".encode()),
        (b"\xc3\xa9", "text/html", b"\xc3\xa9"),
        (chunks, "text/html", b"\xc3\xa9\xc3\xa9"),
        ({"a": 1}, "application/json", b'{"a":1}'),
        ([1], "application/json", b"[1]"),
        ([], "application/json", b"[]"),
        (Response("text", content_type="text/plain"), "text/plain", b"text"),
    ],
)
def test_results_become_responses(result: Any, content_type: str, body: bytes) -> None:
    response = ask(returning(result))
    assert (response.status_int, response.content_type, response.body) == (200, content_type, body)


@pytest.mark.parametrize(
    ("result", "status", "detail"),
    [
        (HTTPConflict("it is <b>taken</b>"), 409, "it is <b>taken</b>"),
        (HTTPConflict, 409, "it is so"),
        (HTTPNotFound, 404, "it is so"),
    ],
)
def test_http_errors_become_problems(result: Any, status: int, detail: str) -> None:
    response = ask(returning(result))
    assert response.status_int == status
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] == detail


def test_an_error_keeps_its_headers() -> None:
    response = ask(returning(HTTPUnauthorized(headers=[("WWW-Authenticate", "Basic")])))
    assert response.headers["WWW-Authenticate"] == "Basic"


def test_an_error_with_a_body_of_its_own_is_left_alone() -> None:
    response = ask(returning(HTTPConflict(body=b"mine", content_type="text/plain")))
    assert (response.status_int, response.body) == (409, b"mine")


@pytest.mark.parametrize("redirect", [HTTPSeeOther(location="/a"), HTTPFound(location="/a")])
def test_redirections_are_left_alone(redirect: HTTPException) -> None:
    response = ask(returning(redirect))
    assert response.status_int == redirect.code  # type: ignore[attr-defined]
    assert response.headers["Location"].endswith("/a")


def test_a_plain_http_exception_carries_any_response() -> None:
    def fail() -> None:
        raise HTTPException("done", Response("carried", status=201))

    assert ask(returning(fail)).text == "carried"


def test_other_errors_are_the_servers_to_see() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(returning(ZeroDivisionError))


def test_errors_are_a_page_for_people() -> None:
    response = ask(Everything([HTML, JSON]), "DELETE", {"Accept": "text/html"})
    assert response.content_type == "text/html"
    assert response.text.startswith("problem: ")


# HEAD


class Closing:
    """An iterable that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    def close(self) -> None:
        self.closed += 1


def test_head_is_get_without_the_body() -> None:
    body = Closing()

    def plain_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])(
            b"early"
        )
        return body

    response = ask(returning(plain_app_of(plain_app)), "HEAD")
    assert response.body == b""
    assert response.headers["Content-Length"] == "9"
    assert body.closed == 1


def plain_app_of(app: WSGIApplication) -> Any:
    """The app, returned from a function: `returning` calls functions."""
    return lambda: app


def test_head_of_a_generator_app_has_its_headers() -> None:
    def generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("201 Created", [("Content-Type", "text/plain")])
        yield b"a"

    response = ask(returning(plain_app_of(generator)), "HEAD")
    assert (response.status_int, response.body) == (201, b"")


@pytest.mark.parametrize("result", ["text", {"a": 1}, chunks, HTTPConflict])
def test_head_has_the_headers_of_get(result: Any) -> None:
    head, get = ask(returning(result), "HEAD"), ask(returning(result))
    assert (head.status, head.headers["Content-Type"]) == (get.status, get.headers["Content-Type"])
    assert head.body == b""
    assert head.headers.get("Content-Length", str(len(get.body))) == str(len(get.body))


def test_head_of_a_list_without_a_close_method() -> None:
    def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a"]

    assert ask(returning(plain_app_of(plain)), "HEAD").body == b""


# Forms


class Parsing(Everything):
    """Actions that answer with what was parsed."""

    def create(self, request: Request, **urlvars: Any) -> Any:
        return {"create": self.parse(request)}

    def patch(self, request: Request, id: str, **urlvars: Any) -> Any:
        return {"patch": self.parse(request)}


def send(method: str, body: bytes, content_type: str = URLENCODED, **kw: Any) -> Response:
    app = Parsing([JSON, FORMS])
    return ask(app, method, {"Content-Type": content_type}, body=body, **kw)


def test_the_body_is_parsed_by_its_content_type() -> None:
    assert send("POST", b"a=1&b=2&b=3").json == {"create": {"a": "1", "b": ["2", "3"]}}
    assert send("POST", b'{"_method": "PUT"}', "application/json").json == {
        "create": {"_method": "PUT"}
    }


@pytest.mark.parametrize(
    ("method", "name"), [("PUT", "update"), ("PATCH", "patch"), ("DELETE", "delete")]
)
@pytest.mark.parametrize(
    "content_type", [URLENCODED, "Application/X-WWW-Form-URLEncoded; charset=utf-8"]
)
def test_a_form_may_carry_another_method(method: str, name: str, content_type: str) -> None:
    body = f"_method={method}".encode()
    response = send("POST", body, content_type, urlvars={"id": "1"})
    assert name in response.json


def test_a_multipart_form_may_carry_another_method() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="_method"\r\n\r\nDELETE\r\n--x--\r\n'
    response = send("POST", body, "multipart/form-data; boundary=x", urlvars={"id": "1"})
    assert "delete" in response.json


def test_the_methods_name_is_no_part_of_the_parsed_form() -> None:
    response = send("POST", b"_method=PATCH&a=1", urlvars={"id": "1"})
    assert response.json == {"patch": {"a": "1"}}


@pytest.mark.parametrize(
    "body",
    [b"_method=put", b"_method=GET", b"_method=POST", b"_method=", b"_method=PUT&_method=PUT"],
)
def test_any_other_method_in_a_form_is_400(body: bytes) -> None:
    assert send("POST", body, urlvars={"id": "1"}).status_int == 400


def test_the_method_is_only_read_from_posted_forms() -> None:
    assert send("PATCH", b"_method=DELETE&a=1", urlvars={"id": "1"}).json == {"patch": {"a": "1"}}
    assert ask(Parsing([JSON, FORMS]), path="/?_method=DELETE").json == {"list": {}}
    assert (
        send("POST", b'{"_method": "PATCH"}', "application/json", urlvars={"id": "1"}).status_int
        == 405
    )
    headers = {"X-HTTP-Method-Override": "DELETE"}
    assert ask(Parsing([JSON, FORMS]), "POST", headers, {"id": "1"}).status_int == 405


def test_a_parser_of_another_kind_may_read_forms() -> None:
    def parse_text(request: Request) -> str:
        return read_body(request).decode()

    parse_text.content_types = (URLENCODED,)  # type: ignore[attr-defined]
    app = Parsing([JSON, MediaType("text/x", parser=parse_text)])
    response = ask(app, "POST", {"Content-Type": URLENCODED}, body=b"_method=PUT")
    assert response.json == {"create": "_method=PUT"}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"%zz", URLENCODED, 400),
        (b"a=\xff", URLENCODED, 400),
        (b"a=1", "text/plain", 415),
        (b"a=1", "multipart/form-data", 400),
        (b"a=" + b"x" * 2**20, URLENCODED, 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes, content_type: str, status: int) -> None:
    assert send("POST", body, content_type).status_int == status


def test_not_acceptable_is_said_before_anything_is_done() -> None:
    done: list[str] = []

    class Doing(Collection):
        def create(self, request: Request) -> Any:
            done.append("created")
            return {}

        def retrieve(self, request: Request, id: str) -> Any:
            return Response(b"picture", content_type="image/png")

    response = ask(Doing([JSON]), "POST", {"Accept": "image/png"})
    assert (response.status_int, done) == (406, [])
    assert ask(Doing([FORMS]), "GET", {"Accept": "image/png"}, {"id": "1"}).status_int == 200
    with pytest.raises(ValueError, match="renderer"):
        ask(Doing([FORMS]), "POST")


# Other sites


@pytest.mark.parametrize(("method", "headers", "passes"), CROSS_ORIGIN_CASES)
@pytest.mark.parametrize("media", [[JSON, FORMS], None])
def test_a_collection_that_takes_forms_refuses_other_sites(
    media: Any, method: str, headers: dict[str, str], passes: bool
) -> None:
    collection = Everything(media)
    collection.list = collection.create = lambda request: "done"  # type: ignore[method-assign]
    request = Request.blank("/", method=method, headers=headers)
    request.environ["wsgiorg.routing_args"] = ((), {"noun": ""})
    response = request.get_response(collection)
    assert (response.status_int != 403) is passes


def test_a_refused_request_is_told_why_and_its_body_is_not_read() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Content-Type": URLENCODED}
    request = Request.blank("/", method="POST", headers=headers, body=b"_method=DELETE")
    request.environ["wsgiorg.routing_args"] = ((), {"id": "1"})
    source = request.environ["wsgi.input"]
    response = finished(request, Everything([JSON, FORMS]))
    assert "another site" in response.json["detail"]
    assert source.tell() == 0


def test_the_host_may_be_missing() -> None:
    request = Request.blank("/", method="POST", headers={"Origin": "http://localhost"})
    request.environ["wsgiorg.routing_args"] = ((), {})
    del request.environ["HTTP_HOST"]
    assert finished(request, Everything([JSON, FORMS])).status_int == 200


def test_a_collection_without_forms_or_told_so_takes_them() -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert ask(Everything([JSON]), "POST", headers).status_int == 200
    open_to_all = Everything([JSON, FORMS], allow_cross_origin=True)
    assert ask(open_to_all, "POST", headers).status_int == 200


# Routing


@pytest.mark.parametrize("routing_args", [None, ()])
def test_without_a_router_it_is_500_with_an_explanation(
    routing_args: Any, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request.blank("/")
    if routing_args is not None:
        request.environ["wsgiorg.routing_args"] = routing_args
    with caplog.at_level(logging.ERROR, logger="wsgikit.collection"):
        response = finished(request, Everything([JSON]))
    assert response.status_int == 500
    assert "'id' and 'noun'" in response.json["detail"]
    assert "wsgiorg.routing_args" in caplog.text


def test_a_template_without_the_variables_is_500_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Dispatcher()
    app.add("/people/[{key}]", Everything([JSON]))
    with caplog.at_level(logging.ERROR, logger="wsgikit.collection"):
        response = finished(Request.blank("/people/1"), app)
    assert response.status_int == 500
    assert "/people/[{id:key}][;{noun}]" in response.json["detail"]
    assert "'/people/[{key}]'" in caplog.text


@pytest.mark.parametrize("template", ["/people/[{id}]", "/people/[;{noun}]", "/people{/id}"])
def test_one_of_the_variables_is_enough(template: str) -> None:
    app = Dispatcher()
    app.add(template, Everything([JSON]))
    path = "/people" if "{/" in template else "/people/"
    assert finished(Request.blank(path), app).json == {"list": {}}


def test_a_regular_expression_may_route_here() -> None:
    app = Dispatcher()
    app.add_regex(r"/people/(?P<id>\d+)?", Everything([JSON]))
    assert finished(Request.blank("/people/7"), app).json == {"retrieve": {}, "id": "7"}
    assert finished(Request.blank("/people/"), app).json == {"list": {}}


# Assets


def test_the_style_sheet_of_a_renderer_is_at_every_url_of_the_collection() -> None:
    for urlvars in ({}, {"id": "1"}, {"noun": "nosuchnoun"}):
        response = ask(Everything([JSON, HTML]), urlvars=urlvars, path="/?format=css&v=v1")
        assert (response.content_type, response.body) == ("text/css", b"* { color: red }")
    assert ask(Everything([JSON]), path="/?format=css").status_int == 406
    assert ask(Everything([JSON, HTML]), path="/?format=json").json == {"list": {}}


# URLs


class Linking(Collection):
    """Answers with the URLs of everything around."""

    def list(self, request: Request, **urlvars: Any) -> Any:
        return [
            self.url(request),
            self.url(request, "a~20b"),
            self.url(request, noun="new_form"),
            self.url(request, 7, "edit_form"),
        ]

    def retrieve(self, request: Request, id: Any, **urlvars: Any) -> Any:
        return self.list(request)

    def get_form(self, request: Request, **urlvars: Any) -> Any:
        return self.list(request)


AROUND = ["/people/", "/people/a~20b", "/people/;new_form", "/people/7;edit_form"]


@pytest.mark.parametrize("path", ["/people/", "/people/1", "/people/;form", "/people/1;form"])
@pytest.mark.parametrize("mount", ["", "/mount"])
def test_urls_are_made_by_the_router(path: str, mount: str) -> None:
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", Linking([JSON]))
    request = Request.blank(path, environ={"SCRIPT_NAME": mount})
    assert finished(request, app).json == [mount + url for url in AROUND]


@pytest.mark.parametrize(
    ("path", "urlvars"),
    [
        ("/people/", {}),
        ("/people/1", {"id": "1"}),
        ("/people/1", {"id": 1}),
        ("/people/;form", {"noun": "form"}),
        ("/people/1;form", {"id": "1", "noun": "form"}),
        ("/people/%C3%A9;form", {"id": "é", "noun": "form"}),
    ],
)
@pytest.mark.parametrize("script_name", ["", "/mount"])
def test_urls_are_cut_from_the_path_under_other_routers(
    path: str, urlvars: dict[str, Any], script_name: str
) -> None:
    request = Request.blank(path, environ={"SCRIPT_NAME": script_name})
    request.environ["wsgiorg.routing_args"] = ((), urlvars)
    assert finished(request, Linking([JSON])).json == [script_name + url for url in AROUND]


@pytest.mark.parametrize(
    ("path", "urlvars"),
    [
        ("/people", {}),
        ("/people/1/comments", {"id": "1"}),
        ("/people/01", {"id": 1}),
        ("/people/2", {"id": "1"}),
        ("/people/ABC", {"id": uuid.UUID(int=0xABC)}),
    ],
)
def test_a_path_of_another_shape_is_a_lookup_error(path: str, urlvars: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="does not look like"):
        ask(Linking([JSON]), urlvars=urlvars, path=path)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "///evil.example/", "/%C3%A9%FF/", "/%3f%25/", "/;a/"]
)
def test_a_url_leads_back_to_where_it_was_made(path: str) -> None:
    """Never to another host, and never elsewhere for odd bytes."""
    request = Request.blank("/")
    raw = unquote(path, "latin-1")
    request.environ.update({"PATH_INFO": raw, "wsgiorg.routing_args": ((), {})})
    url = Linking([JSON]).url(request)
    assert url.startswith("/")
    assert not url.startswith("//")
    assert unquote(url, "latin-1") == raw


def test_what_does_not_stand_in_a_path_is_encoded() -> None:
    request = Request.blank("/people/")
    assert Linking().url(request, "a b/é;?#%") == "/people/a%20b%2F%C3%A9;%3F%23%25"


# Threads


def test_one_instance_serves_many_threads() -> None:
    """Each request sees its own values only, whatever happens at the same time."""
    meet = threading.Barrier(16)

    class Echo(Collection):
        def patch(self, request: Request, id: str) -> Any:
            meet.wait(10)
            body = self.parse(request)
            return {"id": id, "body": body, "url": self.url(request, id)}

    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", Echo([JSON, FORMS]))
    wrong: list[Any] = []

    def drive(number: int) -> None:
        for turn in range(20):
            name = f"{number}-{turn}"
            request = Request.blank(f"/people/{name}", POST=f"_method=PATCH&name={name}".encode())
            request.content_type = URLENCODED
            answer = finished(request, app).json
            if answer != {"id": name, "body": {"name": name}, "url": f"/people/{name}"}:
                wrong.append(answer)

    threads = [threading.Thread(target=drive, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_media_may_be_given_by_the_class() -> None:
    class Things(Collection):
        media = (MediaType("text/plain", lambda value, request: b"shown"),)

        def list(self, request: Request) -> dict[str, str]:
            return {}

    environ = {"wsgiorg.routing_args": ((), {"id": None})}
    assert Request.blank("/", environ).get_response(Things()).text == "shown"
