"""Functions of the request, registered for a path, and run with one call.

Run it with ``python examples/functions.py``, then open http://127.0.0.1:8080/hello/ in a browser.
Change it, and the server starts anew.
"""

from webob.exc import HTTPNotFound

from wsgikit.dispatcher import Dispatcher
from wsgikit.server import run
from wsgikit.views import view

app = Dispatcher(wrap=view)


@app.route("/hello/[{name:alpha}]")
def hello(request, name="World"):
    if name == "Nobody":
        raise HTTPNotFound("There is nobody to greet.")
    return f"Hello, {name}!"


if __name__ == "__main__":
    run(app)
