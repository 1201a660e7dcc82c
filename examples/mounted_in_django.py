"""A collection beside the views of a Django project, below a prefix.

Run it with ``python examples/mounted_in_django.py``, then open http://127.0.0.1:8000/ in a browser.
Django mounts no WSGI applications, so a dispatcher stands in front and gives Django all that it
does not know; in a project these lines belong into its ``wsgi.py``.  Links, redirects and
``Location`` headers of the collection begin with the prefix.
"""

import secrets
from wsgiref.types import WSGIApplication

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.server import serve
from wsgikit.sql import TableModel

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
)

employees = Table(
    "employees",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(250), nullable=False),
)


def home(_request: HttpRequest) -> HttpResponse:
    return HttpResponse('<p>This page is Django\'s. <a href="/staff/employees/">Employees</a></p>')


urlpatterns = [path("", home)]


def make_app(engine: Engine) -> WSGIApplication:
    """Return a Django application with the employees below /staff."""
    employees.metadata.create_all(engine)
    staff = Dispatcher()
    collection = ModelCollection(TableModel(employees, engine), media=[HTML(), JSON])
    staff.add("/employees/[{id:key}][;{noun}]", collection, name="employees")

    app = Dispatcher(not_found=get_wsgi_application())
    app.add("/staff|", staff)  # the one line
    return app


if __name__ == "__main__":
    serve(make_app(create_engine("sqlite:///staff.db")), port=8000)
