"""Dispatching: each test sends a request through an app wrapped in the WSGI validator."""

import json
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher, Route
from wsgikit.uri import PatternError, URIPattern


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what the dispatcher wrote into the environ."""
    args, names = environ["wsgiorg.routing_args"]
    seen = {
        "method": environ["REQUEST_METHOD"],
        "script_name": environ["SCRIPT_NAME"],
        "path_info": environ["PATH_INFO"],
        "args": list(args),
        "vars": names,
        "route": environ["wsgikit.route"],
    }
    body = json.dumps(seen, default=str).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


def says(text: str) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        result: Iterable[bytes] = Response(text=text)(environ, start_response)
        return result

    return app


def calls(key: str, *args: Any, **kwargs: Any) -> WSGIApplication:
    """An app that answers with the result of a function in the environ."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return says(environ[key](*args, **kwargs))(environ, start_response)

    return app


def send(app: WSGIApplication, path: str, method: str = "GET", **options: Any) -> Response:
    request = Request.blank(path, method=method, **options)
    response = request.get_response(validator(app))
    response.body  # noqa: B018  the validator looks at the end of the iterable too
    return response


def seen(app: WSGIApplication, path: str, **options: Any) -> dict[str, Any]:
    response = send(app, path, **options)
    assert response.status == "200 OK"
    result: dict[str, Any] = response.json
    return result


# --- finding the application


def test_a_route_gets_its_variables() -> None:
    app = Dispatcher()
    app.add("/blog/{year:int}/{}", echo)
    assert seen(app, "/blog/2024/x%20y") == {
        "method": "GET",
        "script_name": "/blog/2024/x y",
        "path_info": "",
        "args": ["x y"],
        "vars": {"year": 2024},
        "route": "/blog/{year:int}/{}",
    }


def test_webob_finds_the_variables() -> None:
    app = Dispatcher()
    app.add("/{name}", lambda e, s: says(Request(e).urlvars["name"])(e, s))
    assert send(app, "/x").text == "x"


def test_the_first_route_that_matches_wins() -> None:
    app = Dispatcher()
    app.add("/{a}/x", says("first"))
    app.add("/a/x", says("second"))
    app.add("/a/{b}", says("third"))
    assert [send(app, path).text for path in ("/a/x", "/a/y")] == ["first", "third"]


def test_a_later_route_may_have_the_method_that_an_earlier_lacks() -> None:
    app = Dispatcher()
    app.add("/{a}", GET=says("one"))
    app.add("/x", POST=says("two"))
    app.add("/x", GET=says("three"))
    assert send(app, "/x").text == "one"
    assert send(app, "/x", "POST").text == "two"


def test_an_application_for_each_method() -> None:
    app = Dispatcher()
    app.add("/barney/", GET=says("show"), POST=says("change"))
    assert send(app, "/barney/").text == "show"
    assert send(app, "/barney/", "POST").text == "change"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_one_application_for_every_method(method: str) -> None:
    app = Dispatcher()
    app.add("/a", echo)
    app.add("/b", _ANY_=echo)
    for path in ("/a", "/b"):
        assert send(app, path, method).json["method"] == method


def test_a_method_may_have_any_name_that_http_allows() -> None:
    app = Dispatcher()
    app.add("/a", **{"M-SEARCH": echo})
    # Without the validator, which knows the common methods only.
    assert Request.blank("/a", method="M-SEARCH").get_response(app).status == "200 OK"


def test_a_value_that_is_no_value_after_all_is_not_found() -> None:
    app = Dispatcher()
    app.add("/{day:date}", echo)
    assert send(app, "/2023-02-29").status == "404 Not Found"


def test_ranges_of_ones_own_are_known_to_all_templates() -> None:
    app = Dispatcher(ranges={"code": ("[A-Z]{2}", str.lower, str.upper)})
    app.add("/{country:code}", echo, name="country")
    assert seen(app, "/NZ")["vars"] == {"country": "nz"}
    assert app.url_for("country", country="nz") == "/NZ"


@pytest.mark.parametrize(
    ("regex", "path", "args", "names"),
    [
        (r"/(?P<name>\w+)\.(\w+)", "/a.b", ["b"], {"name": "a"}),
        (r"/(?P<name>\w+)(?:/(?P<more>\w+))?", "/a", [], {"name": "a"}),
        (r"/(a)?(b)", "/b", [None, "b"], {}),
        (r"/x|/y", "/y", [], {}),
    ],
)
def test_a_regular_expression_matches_the_whole_path(
    regex: str, path: str, args: list[Any], names: dict[str, Any]
) -> None:
    app = Dispatcher()
    app.add_regex(regex, echo)
    result = seen(app, path)
    assert (result["args"], result["vars"], result["route"]) == (args, names, regex)
    assert send(app, f"{path}!").status == "404 Not Found"


