"""`reflect`: a dispatcher over every table and view of a database that exists already.

Use it to look into a database, or as the example of how the pieces are assembled:

    from sqlalchemy import create_engine, text
    from webob import Request
    from wsgikit.reflect import reflect

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT)"))
        connection.execute(text("INSERT INTO city (name) VALUES ('Berlin')"))
    app = reflect(engine, write=True)
    city = Request.blank("/city/1?format=json").get_response(app)
    assert city.json == {"id": 1, "name": "Berlin"}

Each table is a `wsgikit.model_collection.ModelCollection` at ``/<its name>/``, as pages,
JSON, CSV and NDJSON, ``/`` is the `wsgikit.home.Home` of them all, and ``/openapi.json``
describes them to programs.  The route has the table's name, so foreign keys are links.  Views, and
tables without a primary key, are only listed.

A name that is more than letters, digits, ``_``, ``-`` and ``.`` is tilde-encoded in the URL:
each other character is ``~XX`` for every byte of its UTF-8 form.

Nothing can be written unless *write* is true.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.sql import FoundTable, TableModel, read_tables

IS_VIEW = "It is a view."
NOT_ASKED = "The server was started for reading only."

#: Rows that can be changed at once.
BULK_LIMIT = 1000


class Finding(NamedTuple):
    """What was found, and what can be done with it.

    Attributes:
        name: The table's name.
        kind: ``table`` or ``view``.
        href: Its URL, seen from the dispatcher; None if it is not served.
        access: ``read and write``, or what is not possible and why: a phrase for people.
    """

    name: str
    kind: str
    href: str | None
    access: str


class Reflected(Dispatcher):
    """A dispatcher over a database.

    Attributes:
        findings: What was found, in order of name.
    """

    findings: Sequence[Finding] = ()


def reflect(
    engine: Any,
    *,
    write: bool = False,
    title: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Reflected:
    """Serve every table and view of a database.

    Args:
        engine: A SQLAlchemy engine.
        write: Whether tables can be changed.
        title: The heading of the home page; by default the database's name.
        progress: Called before each table is read with how many are done, how many there
            are, and the name of the one that comes.

    Raises:
        wsgikit.model.UnavailableError: If the database cannot be reached.
    """
    app = Reflected(redirect_slashes=True, not_found=lambda *call: start.not_found(*call))
    media = [HTML(), JSON, CSV, NDJSON]
    tables = read_tables(engine, progress)
    title = title or str(engine.url.database or "Database")
    # Pages link to the routes of these names; a table of such a name is what is referred to by it.
    home, openapi = (
        None if name in [found.name for found in tables] else name for name in ("home", "openapi")
    )
    start = Home(app, title, media[0])
    app.add("/", start, name=home)
    app.add("/openapi.json", OpenAPI(app, title=title), name=openapi)
    app.findings = [_add(app, found, engine, media, write) for found in tables]
    return app


def _add(
    app: Dispatcher, found: FoundTable, engine: Any, media: Sequence[Any], write: bool
) -> Finding:
    kind = "view" if found.is_view else "table"
    if found.table is None:
        return Finding(found.name, kind, None, f"not served: {found.problem}")
    model = TableModel(found.table, engine, read_only=IS_VIEW if found.is_view else False)
    if not write and not model.read_only:
        model = model.restrict(read_only=NOT_ASKED)
    template = f"/{encode_name(model.name)}/[{{id:key}}][;{{noun}}]"
    collection = ModelCollection(model, media=media, bulk_limit=BULK_LIMIT)
    app.add(template, collection, name=model.name)
    return Finding(model.name, kind, app.url_for(model.name), _access(model))


def _access(model: TableModel) -> str:
    if not model.read_only:
        return "read and write"
    return "read only" if model.read_only == NOT_ASKED else f"read only: {model.read_only}"


def encode_name(name: str) -> str:
    """Write a table's name as one segment of a URI template; no two names are the same there."""
    if not name.strip("."):  # nothing, or what browsers take for a relative path
        return "~" + "~2E" * len(name)
    return re.sub(r"[^\w.\-]", _encode_character, name)


def _encode_character(found: re.Match[str]) -> str:
    return "".join(f"~{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))
