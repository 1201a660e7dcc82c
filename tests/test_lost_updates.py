"""Eight clients count one row up, with If-Match and as many tries as it takes: none is lost."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import random

import pytest
import sqlalchemy as sa

from tests.cities import Client, mounted
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.sql import TableModel

CLIENTS = 8
#: How often each of them counts: by a column that counts changes, and by a digest of the row.
TIMES = {"changes": 500, None: 50}
#: How long who came too late waits before the next try, in seconds, at most: as polite clients do.
PATIENCE = 0.1


def counters(engine: sa.Engine) -> sa.Table:
    table = sa.Table(
        "counters",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
    )
    table.create(engine)
    return table


def count_up(ask: Client, times: int, start: threading.Barrier) -> int:
    """Add one to the row, as often as it takes; give how often somebody else was faster."""
    start.wait()
    refused = 0
    current = ask("GET", "/counters/1")
    for _ in range(times):
        while True:
            body = {"number": current.json["number"] + 1}
            answer = ask("PATCH", "/counters/1", body=body, If_Match=current.headers["ETag"])
            if answer.status_int == 200:
                current = answer
                break
            # A database that is busy may say so; nothing was written then.
            assert answer.status_int in (412, 503), answer.text
            refused += answer.status_int == 412
            time.sleep(random() * PATIENCE)
            current = ask("GET", "/counters/1")
    return refused


@pytest.mark.parametrize("version", ["changes", None])
def test_no_update_is_lost(engine: sa.Engine, version: str | None) -> None:
    table, times = counters(engine), TIMES[version]
    if version is None:
        model = TableModel(table, engine, readable=["id", "number"], writable=["number"])
        table.c.changes.server_default = sa.DefaultClause("0")
        with engine.begin() as connection:
            connection.execute(table.insert().values(id=1, number=0, changes=0))
    else:
        model = TableModel(table, engine, version=version)
        model.create({"id": 1, "number": 0})
    ask = mounted(("counters", ModelCollection(model, media=[JSON], require_match=True)))
    start = threading.Barrier(CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as pool:
        refused = [*pool.map(lambda _: count_up(ask, times, start), range(CLIENTS))]
    row = ask("GET", "/counters/1").json
    assert row["number"] == CLIENTS * times
    assert sum(refused) > 0  # they did get into each other's way
    if version is not None:
        assert row["changes"] == CLIENTS * times + 1
