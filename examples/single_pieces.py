"""Each piece alone, without the rest: five of them, in as many functions.

Run it with ``python examples/single_pieces.py``; it prints what each of them does.
No function needs another, and each imports no more than its own module does: a URI pattern
loads neither WebOb nor SQLAlchemy, a model neither WebOb nor Genshi.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from sqlalchemy import Column, Integer, MetaData, Numeric, String, Table, create_engine
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.media import negotiate, respond
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import ValidationError
from wsgikit.query import Query
from wsgikit.security import CrossOriginProtection
from wsgikit.sql import TableModel
from wsgikit.uri import URIPattern


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say hello: a WSGI application of anybody's, which knows nothing of wsgikit."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    start_response("200 OK", [("Content-Type", "text/plain; charset=UTF-8")])
    return [b"Hello from " + path.encode("latin-1") + b"\n"]  # PEP 3333: bytes, as Latin-1


def only_the_dispatcher() -> Response:
    """Send paths to plain WSGI applications."""
    app = Dispatcher()
    app.add("/", GET=hello)
    app.add("/blog/{year:int}/[{slug}]", hello, name="post")
    return Request.blank(app.url_for("post", year=2024, slug="naïve")).get_response(app)


def only_the_renderers() -> list[Response]:
    """Answer the same data as JSON or as a page, as the client prefers."""
    media = [HTML(), JSON]
    data = {"name": "Ada", "title": "Countess"}
    requests = [Request.blank("/", accept=accept) for accept in ("text/html", "application/json")]
    assert [negotiate(request, media).format for request in requests] == ["html", "json"]
    return [respond(data, request, media) for request in requests]


def only_the_uri_pattern() -> tuple[dict[str, object], str]:
    """Read a path, and write it again with other values."""
    pattern = URIPattern("/calendar/{day:date}[/{event:int}]")
    match = pattern.match("/calendar/2024-02-29/7")
    assert match is not None
    return match.urlvars, pattern.expand(**{**match.urlvars, "event": 8})


def only_the_cross_origin_protection() -> list[str]:
    """Refuse the forms of other sites, before any application that can be changed by one."""
    app = CrossOriginProtection(hello)
    sites = ("same-origin", "cross-site")
    return [
        Request.blank("/", method="POST", headers={"Sec-Fetch-Site": site}).get_response(app).status
        for site in sites
    ]


def only_the_model() -> tuple[list[dict[str, object]], list[str]]:
    """Keep a table's rows valid, in a script, without any HTTP."""
    engine = create_engine("sqlite://")
    prices = Table(
        "prices",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("item", String(20), nullable=False, unique=True),
        Column("price", Numeric(6, 2), nullable=False),
    )
    prices.create(engine)
    model = TableModel(prices, engine)
    model.create({"item": "tea", "price": "2.50"})
    try:
        model.create({"item": "a name that is much too long", "price": "cheap"})
    except ValidationError as error:
        mistakes = [f"{e.field}: {e.detail}" for e in error.errors]
    rows = list(model.list(Query()).data)
    engine.dispose()
    return rows, mistakes


if __name__ == "__main__":
    print(only_the_dispatcher().text, end="")
    for response in only_the_renderers():
        print(f"{response.content_type}: {len(response.body)} bytes")
    print(*only_the_uri_pattern())
    print(*only_the_cross_origin_protection(), sep=", ")
    print(*only_the_model())
