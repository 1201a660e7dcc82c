"""A collection inside a Pyramid application, below a prefix.

Run it with ``python examples/mounted_in_pyramid.py``, then open http://127.0.0.1:8000/ in a
browser.  Pyramid's own ``wsgiapp2`` makes a view of it, so what guards Pyramid's views (tweens,
permissions) guards the collection, too; links and redirects begin with the prefix.
"""

from wsgiref.types import WSGIApplication

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.wsgi import wsgiapp2
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.server import serve
from wsgikit.sql import TableModel

employees = Table(
    "employees",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(250), nullable=False),
)


def home(_request: Request) -> Response:
    return Response('<p>This page is Pyramid\'s. <a href="/staff/employees/">Employees</a></p>')


def make_app(engine: Engine) -> WSGIApplication:
    """Return a Pyramid application with the employees below /staff."""
    employees.metadata.create_all(engine)
    staff = Dispatcher()
    collection = ModelCollection(TableModel(employees, engine), media=[HTML(), JSON])
    staff.add("/employees/[{id:key}][;{noun}]", collection, name="employees")

    config = Configurator()
    config.add_route("home", "/")
    config.add_view(home, route_name="home")
    config.add_route("staff", "/staff/*subpath")
    config.add_view(wsgiapp2(staff), route_name="staff")  # the one line
    return config.make_wsgi_app()


if __name__ == "__main__":
    serve(make_app(create_engine("sqlite:///staff.db")), port=8000)