def test_regular_expressions_keep_their_turn() -> None:
    app = Dispatcher()
    app.add("/a", says("one"))
    app.add_regex("/[ab]", says("two"))
    app.add("/b", says("three"))
    assert [send(app, path).text for path in ("/a", "/b")] == ["one", "two"]


def test_the_decorator_adds_and_gives_the_function_back() -> None:
    app = Dispatcher()

    @app.route("/a", name="a")
    def show(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return says("show")(environ, start_response)

    app.route("/a", methods=("POST", "PUT"), name="a")(says("change"))
    app.route("/b", methods=())(says("all"))
    assert app.routes[0].app is show
    assert [send(app, "/a", method).text for method in ("GET", "POST", "PUT")] == [
        "show",
        "change",
        "change",
    ]
    assert send(app, "/b", "DELETE").text == "all"
    with pytest.raises(TypeError, match=r"write \('POST',\)"):
        app.route("/a", methods="POST")


def test_wrap_is_applied_to_every_application() -> None:
    def shout(function: Callable[[], str]) -> WSGIApplication:
        return says(function().upper())

    def hello() -> str:
        return "hello"

    app = Dispatcher(wrap=shout)
    app.add("/a", hello)
    app.add("/b", GET=hello, POST=hello)
    app.add_regex("/c", hello)
    app.add_all([("/d", hello)])
    app.route("/e")(hello)
    assert [send(app, path).text for path in ("/a", "/b", "/c", "/d", "/e")] == ["HELLO"] * 5
    assert [route.methods for route in app.routes] == [(), ("GET", "POST"), (), (), ("GET",)]


def test_a_table_of_routes_can_be_added() -> None:
    app = Dispatcher()
    app.add_all([("/a", says("a")), ("/b", "bee", says("b")), ("/c", None, says("c"))])
    assert [send(app, path).text for path in ("/a", "/b", "/c")] == ["a", "b", "c"]
    assert [route.name for route in app.routes] == [None, "bee", None]
    with pytest.raises(TypeError, match=r"write \(template, app\) or \(template, name, app\)"):
        app.add_all([("/d", "dee", says("d"), says("e"))])  # type: ignore[list-item]


def test_the_routes_are_plain_data() -> None:
    app, show, change = Dispatcher(), says("show"), says("change")
    app.add("/a", show, name="a")
    app.add("/b/{c:int}", GET=show, HEAD=show, POST=change)
    app.add_regex("/d", show)
    pattern = app.routes[1].pattern
    assert isinstance(pattern, URIPattern)
    assert pattern.published == "/b/{c}"
    assert app.routes == (
        Route("/a", "a", (), show, app.routes[0].pattern),
        Route("/b/{c:int}", None, ("GET", "HEAD"), show, pattern),
        Route("/b/{c:int}", None, ("POST",), change, pattern),
        Route("/d", None, (), show, None),
    )


def test_a_walk_finds_what_is_mounted_too() -> None:
    inner, outer, show = Dispatcher(), Dispatcher(), says("show")
    inner.add("/c/{d}", show)
    inner.add_regex("/e", show)
    outer.add("/a", show)
    outer.add("/b/|", inner)
    ways = [[route.template for route in way] for way in outer.walk()]
    assert ways == [["/a"], ["/b/|", "/c/{d}"]]


# --- refusing


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no application"),
        ({"app": echo, "GET": echo}, "not both"),
        ({"app": echo, "_ANY_": echo}, "not both"),
        ({"_ANY_": echo, "GET": echo}, "_ANY_ is every method"),
        ({"get": echo}, "'get' is not a method: write GET"),
        ({"A B": echo}, "'A B' is not a method"),
        ({"app": "echo"}, "'echo' is not an application"),
        ({"GET": None}, "None is not an application"),
    ],
)
def test_wrong_arguments_are_type_errors(given: dict[str, Any], message: str) -> None:
    app = Dispatcher()
    for add in (app.add, app.add_regex):
        with pytest.raises(TypeError, match=message):
            add("/a", **given)
    assert app.routes == ()


@pytest.mark.parametrize("template", ["index", "é/{a}", "|x", "/{a"])
def test_a_malformed_template_is_refused_when_it_is_added(template: str) -> None:
    with pytest.raises(PatternError) as caught:
        Dispatcher().add(template, echo)
    assert f"\n  {template}\n" in str(caught.value)
    assert str(caught.value).endswith("^")


