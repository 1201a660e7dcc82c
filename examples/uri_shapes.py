"""A collection at URLs of another shape, by nothing but its template.

=======================  ============================  ============================
what it is               ``/col/[{id:key}][;{noun}]``  ``/col[;{id:key}]/[{noun}]``
=======================  ============================  ============================
the collection           ``/col/``                     ``/col/``
the form for a new item  ``/col/;add_form``            ``/col/add_form``
an item                  ``/col/1``                    ``/col;1/``
the form to change it    ``/col/1;edit_form``          ``/col;1/edit_form``
=======================  ============================  ============================

In the second shape a form is always one step below what it is about, so that "." is the right
action of every form, and no form needs to know where it is.  Links are made from the template.

Run it with ``python examples/uri_shapes.py``, then open http://127.0.0.1:8080/col/ in a browser.
"""

from html import escape
from itertools import count

from webob import Request
from webob.exc import HTTPNotFound, HTTPSeeOther

from wsgikit.collection import Collection
from wsgikit.dispatcher import Dispatcher
from wsgikit.media import MediaType
from wsgikit.media.forms import FormParser
from wsgikit.server import run

TEMPLATE = "/col[;{id:key}]/[{noun}]"

FORM = """<form method="post" action=".">{method}
<textarea name="text">\n{text}</textarea> <button>{button}</button>
</form>
"""
CHANGE = '<input type="hidden" name="_method" value="PUT">'
DELETE = """<form method="post" action="."><input type="hidden" name="_method" value="DELETE">
<button>Delete</button></form>"""


class Notes(Collection):
    """Texts, in memory."""

    media = (MediaType("text/html", parser=FormParser()),)

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.ids = map(str, count(1))

    def list(self, request: Request) -> str:
        items = (
            f'<li><a href="{self.url(request, id)}">{escape(text)}</a>'
            for id, text in self.texts.items()
        )
        add = self.url(request, noun="add_form")
        return f'<ul>{"".join(items)}</ul><p><a href="{add}">Add a note</a>'

    def create(self, request: Request) -> HTTPSeeOther:
        id = next(self.ids)
        self.texts[id] = self.parse(request)["text"]
        return HTTPSeeOther(location=self.url(request, id))

    def retrieve(self, request: Request, id: str) -> str:
        change, notes = self.url(request, id, "edit_form"), self.url(request)
        links = f'<a href="{change}">Change it</a> <a href="{notes}">All notes</a>'
        return f"<pre>\n{escape(self.text(id))}</pre><p>{links}"

    def update(self, request: Request, id: str) -> HTTPSeeOther:
        self.text(id)
        self.texts[id] = self.parse(request)["text"]
        return HTTPSeeOther(location=self.url(request, id))

    def delete(self, request: Request, id: str) -> HTTPSeeOther:
        self.text(id)
        del self.texts[id]
        return HTTPSeeOther(location=self.url(request))

    def get_add_form(self, request: Request) -> str:
        return FORM.format(method="", text="", button="Add")

    def get_edit_form(self, request: Request, id: str) -> str:
        return FORM.format(method=CHANGE, text=escape(self.text(id)), button="Save") + DELETE

    def text(self, id: str) -> str:
        if id not in self.texts:
            raise HTTPNotFound("There is no such note.")
        return self.texts[id]


def make_app(template: str = TEMPLATE) -> Dispatcher:
    """Return an application with the notes at URLs of a template."""
    app = Dispatcher(redirect_slashes=True)
    app.add(template, Notes())
    return app


app = make_app()

if __name__ == "__main__":
    run(app)
