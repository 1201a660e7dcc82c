"""Plain WSGI functions behind a dispatcher, which is all that this uses of wsgikit.

Run it with ``python examples/hello.py``, then open http://127.0.0.1:8000/ in a browser
(the environment variable ``PORT`` chooses another port).
"""

import os
from collections.abc import Iterable
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import Request, Response

from wsgikit.dispatcher import Dispatcher

app = Dispatcher(redirect_slashes=True)

LINES = """\
Hello! Try
  {hello}
  {add}
  {missing}
"""


@app.route("/")
def home(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    url_for = environ["wsgikit.url_for"]
    text = LINES.format(
        hello=url_for("hello", name="wörld"),
        add=url_for("add", a=40, b=2),
        missing=url_for("add", a=40, b=2) + "x",
    )
    return Response(text, content_type="text/plain")(environ, start_response)


@app.route("/hello/{name}/", name="hello")
def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    name = Request(environ).urlvars["name"]
    return Response(f"Hello, {name}!\n", content_type="text/plain")(environ, start_response)


@app.route("/add/{a:int}/{b:int}", name="add")
def add(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    urlvars = Request(environ).urlvars
    text = f"{urlvars['a'] + urlvars['b']}\n"
    return Response(text, content_type="text/plain")(environ, start_response)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8000"))
    with make_server("127.0.0.1", port, app) as server:
        print(f"Serving on http://127.0.0.1:{port}/ (Ctrl-C stops it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
