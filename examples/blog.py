"""Posts, and below each of them its comments: a collection within another.

Run it with ``python examples/blog.py``, then open http://127.0.0.1:8080/ in a browser, or on a
server for many: ``gunicorn --threads 20 'examples.blog:make_app()'``.

The post in the URL is part of every statement: only its comments are listed, counted, changed
or exported, and a new one belongs to it.  No code here says so but ``within``.
"""

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.server import run
from wsgikit.sql import TableModel

metadata = MetaData()
posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("body", Text),
)
comments = Table(
    "comments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("post_id", ForeignKey(posts.c.id), nullable=False, index=True),
    Column("author", String(80), nullable=False),
    Column("body", Text, nullable=False),
)


def make_app(engine: Engine | None = None) -> Dispatcher:
    """Return an application with the blog in a database."""
    engine = engine or open_database()
    metadata.create_all(engine)
    media = [HTML(), JSON, CSV]
    app = Dispatcher(redirect_slashes=True)
    app.add("/", Home(app, "Blog"), name="home")
    app.add("/openapi.json", OpenAPI(app, title="Blog"), name="openapi")
    app.add(
        "/blog/[{id:key}][;{noun}]",
        ModelCollection(TableModel(posts, engine), media=media, nested={"comments": "post_id"}),
        name="posts",
    )
    app.add(
        "/blog/{post_id:int}/comments/[{id:key}][;{noun}]",
        ModelCollection(
            TableModel(comments, engine),
            media=media,
            within={"post_id": "post_id"},
            bulk_limit=1000,
        ),
        name="comments",
    )
    return app


def open_database(url: str = "sqlite:///blog.db") -> Engine:
    """Return an engine; SQLite checks foreign keys only when it is told to."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
    return engine


if __name__ == "__main__":
    run(make_app())
