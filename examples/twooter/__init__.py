"""Twooter: two classes that describe tables, everything that people see of them, and a chat.

Run it with ``python -m examples.twooter`` (``pip install wsgikit[dev,realtime]``), then open
http://127.0.0.1:8080/ in a browser, and http://127.0.0.1:8080/chat in two of them.  Or:

    curl --json '{"name": "Ada"}' http://127.0.0.1:8080/users/
    curl --json '{"name": "Ada", "text": "Hello"}' http://127.0.0.1:8080/chat

``DATABASE_URL`` names another database than the file ``twooter.db``.  With ``REDIS_URL``, several
workers share one chat; they take WebSockets only, since each request of long polling may go to
another worker:

    REDIS_URL=redis://localhost gunicorn -k gevent -w 2 'examples.twooter:make_app()'
"""

import os
from datetime import datetime
from pathlib import Path
from wsgiref.types import WSGIApplication

import socketio
from sqlalchemy import ForeignKey, String, create_engine, event, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from webob import Request, Response
from webob.exc import HTTPBadRequest

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media import parse_body
from wsgikit.media.html import HTML, page
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.openapi import OpenAPI
from wsgikit.security import CrossOriginProtection, SecurityHeaders
from wsgikit.sql import TableModel
from wsgikit.static import static
from wsgikit.views import view

HERE = Path(__file__).parent


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    twoots: Mapped[list["Twoot"]] = relationship(back_populates="user")


class Twoot(Base):
    __tablename__ = "twoots"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    text: Mapped[str] = mapped_column(String(140))
    written: Mapped[datetime] = mapped_column(server_default=func.now())
    user: Mapped[User] = relationship(back_populates="twoots")


class Chat(socketio.Namespace):
    """All who have the page open, in this worker or another; each has a number until it leaves."""

    def on_connect(self, sid: str, environ: object) -> None:
        self.emit("came", sid[:4])

    def on_chat(self, sid: str, message: object) -> bool:
        return self.say(message)

    def on_disconnect(self, sid: str, reason: str) -> None:
        self.emit("left", sid[:4])

    def say(self, message: object) -> bool:
        """Tell everybody, and whoever says it whether that was a message."""
        match message:
            case {"name": str(name), "text": str(text)}:
                self.emit("chat", {"name": name[:40], "text": text[:140]})
                return True
        return False


def make_app(database: str | None = None, redis: str | None = None) -> WSGIApplication:
    """Return the application; what is not given is read from the environment."""
    engine = create_engine(database or os.environ.get("DATABASE_URL", "sqlite:///twooter.db"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
    Base.metadata.create_all(engine)
    engine.dispose()  # a server may fork now

    redis = redis or os.environ.get("REDIS_URL")
    chat = Chat("/")
    sockets = socketio.Server(
        async_mode="threading",  # which gevent's worker makes greenlets of
        client_manager=socketio.RedisManager(redis) if redis else None,
        transports=["websocket"] if redis else None,
    )
    sockets.register_namespace(chat)
    media = [HTML(), JSON]

    @view
    def say(request: Request) -> Response:
        if not chat.say(parse_body(request, media)):
            raise HTTPBadRequest("A message has a name and a text.")
        return Response(status=204)

    def resource(table: type[Base]) -> ModelCollection:
        return ModelCollection(TableModel(table, engine), media=media)

    app = Dispatcher(redirect_slashes=True)
    app.add("/", Home(app, "Twooter"), name="home")
    app.add("/users/[{id:key}][;{noun}]", resource(User), name="users")
    app.add("/twoots/[{id:key}][;{noun}]", resource(Twoot), name="twoots")
    app.add("/chat", GET=page(HERE / "templates/chat.html"), POST=say, name="chat")
    app.add("/socket.io|", socketio.WSGIApp(sockets, socketio_path=""))
    app.add("/static|", GET=static(HERE / "static"))
    app.add("/openapi.json", OpenAPI(app, title="Twooter"), name="openapi")
    return SecurityHeaders(CrossOriginProtection(app))
