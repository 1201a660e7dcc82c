"""A large table: what its pages cost, and what an export of it holds in memory.

    python -m benchmarks.million [--rows N] [--url DATABASE_URL] [--rounds N]

The pages are found as a client finds them, by following links from the first to the last.
They are compared in one run; the figure that counts is the ratio to the first page.
"""

import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from wsgiref.types import WSGIApplication
from wsgiref.util import setup_testing_defaults

import sqlalchemy as sa

from benchmarks.harness import Case, call, compare, table
from wsgikit.dispatcher import Dispatcher
from wsgikit.media.csv import CSV
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

ROWS = 1_000_000
CITIES = 100
#: Rows of a page while the links are followed; the largest that is given.
STRIDE = 1000

people = sa.Table(
    "people",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("city", sa.String(40), nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("email", sa.String(80)),
    sa.Index("people_city_score", "city", "score", "id"),
)


def fill(engine: sa.Engine, rows: int) -> None:
    """Make the table and fill it; every tenth score is null."""
    people.drop(engine, checkfirst=True)
    people.create(engine)
    with engine.begin() as connection:
        for start in range(0, rows, 10_000):
            connection.execute(people.insert(), [*_rows(start, min(start + 10_000, rows))])
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("ANALYZE people"))


def _rows(start: int, end: int) -> Iterator[Mapping[str, object]]:
    for n in range(start, end):
        yield {
            "id": n,
            "name": f"Person {n * 7919 % 1_000_003}",
            "city": f"City {n % CITIES}",
            "score": None if n % 10 == 0 else n * 31 % 10_007 / 7,
            "email": f"person{n}@example.com",
        }


def make_app(engine: sa.Engine) -> WSGIApplication:
    """Return the collection of the table, in the formats that programs read."""
    app = Dispatcher()
    collection = ModelCollection(TableModel(people, engine), media=[JSON, CSV, NDJSON])
    app.add("/people/[{id:key}][;{noun}]", collection, name="people")
    return app


class Client:
    """Asks an application for URLs."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, url: str) -> bytes:
        path, _, query = url.partition("?")
        environ: dict[str, object] = {"PATH_INFO": path, "QUERY_STRING": query}
        setup_testing_defaults(environ)
        status, body = call(self.app, environ)
        assert status == "200 OK", body
        return body

    def follow(self, url: str) -> Iterator[str]:
        """Give the URLs of a list's pages, up to the last."""
        following: str | None = url
        while following is not None:
            yield following
            found = re.search(rb'"next":"([^"]*)"', self(following)[-70_000:])
            following = None if found is None else found[1].decode()


def pages(client: Client) -> Mapping[str, str]:
    """Give the URLs of pages of 50 rows, near and far."""
    urls = [*client.follow(f"/people/?limit={STRIDE}")]
    small = [url.replace(f"limit={STRIDE}", "limit=50") for url in urls]
    sorted_urls = client.follow(f"/people/?limit={STRIDE}&city=City+77&sort=score")
    deep = [*sorted_urls][-1].replace(f"limit={STRIDE}", "limit=50")
    return {
        "the first page": "/people/?limit=50",
        "the middle page": small[len(small) // 2],
        "the last page": small[-1],
        "filtered and sorted": "/people/?limit=50&city=City+77&sort=score",
        "filtered, sorted, deep": deep,
    }


def page_case(client: Client) -> Case:
    """Compare pages with the first one."""
    contestants: dict[str, Callable[[], object]] = {}
    for name, url in pages(client).items():
        contestants[name] = lambda url=url: client(url)  # type: ignore[misc]
    return Case("a page of 50 rows", contestants)


# -- memory ------------------------------------------------------------------------------------


def export(app: WSGIApplication, format: str) -> tuple[int, int]:
    """Export all rows; give the bytes sent, and those that the process grew by over idle."""
    Client(app)("/people/?limit=1")  # what is loaded at the first request is not the export's
    environ: dict[str, object] = {
        "PATH_INFO": "/people/",
        "QUERY_STRING": f"limit=all&format={format}",
    }
    setup_testing_defaults(environ)
    before, sent = _resident(), 0
    highest = before
    chunks = app(environ, lambda *_: lambda _data: None)
    for number, chunk in enumerate(chunks):
        sent += len(chunk)
        if number % 50 == 0:
            highest = max(highest, _resident())
    getattr(chunks, "close", lambda: None)()
    return sent, max(highest, _resident()) - before


def export_elsewhere(engine: sa.Engine, format: str) -> tuple[int, int]:
    """Do the same in a process that has done nothing else."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "benchmarks.million", "--url", url, "--export", format]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    sent, grown = output.split()
    return int(sent), int(grown)


def _resident() -> int:
    """Give the bytes of memory that the process has (Linux)."""
    pages_held = int(Path("/proc/self/statm").read_text().split()[1])
    return pages_held * 4096


@contextmanager
def database(url: str | None) -> Iterator[sa.Engine]:
    """Give an engine: for the URL, or for a SQLite file that is gone afterwards."""
    with TemporaryDirectory() as directory:
        engine = sa.create_engine(url or f"sqlite:///{Path(directory) / 'million.db'}")
        yield engine
        engine.dispose()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="default: %(default)s")
    parser.add_argument("--url", help="a database whose table people may be replaced")
    parser.add_argument("--rounds", type=int, default=31, help="default: %(default)s")
    parser.add_argument("--export", help="only export the table that is there, in this format")
    options = parser.parse_args(arguments)
    with database(options.url) as engine:
        if options.export:
            print(*export(make_app(engine), options.export))
            return
        fill(engine, options.rows)
        app = make_app(engine)
        client = Client(app)
        client("/people/")
        print("| export | MB | grew by MB |\n| --- | ---: | ---: |")
        for format in ("csv", "ndjson", "json"):
            sent, grown = export_elsewhere(engine, format)
            print(f"| {format} | {sent / 1e6:.0f} | {grown / 1e6:.1f} |")
        print()
        print(table(compare([page_case(client)], options.rounds)))
        if options.url:
            people.drop(engine)


if __name__ == "__main__":
    main()
