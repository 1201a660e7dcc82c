"""A collection over Redis: what another kind of store needs to have everything else.

Run it with ``python examples/redis_model.py``, then open http://127.0.0.1:8080/ in a browser; the
environment variable ``REDIS_URL`` says where Redis (or Valkey) is.

A row is a JSON text under a key of its own; a set holds the keys of all of them.  Validation,
filters, order, pages, formats, forms and ETags are those of every model.  What is written here is
how rows are read and written: a change watches its row, and is done again if somebody else was
faster, so that a version that was compared is still the one that is replaced.

Redis has no queries, so each list reads all rows: this is for thousands of them, not for millions.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model import (
    ConflictError,
    Field,
    FieldError,
    NotFoundError,
    Page,
    Row,
    StoreError,
    UnavailableError,
    Values,
    VersionError,
    changed_row,
    clean,
    encode_key,
    immutable,
    new_row,
    page_of,
    stream_of,
    to_text,
    version_of,
)
from wsgikit.model_collection import ModelCollection
from wsgikit.query import Query
from wsgikit.server import run


class RedisModel:
    """Rows in Redis; a key of one integer that is not given counts up."""

    def __init__(
        self, name: str, fields: Iterable[Field], redis: Redis, key: Sequence[str] = ("id",)
    ) -> None:
        self.name = name
        self.fields = tuple(fields)
        self.key = tuple(key)
        self.search = [field.name for field in self.fields if field.kind == "text"]
        self.label = next(iter(self.search), None)
        self._changeable = [immutable(f) if f.name in self.key else f for f in self.fields]
        self._redis = redis

    def list(self, query: Query) -> Page:
        return page_of(self._rows(), query, self)

    def stream(self, query: Query) -> Iterator[Row]:
        return stream_of(self._rows(), query, self)

    def retrieve(self, key: Any) -> Row:
        with reaching_redis():
            return self._load(key, self._redis.get(self._place(key)))

    def create(self, values: Values) -> Row:
        row = new_row(self.fields, clean(self.fields, values))
        with reaching_redis():
            if row[self.key[0]] is None:
                row[self.key[0]] = self._redis.incr(f"{self.name}.last")
            place = self._place(tuple(row[name] for name in self.key))

            def store(pipe: Any) -> Row:
                if pipe.exists(place):
                    taken = "Another row has this key."
                    raise ConflictError(FieldError(name, "unique", taken) for name in self.key)
                pipe.multi()
                pipe.set(place, self._dump(row)).sadd(self.name, place)
                return row

            return self._transact(store, place)

    def update(self, key: Any, values: Values, version: str | None = None) -> Row:
        place = self._place(key)

        def store(pipe: Any) -> Row:
            row = self._seen(pipe, key, version)
            changes = clean(self._changeable, values, current=row)
            row = changed_row(self.fields, row, changes)
            pipe.multi()
            pipe.set(place, self._dump(row))
            return row

        with reaching_redis():
            return self._transact(store, place)

    def delete(self, key: Any, version: str | None = None) -> None:
        place = self._place(key)

        def remove(pipe: Any) -> None:
            self._seen(pipe, key, version)
            pipe.multi()
            pipe.delete(place).srem(self.name, place)

        with reaching_redis():
            self._transact(remove, place)

    def _transact(self, work: Callable[[Any], Any], place: str) -> Any:
        """Watch a row (WATCH), do something to it (MULTI, EXEC), and again if it has changed."""
        return self._redis.transaction(work, place, value_from_callable=True)

    def _seen(self, pipe: Any, key: Any, version: str | None) -> Row:
        row = self._load(key, pipe.get(self._place(key)))
        if version is not None and version != version_of(row):
            raise VersionError(row)
        return row

    def _rows(self) -> Sequence[Row]:
        with reaching_redis():
            places = sorted(self._redis.smembers(self.name))
            texts = self._redis.mget(places) if places else []
        return [self._load(None, text) for text in texts if text is not None]

    def _place(self, key: Any) -> str:
        return f"{self.name}:{encode_key(key if isinstance(key, tuple) else (key,))}"

    def _dump(self, row: Row) -> str:
        return json.dumps(row, default=to_text)

    def _load(self, key: Any, text: bytes | None) -> Row:
        if text is None:
            raise NotFoundError(key)
        row = json.loads(text)
        values = [(field, row.get(field.name)) for field in self.fields]
        return {f.name: None if value is None else f.read_value(value) for f, value in values}


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Raise a model's errors for those of Redis."""
    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
        raise UnavailableError("Redis cannot be reached.", retry_after=2) from error
    except exceptions.RedisError as error:
        raise StoreError("Redis failed.") from error


FILMS = (
    Field("id", "integer", has_default=True, nullable=False, writable=False),
    Field("title", length=200, nullable=False, required=True),
    Field("year", "integer", minimum=1888, maximum=2100),
    Field("rating", "decimal", precision=3, scale=1, minimum=0, maximum=10),
    Field("seen", "date", label="Last seen"),
)


def make_app(url: str = "redis://localhost:6379/0") -> Dispatcher:
    """Return an application with films in Redis."""
    redis = Redis.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 1))
    films = ModelCollection(RedisModel("films", FILMS, redis), media=[HTML(), JSON, CSV])
    app = Dispatcher()
    app.add("/", Home(app, "Films"), name="home")
    app.add("/films/[{id:key}][;{noun}]", films, name="films")
    return app


if __name__ == "__main__":
    run(make_app(os.environ.get("REDIS_URL", "redis://localhost:6379/0")))