@pytest.mark.parametrize("template", ["", "|", "{a}", "[/a]", "{/a}"])
def test_a_template_that_can_match_a_path_is_accepted(template: str) -> None:
    Dispatcher().add(template, echo)


def test_a_malformed_regular_expression_is_refused_when_it_is_added() -> None:
    with pytest.raises(PatternError, match="unterminated character set") as caught:
        Dispatcher().add_regex("/a[b", echo)
    assert str(caught.value).endswith("\n  /a[b\n    ^")


def test_unusable_ranges_are_refused_before_any_template() -> None:
    with pytest.raises(PatternError, match="accepts the empty text"):
        Dispatcher(ranges={"x": "a*"})


def test_a_name_belongs_to_one_template() -> None:
    app = Dispatcher()
    app.add("/a", name="a", GET=echo)
    app.add("/a", name="a", POST=echo)
    with pytest.raises(ValueError, match="the name 'a' is taken by /a"):
        app.add("/b", echo, name="a")
    assert len(app.routes) == 2


# --- other answers


def test_an_unknown_path_is_404() -> None:
    app = Dispatcher()
    app.add("/a", echo)
    response = send(app, "/<b>")
    assert response.status == "404 Not Found"
    assert response.vary == ("Accept",)
    assert "<b>" not in response.text


def test_not_found_answers_unknown_paths_only() -> None:
    app = Dispatcher(not_found=says("nothing here"))
    app.add("/a", GET=echo)
    assert send(app, "/b").text == "nothing here"
    assert send(app, "/a", "POST").status == "405 Method Not Allowed"


def test_a_known_path_without_that_method_is_405_and_lists_allow() -> None:
    app = Dispatcher()
    app.add("/a", GET=echo)
    app.add("/{b}", PUT=echo, DELETE=echo)
    app.add("/c", PATCH=echo)
    response = send(app, "/a", "POST")
    assert response.status == "405 Method Not Allowed"
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert send(app, "/b", "GET").headers["Allow"] == "DELETE, OPTIONS, PUT"


def test_options_are_answered_from_the_routes() -> None:
    app = Dispatcher()
    app.add("/a", GET=echo, POST=echo)
    response = send(app, "/a", "OPTIONS")
    assert response.status == "204 No Content"
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert response.body == b""
    assert send(app, "/b", "OPTIONS").status == "404 Not Found"


def test_options_go_to_an_application_that_takes_them() -> None:
    app = Dispatcher()
    app.add("/a", GET=echo, OPTIONS=says("mine"))
    assert send(app, "/a", "OPTIONS").text == "mine"


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("application/problem+json", True),
        ("application/json, text/html;q=0.5", True),
        ("text/html, application/json;q=0.5", False),
        ("text/html, application/json", False),
        ("*/*", True),
        ("", True),
        ("application/xhtml+xml, text/html", False),
        ("application/json;q=0, text/html;q=0", False),
    ],
)
def test_programs_get_problems_as_json(accept: str, is_json: bool) -> None:
    app = Dispatcher()
    app.add("/a", GET=echo)
    response = send(app, "/a", "POST", accept=accept)
    assert response.status == "405 Method Not Allowed"
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert (response.content_type == "application/problem+json") == is_json
    if is_json:
        assert response.json["title"] == "Method Not Allowed"
        assert response.json["status"] == 405
        assert response.json.keys() == {"type", "title", "status", "detail"}
        assert response.json["detail"] == "That method is not for this URL."


@pytest.mark.parametrize(
    ("path", "method", "said"),
    [
        ("/b", "GET", ("404 Not Found", "There is nothing at this address.")),
        ("/a", "POST", ("405 Method Not Allowed", "That method is not for this URL.")),
        ("/\xff", "GET", ("400 Bad Request", "The path is not UTF-8.")),
    ],
)
def test_people_get_a_page_that_says_it_once(path: str, method: str, said: tuple[str, str]) -> None:
    app = Dispatcher()
    app.add("/a", GET=echo)
    environ = {"PATH_INFO": path}
    response = send(app, "/", method, accept="text/html", environ=environ)
    assert response.text.startswith("<!DOCTYPE html>")
    assert re.findall("<(?:title|h1|p)>(.*)</", response.text) == [said[0], *said]
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("path", [b"/\xff", b"/caf\xe9", b"/\xed\xa0\x80", b"/\xc0\xaf"])
def test_a_path_that_is_not_utf_8_is_400(path: bytes) -> None:
    app = Dispatcher()
    app.add("/{a:any}", echo)
    response = send(app, "/", environ={"PATH_INFO": path.decode("latin-1")})
    assert response.status == "400 Bad Request"


