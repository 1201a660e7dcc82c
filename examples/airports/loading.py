"""Fill an SQLite file with the airports of the package ``airportsdata``, whole or not at all."""

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import airportsdata
import sqlalchemy as sa
from sqlalchemy import event

from examples.airports import airports, countries, metadata

#: To be raised when the tables change: a file with the old ones is not what is wanted then.
LAYOUT = 1

#: Airports between two reports of progress.
STEP = 1000

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COUNTRIES = Path(__file__).with_name("countries.csv")

Row = dict[str, Any]


def default_path() -> Path:
    """Return where the file is kept; for newer data, or other tables, that is another file."""
    return CHECKOUT / ".cache" / f"airports-{LAYOUT}-{airportsdata.__version__}.db"


def connect(path: Path) -> sa.Engine:
    """Return an engine for the file, with what SQLite leaves off turned on."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def turn_on(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 5000")  # wait for a lock, in milliseconds
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


def load(path: Path, progress: Callable[[int, int], object]) -> bool:
    """Fill the file, unless it is there: a file of that name is complete.

    The rows go to another file, which gets the name when all of them are in it, so that a load
    that was interrupted leaves nothing behind that looks finished.

    Args:
        path: The SQLite file; its directory is made.
        progress: Called with how many airports are loaded, and how many there are.

    Returns:
        Whether there was anything to load.

    Raises:
        OSError: If the file holds something else, or cannot be written.
    """
    if path.exists():
        _check(path)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of two that load at the same time, each has its own file, and the later one stays.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        _fill(unfinished, progress)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def _check(path: Path) -> None:
    engine = connect(path)
    try:
        found = set(sa.inspect(engine).get_table_names())
    except sa.exc.DatabaseError:
        found = set()
    finally:
        engine.dispose()
    if not found.issuperset(metadata.tables):
        raise FileExistsError(f"{path} holds something else: name another file, or delete it")


def _fill(path: Path, progress: Callable[[int, int], object]) -> None:
    rows = read_airports()
    progress(0, len(rows))
    engine = connect(path)
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(sa.insert(countries), read_countries(row["country"] for row in rows))
            for start in range(0, len(rows), STEP):
                connection.execute(sa.insert(airports), rows[start : start + STEP])
                progress(min(start + STEP, len(rows)), len(rows))
    finally:
        engine.dispose()


def read_airports() -> Sequence[Row]:
    """Read the rows of the table `airports`; what the data leave empty is None."""
    return [_airport(data) for data in airportsdata.load("ICAO").values()]


def _airport(data: Mapping[str, Any]) -> Row:
    return {
        "icao": data["icao"],
        "iata": data["iata"] or None,
        "name": data["name"],
        "city": data["city"] or None,
        "subdivision": data["subd"] or None,
        "country": data["country"],
        "elevation": data["elevation"],
        "latitude": data["lat"],
        "longitude": data["lon"],
        "tz": data["tz"] or None,
    }


def read_countries(used: Iterable[str]) -> Sequence[Row]:
    """Read the rows of the table `countries`; a code in *used* that has no name is its own."""
    with COUNTRIES.open(encoding="utf-8", newline="") as file:
        names = {row["code"]: row["name"] for row in csv.DictReader(file)}
    codes = sorted({*names, *used})
    return [{"code": code, "name": names.get(code, code)} for code in codes]
