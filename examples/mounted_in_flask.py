"""A collection inside a Flask application, below a prefix.

Run it with ``python examples/mounted_in_flask.py``, then open http://127.0.0.1:8000/ in a browser.
One line mounts it, with the WSGI dispatcher that comes with Flask; the links of its pages, its
redirects and its ``Location`` headers begin with the prefix.
"""

from flask import Flask
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from wsgikit.dispatcher import Dispatcher
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

employees = Table(
    "employees",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(250), nullable=False),
)


def make_app(engine: Engine) -> Flask:
    """Return a Flask application with the employees below /staff."""
    employees.metadata.create_all(engine)
    staff = Dispatcher()
    collection = ModelCollection(TableModel(employees, engine), media=[HTML(), JSON])
    staff.add("/employees/[{id:key}][;{noun}]", collection, name="employees")

    app = Flask(__name__)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/staff": staff})  # the one line

    @app.get("/")
    def home() -> str:
        return '<p>This page is Flask\'s. <a href="/staff/employees/">Employees</a></p>'

    return app


if __name__ == "__main__":
    make_app(create_engine("sqlite:///staff.db")).run(port=8000)