def test_a_path_that_is_not_even_bytes_is_400() -> None:
    environ = Request.blank("/").environ | {"PATH_INFO": "/日本"}
    assert Request(environ).get_response(Dispatcher()).status == "400 Bad Request"


# --- HEAD


def test_head_goes_to_the_get_application_without_the_body() -> None:
    app = Dispatcher()
    app.add("/a", GET=says("hello"))
    app.add("/b", says("hello"))
    for path in ("/a", "/b"):
        response = send(app, path, "HEAD")
        assert response.status == "200 OK"
        assert response.headers["Content-Length"] == "5"
        assert response.body == b""


def test_head_goes_to_its_own_application_first() -> None:
    app = Dispatcher()
    app.add("/a", GET=says("get"), HEAD=says("four"))
    assert send(app, "/a", "HEAD").headers["Content-Length"] == "4"


def test_head_closes_what_the_application_returned() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Any:
            raise AssertionError("nobody wants the body")

        def close(self) -> None:
            closed.append(True)

    def stream(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    app = Dispatcher()
    app.add("/a", GET=stream)
    assert send(app, "/a", "HEAD").status == "200 OK"
    assert closed == [True]


def test_head_starts_an_application_that_is_a_generator() -> None:
    closed = []

    def stream(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Seen", "yes")])
        try:
            yield b"hello"
            raise AssertionError("one chunk is enough")
        finally:
            closed.append(True)

    app = Dispatcher()
    app.add("/a", GET=stream)
    assert send(app, "/a", "HEAD").headers["X-Seen"] == "yes"
    assert closed == [True]


def test_head_discards_what_is_written_and_passes_errors_on() -> None:
    def old_style(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"hello")
        try:
            raise ValueError(environ["QUERY_STRING"])
        except ValueError as error:
            info = (type(error), error, error.__traceback__)
            if environ["QUERY_STRING"]:
                start_response("500 Sorry", [("Content-Type", "text/plain")], info)
        return []

    app = Dispatcher()
    app.add("/a", GET=old_style)
    assert send(app, "/a", "HEAD").body == b""
    with pytest.raises(ValueError, match="too_late"):  # the server decides
        send(app, "/a?too_late", "HEAD")


# --- mounting


@pytest.mark.parametrize(
    ("template", "path", "script_name", "path_info"),
    [
        ("/a|", "/a", "/a", ""),
        ("/a|", "/a/", "/a", "/"),
        ("/a|", "/a/b//c", "/a", "/b//c"),
        ("/a/|", "/a/", "/a", "/"),
        ("/a/|", "/a/b", "/a", "/b"),
        ("/a/|", "/a//b", "/a", "//b"),
        ("|", "/a", "", "/a"),
        ("/|", "/a", "", "/a"),
        ("/", "/", "", "/"),
        ("/a/", "/a/", "/a/", ""),
        ("/{x}|", "/%C3%A9/%C3%A9", "/Ã©", "/Ã©"),
    ],
)
def test_the_matched_part_of_the_path_moves_to_script_name(
    template: str, path: str, script_name: str, path_info: str
) -> None:
    app = Dispatcher()
    app.add(template, echo)
    result = seen(app, path)
    assert (result["script_name"], result["path_info"]) == (script_name, path_info)


@pytest.mark.parametrize(
    ("outer", "inner", "path", "route"),
    [
        ("/blog|", "/{id:int}", "/blog/7", "/blog/{id:int}"),
        ("/blog/|", "/{id:int}", "/blog/7", "/blog/{id:int}"),
        ("/blog|", "", "/blog", "/blog"),
        ("|", "/{id:int}", "/7", "/{id:int}"),
        ("/|", "/{id:int}", "/7", "/{id:int}"),
        ("/", "/", "/", "/"),
    ],
)
def test_dispatchers_nest(outer: str, inner: str, path: str, route: str) -> None:
    inside, outside = Dispatcher(), Dispatcher()
    inside.add(inner, echo)
    outside.add(outer, inside)
    assert seen(outside, path)["route"] == route


def test_variables_are_merged_over_those_of_the_outer_dispatcher() -> None:
    inside, outside = Dispatcher(), Dispatcher()
    inside.add("/{b}/{c}/{}", echo)
    outside.add("/{a}/{b}/{}|", inside)
    result = seen(outside, "/1/2/3/4/5/6")
    assert result["vars"] == {"a": "1", "b": "4", "c": "5"}
    assert result["args"] == ["3", "6"]


def test_variables_set_by_others_are_kept() -> None:
    app = Dispatcher()
    app.add("/{b}", echo)
    before = {"a": "1"}
    result = seen(app, "/2", environ={"wsgiorg.routing_args": (("x",), before)})
    assert (result["args"], result["vars"]) == (["x"], {"a": "1", "b": "2"})
    assert before == {"a": "1"}


def test_an_inner_dispatcher_answers_404_itself() -> None:
    outside = Dispatcher(not_found=says("outer"))
    outside.add("/a|", Dispatcher())
    outside.add("/a/b", says("later"))
    assert send(outside, "/a/b").status == "404 Not Found"


# --- URLs


def test_url_for_makes_an_encoded_path() -> None:
    app = Dispatcher()
    app.add("/blog/{year:int}[/{slug}]{?page}", echo, name="post")
    assert app.url_for("post", year=2024) == "/blog/2024"
    assert app.url_for("post", year=2024, slug="é/ü".replace("/", " "), page=2) == (
        "/blog/2024/%C3%A9%20%C3%BC?page=2"
    )


def test_url_for_refuses_what_it_cannot_make() -> None:
    app = Dispatcher()
    app.add("/{a:int}", echo, name="a")
    app.add_regex("/b", echo, name="b")
    with pytest.raises(LookupError, match=r"no route is named 'c': there are \['a', 'b'\]"):
        app.url_for("c")
    with pytest.raises(LookupError, match="'b' is a regular expression"):
        app.url_for("b")
    with pytest.raises(PatternError, match=r"no value for \{a\}"):
        app.url_for("a")


def test_url_for_is_prefixed_by_where_the_dispatcher_is_mounted() -> None:
    app = Dispatcher()
    app.add("/{a}", echo, name="a")
    mounted = Request.blank("/x", base_url="http://localhost/caf%C3%A9%20%3F").environ
    assert app.url_for("a", mounted, a="y") == "/caf%C3%A9%20%3F/y"
    assert app.url_for("a", environ=mounted, a="y") == "/caf%C3%A9%20%3F/y"


def test_applications_find_url_for_in_the_environ() -> None:
    app = Dispatcher()
    app.add("/a/{b}", calls("wsgikit.url_for", "other", c="é"), name="this")
    app.add("/other/{c}", echo, name="other")
    assert send(app, "/a/x").text == "/other/%C3%A9"
    mounted = send(app, "/a/x", base_url="http://localhost/caf%C3%A9%20%3F")
    assert mounted.text == "/caf%C3%A9%20%3F/other/%C3%A9"


def test_an_application_can_ask_where_a_dispatcher_is_mounted() -> None:
    inner, outer = Dispatcher(), Dispatcher()

    def places(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = [inner.mounted_at(environ), outer.mounted_at(environ)]
        return says(" ".join(found))(environ, start_response)

    inner.add("/x", places)
    outer.add("/é/|", inner)
    assert send(outer, "/%C3%A9/x", base_url="http://localhost/app").text == "/app/%C3%A9 /app"
    assert send(outer, "/%C3%A9/x").text == "/%C3%A9 "


def test_url_for_in_the_environ_asks_the_outer_dispatchers_too() -> None:
    def urls(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        url_for = environ["wsgikit.url_for"]
        found = [url_for("both", id=1), url_for("inner"), url_for("outer", name="x")]
        found += [inside.url_for("inner", environ), outside.url_for("home", environ)]
        with pytest.raises(LookupError, match="no route is named 'none'"):
            url_for("none")
        return says(" ".join(found))(environ, start_response)

    inside, outside = Dispatcher(), Dispatcher()
    inside.add("/{id:int}", urls, name="both")
    inside.add("/list", echo, name="inner")
    outside.add("/in/{name}|", inside, name="outer")
    outside.add("/both", echo, name="both")
    outside.add("/", echo, name="home")
    response = send(outside, "/in/%3F/7", base_url="http://localhost/app")
    assert response.text == ("/app/in/%3F/1 /app/in/%3F/list /app/in/x /app/in/%3F/list /app/")


@pytest.mark.parametrize(
    ("template", "path", "given", "expected"),
    [
        ("/p/[{id:key}][;{noun}]", "/p/7;edit", {}, "/p/7;edit"),
        ("/p/[{id:key}][;{noun}]", "/p/7;edit", {"noun": None}, "/p/7"),
        ("/p/[{id:key}][;{noun}]", "/p/7;edit", {"id": None, "noun": None}, "/p/"),
        ("/p/[{id:key}][;{noun}]", "/p/", {"id": "8", "other": 1}, "/p/8"),
        ("/{}/{:int}", "/a%20b/7", {}, "/a%20b/7"),
        ("/{}/{:int}", "/a/7", {"1": 8}, "/a/8"),
        ("/a/{b}|", "/a/x/y", {"b": "z"}, "/a/z"),
    ],
)
def test_url_in_the_environ_keeps_the_values_that_are_not_given(
    template: str, path: str, given: dict[str, Any], expected: str
) -> None:
    app = Dispatcher()
    app.add(template, calls("wsgikit.url", **given))
    assert send(app, path).text == expected
    assert send(app, path, base_url="http://localhost/%C3%A9").text == f"/%C3%A9{expected}"


def test_url_in_the_environ_is_that_of_the_innermost_route() -> None:
    inside, outside = Dispatcher(), Dispatcher()
    inside.add("/{id}", calls("wsgikit.url", id="8"))
    inside.add_regex("/regex/x", lambda e, s: says(str("wsgikit.url" in e))(e, s))
    outside.add("/{id}/in|", inside)
    assert send(outside, "/7/in/x").text == "/7/in/8"
    assert send(outside, "/7/in/regex/x").text == "False"


def test_no_url_leads_to_another_host() -> None:
    app = Dispatcher()
    app.add("/{+rest}", calls("wsgikit.url"), name="rest")
    assert app.url_for("rest", rest="/evil.example/x") == "/%2Fevil.example/x"
    assert send(app, "/%2Fevil.example").text == "/%2Fevil.example"
    assert send(app, "//evil.example").text == "/%2Fevil.example"


# --- redirect_slashes


@pytest.mark.parametrize(
    ("template", "path", "location"),
    [
        ("/a/", "/a", "/a/"),
        ("/a", "/a/", "/a"),
        ("/a/", "/a?b=1&c=%C3%A9/", "/a/?b=1&c=%C3%A9/"),
        ("/a/|", "/a", "/a/"),
        ("/{b}/", "/%C3%A9%20%3F", "/%C3%A9%20%3F/"),
        ("/a/", "/b", None),
        ("/a/", "/a//", "/a/"),
        ("/a", "/a//", None),
        ("", "/", None),
    ],
)
def test_a_slash_more_or_less_is_redirected(template: str, path: str, location: str | None) -> None:
    app = Dispatcher(redirect_slashes=True)
    app.add(template, echo)
    for method in ("GET", "POST"):
        response = send(app, path, method)
        assert response.status == ("308 Permanent Redirect" if location else "404 Not Found")
        assert response.headers.get("Location") == location


def test_redirects_keep_to_where_the_dispatcher_is_mounted() -> None:
    app = Dispatcher(redirect_slashes=True)
    app.add("/a/", echo)
    app.add("", echo)
    base = {"base_url": "http://localhost/caf%C3%A9"}
    assert send(app, "/a", **base).headers["Location"] == "/caf%C3%A9/a/"
    assert send(app, "/", **base).headers["Location"] == "/caf%C3%A9"


@pytest.mark.parametrize("path", ["//evil.example/", "/%2Fevil.example/", "///evil.example/"])
def test_a_redirect_never_leads_to_another_host(path: str) -> None:
    app = Dispatcher(redirect_slashes=True)
    app.add("/{a:any}x", echo)
    app.add_regex("/+evil.example", echo)
    location = send(app, path).headers["Location"]
    assert location.startswith("/%2F")


def test_a_redirect_never_breaks_a_header() -> None:
    app = Dispatcher(redirect_slashes=True)
    app.add("/{a}/", echo)
    environ = Request.blank("/x%0D%0ASet-Cookie:y").environ | {"QUERY_STRING": "a\r\nb=é日"}
    response = Request(environ).get_response(app)
    assert response.headers["Location"] == "/x%0D%0ASet-Cookie:y/?a%0D%0Ab=%E9?"


def test_slashes_are_not_redirected_unless_asked() -> None:
    app = Dispatcher()
    app.add("/a/", echo)
    assert send(app, "/a").status == "404 Not Found"


def test_a_route_that_matches_is_not_redirected() -> None:
    app = Dispatcher(redirect_slashes=True)
    app.add("/a", GET=echo)
    app.add("/a/", echo)
    assert send(app, "/a", "POST").status == "405 Method Not Allowed"


# --- threads, size, laws


def test_threads_share_a_dispatcher() -> None:
    inside, app = Dispatcher(), Dispatcher()
    inside.add("/{b:int}", echo)
    app.add("/{a:int}|", inside)

    def request(number: int) -> bool:
        result = seen(app, f"/{number}/{number + 1}")
        return bool(result["vars"] == {"a": number, "b": number + 1})

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(request, range(400)))


def test_the_time_of_a_request_does_not_grow_with_the_routes() -> None:
    def best(routes: int) -> float:
        app = Dispatcher()
        app.add_all((f"/r{number}/{{a}}/x[/{{b:int}}]", echo) for number in range(routes))
        times = []
        for _ in range(50):
            environ = Request.blank(f"/r{routes - 1}/a/x/7").environ
            start = time.perf_counter()
            app(environ, lambda *_: print)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(2000) < 5 * best(20)


SEGMENTS = ["a", "b", "ab", "", "{x}", "{y:int}", "{z:alpha}", "a{x}", "{x}.{y}", "é"]
TEMPLATES = st.lists(st.sampled_from(SEGMENTS), max_size=3).map(lambda s: "/" + "/".join(s))
ENDS = st.sampled_from(
    ["", "", "", "|", "/|", "[/{v}]", "[;{v}]", "{/v*}", "{.v}", "[/a]/b", "/{v:path}"]
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "", "7", "x.y", "a;b", "é"]), max_size=4)
VERBS = st.sets(st.sampled_from(["GET", "POST", "PUT", "_ANY_"]), min_size=1, max_size=2)


def reference(table: list[tuple[str, set[str]]], path: str, method: str) -> int | set[str] | None:
    """The plain reading of "the first route whose template and method match wins"."""
    allowed: set[str] = set()
    for number, (template, verbs) in enumerate(table):
        if URIPattern(template).match(path) is None:
            continue
        if verbs & {method, "_ANY_"} or (method == "HEAD" and "GET" in verbs):
            return number
        allowed |= verbs
    return allowed or None


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.builds(str.__add__, TEMPLATES, ENDS), VERBS), max_size=8),
    st.lists(PATHS.map(lambda s: "/" + "/".join(s)), min_size=1, max_size=5),
    st.sampled_from(["GET", "POST", "HEAD", "DELETE"]),
)
def test_the_first_match_wins_as_in_a_plain_list(
    routes: list[tuple[str, set[str]]], paths: list[str], method: str
) -> None:
    app, table = Dispatcher(), []
    for template, verbs in routes:
        verbs = {"_ANY_"} if "_ANY_" in verbs else verbs
        try:
            app.add(template, **{verb: numbered(len(table)) for verb in verbs})
        except PatternError:
            continue
        table.append((template, verbs))
    for path in paths:
        response = Request.blank(
            "/", method=method, environ={"PATH_INFO": path.encode().decode("latin-1")}
        ).get_response(app)
        wanted = reference(table, path, method)
        if isinstance(wanted, int):
            assert response.headers["X-Route"] == str(wanted)
        elif wanted:
            assert response.status_code == 405
            assert set(response.allow) - {"HEAD", "OPTIONS"} == wanted
        else:
            assert response.status_code == 404


def numbered(number: int) -> WSGIApplication:
    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Route", str(number))])
        return []

    return app


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=12), st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "BREW"]))
def test_no_path_is_a_server_error(path: bytes, method: str) -> None:
    app = Dispatcher(redirect_slashes=True)
    app.add("/{a}[.{b}]", GET=echo)
    app.add("/{a:int}{/b*}", echo)
    app.add("/{a:path}/", PUT=echo)
    environ = {"PATH_INFO": "/" + path.decode("latin-1")}
    response = Request.blank("/", method=method, environ=environ).get_response(app)
    assert response.status_code in (200, 204, 308, 400, 404, 405)


# -- neighbours ----------------------------------------------------------------------------------


def places(app: WSGIApplication, path: str) -> dict[str, str]:
    """Ask the application at a path for the places that it knows."""
    found: dict[str, str] = {}

    def ask(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found.update(environ["wsgikit.places"]())
        return says("asked")(environ, start_response)

    ASKING.append(ask)
    try:
        assert send(app, path).text == "asked"
    finally:
        ASKING.pop()
    return found


ASKING: list[WSGIApplication] = []


def asking(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Do what the test wants."""
    return ASKING[-1](environ, start_response)


def reached(app: WSGIApplication, path: str, url: str, **options: Any) -> Any:
    """Ask the application at a path what would answer at a URL, and with which environ."""
    found: list[Any] = []

    def ask(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found.append(environ["wsgikit.reach"](environ, url))
        return says("asked")(environ, start_response)

    ASKING.append(ask)
    try:
        assert send(app, path, **options).text == "asked"
    finally:
        ASKING.pop()
    return found[0]


class Views:
    """Applications that are found by name."""

    def names(self) -> list[str]:
        return ["one", "two"]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return echo(environ, start_response)


def site() -> tuple[Dispatcher, Dispatcher]:
    """An outer dispatcher with one inside."""
    inner, outer = Dispatcher(), Dispatcher()
    inner.add("/ask/", asking, name="ask")
    inner.add("/things/[{id:key}]", echo, name="things")
    inner.add("/both/", echo, name="both")
    inner.add("/deep/{x}/", echo, name="deep")
    inner.add_regex("/regex/", echo, name="regex")
    inner.add("/nameless/", echo)
    outer.add("/both/", echo, name="both")
    outer.add("/top/[{id}]", GET=echo, POST=says("changed"), name="top")
    outer.add("/in/{tenant}|", inner)
    return outer, inner


def test_places_are_what_has_a_name_and_no_variable_the_nearest_first() -> None:
    outer, _inner = site()
    assert places(outer, "/in/a b/ask/") == {
        "ask": "/in/a%20b/ask/",
        "things": "/in/a%20b/things/",
        "both": "/in/a%20b/both/",
        "top": "/top/",
    }


def test_views_found_by_name_are_places() -> None:
    app = Dispatcher()
    app.add("/ask/", asking)
    app.add("/{view}/", Views())
    assert places(app, "/ask/") == {"one": "/one/", "two": "/two/"}


def test_an_application_is_a_place_under_its_own_name_unless_a_route_has_that() -> None:
    class Named:
        def __init__(self, name: Any) -> None:
            self.name = name

        __call__ = staticmethod(echo)

    app = Dispatcher()
    app.add("/ask/", asking)
    for path, own, name in (
        ("/a/", "things", None),
        ("/b/", "things", None),
        ("/c/", "people", "staff"),
        ("/d/", "taken", None),
        ("/e/", "other", "taken"),
        ("/f/", "", None),
        ("/g/", 7, None),
        ("/{x}/h/", "below", None),
    ):
        app.add(path, Named(own), name=name)
    app.add_regex("/i/", Named("unwritable"))
    assert places(app, "/ask/") == {
        "taken": "/e/", "staff": "/c/", "things": "/a/", "people": "/c/", "other": "/e/",
    }  # fmt: skip


def test_what_is_at_a_url_is_found_without_calling_it() -> None:
    outer, _inner = site()
    app, environ = reached(
        outer, "/in/x/ask/?q=1", "/in/x/things/7", method="POST", body=b"text",
        headers={"X-Who": "Ada", "If-Match": "*"},
    )  # fmt: skip
    assert app is echo
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SCRIPT_NAME"] == "/in/x/things/7"
    assert environ["QUERY_STRING"] == ""
    assert environ["wsgi.input"].read() == b""
    assert environ["HTTP_X_WHO"] == "Ada"
    assert environ["wsgiorg.routing_args"] == ((), {"tenant": "x", "id": "7"})
    assert environ["wsgikit.route"] == "/in/{tenant}/things/[{id:key}]"
    assert environ["wsgikit.url"](id="8") == "/in/x/things/8"
    assert environ["wsgikit.url_for"]("top") == "/top/"
    assert not {"HTTP_IF_MATCH", "CONTENT_TYPE", "CONTENT_LENGTH"} & environ.keys()


def test_what_is_further_out_is_found_too() -> None:
    outer, _inner = site()
    app, environ = reached(outer, "/in/x/ask/", "/top/")
    assert app is echo
    assert environ["wsgiorg.routing_args"] == ((), {})
    assert environ["wsgikit.route"] == "/top/[{id}]"


def test_what_is_further_in_is_found_unless_it_is_wrapped() -> None:
    outer, inner = site()
    outer.add("/ask/", asking)
    assert reached(outer, "/ask/", "/in/x/both/")[0] is echo

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return inner(environ, start_response)

    outer.add("/closed|", wrapped)
    assert reached(outer, "/ask/", "/closed/both/")[0] is wrapped


@pytest.mark.parametrize("url", ["/nowhere/", "/in/x/nowhere/", "/in/x/%FF", "/deep/"])
def test_where_nothing_is_nothing_is_found(url: str) -> None:
    outer, _inner = site()
    assert reached(outer, "/in/x/ask/", url) is None


def test_what_is_not_for_get_is_not_found() -> None:
    app = Dispatcher()
    app.add("/ask/", asking)
    app.add("/post/", POST=echo)
    assert reached(app, "/ask/", "/post/") is None


def test_under_a_prefix_only_what_is_below_it_is_found() -> None:
    app = Dispatcher()
    app.add("/ask/", asking)
    app.add("/things/", echo, name="things")
    found = reached(app, "/ask/", "/mounted/things/", environ={"SCRIPT_NAME": "/mounted"})
    assert found[0] is echo
    assert found[1]["SCRIPT_NAME"] == "/mounted/things/"
    assert reached(app, "/ask/", "/things/", environ={"SCRIPT_NAME": "/mounted"}) is None
