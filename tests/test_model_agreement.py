"""Any rows and any query: each database answers as the model in memory does.

`tests/test_model_contract.py` says what the answers are; this looks for cases that nobody thought
of.  Thousands of examples found none, so that a run has few.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from tests import servers
from tests.test_model_contract import exact, sqlite_file
from wsgikit.model import KIND_OPERATORS, ConflictError, LimitError, MemoryModel, Page, Row, to_text
from wsgikit.query import MANY, And, Comparison, Query, parse_query
from wsgikit.sql import TableModel

EXAMPLES = 40

METADATA = sa.MetaData()
NODES = sa.Table(
    "nodes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", exact(60)),
    sa.Column("size", sa.BigInteger),
    sa.Column("ratio", sa.Double),
    sa.Column("price", sa.Numeric(12, 3)),
    sa.Column("at", sa.DateTime),
    sa.Column("day", sa.Date),
    sa.Column("clock", sa.Time),
    sa.Column("span", sa.Interval),
    sa.Column("done", sa.Boolean),
    sa.Column("parent", sa.Integer, sa.ForeignKey("nodes.id")),
)
KINDS = {
    "name": "text", "size": "integer", "ratio": "float", "price": "decimal", "at": "datetime",
    "day": "date", "clock": "time", "span": "interval", "done": "boolean",
}  # fmt: skip

# Wildcards, quotes, separators, blanks, and characters of which no store knows another case.
TEXTS = st.text(st.sampled_from("abAB01 %_\\/'\"[]*?^$.-,;|~`日🎉\u0301\u200b\t\n"), max_size=6)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "size": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    "ratio": st.floats(-1e300, 1e300) | st.sampled_from([0.1, 0.2, 0.3, -0.0, 0.0, 1e-300]),
    "price": st.decimals(-999_999, 999_999, places=3) | st.just(Decimal("0.1")),
    "at": st.datetimes(datetime(1000, 1, 1)).map(lambda value: value.replace(microsecond=0)),
    "day": st.dates(date(1000, 1, 1)),
    "clock": st.times().map(lambda value: value.replace(microsecond=0)),
    "span": st.integers(0, 86_400 * 400).map(lambda seconds: timedelta(seconds=seconds)),
    "done": st.booleans(),
}

Pools = dict[str, list[Any]]


@st.composite
def pools(draw: st.DrawFn) -> Pools:
    """A few values for each column, so that rows have some of them in common."""
    return {name: draw(st.lists(some, min_size=1, max_size=3)) for name, some in VALUES.items()}


@st.composite
def tables(draw: st.DrawFn, values: Pools) -> list[Row]:
    """Rows, of which each may lead to one before it."""
    rows: list[Row] = []
    for number in range(draw(st.integers(1, 7))):
        row = {name: draw(st.none() | st.sampled_from(pool)) for name, pool in values.items()}
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        rows.append({"id": number, **row, "parent": parent})
    return rows


def spelled(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else to_text(value)


@st.composite
def comparisons(draw: st.DrawFn, values: Pools) -> dict[str, Any]:
    column = draw(st.sampled_from(sorted(KINDS)))
    operator = draw(st.sampled_from(KIND_OPERATORS[KINDS[column]]))
    value = st.sampled_from(values[column]) | VALUES[column]
    wanted: Any = spelled(draw(value))
    if operator == "isnull":
        wanted = draw(st.booleans())
    elif operator in MANY:
        wanted = [spelled(draw(value)) for _ in range(draw(st.integers(1, 3)))]
    elif operator in ("contains", "startswith", "endswith"):
        start = draw(st.integers(0, len(wanted)))
        wanted = wanted[start : draw(st.integers(start, len(wanted)))]
    path = draw(st.sampled_from(["", "", "parent.", "parent.parent."]))
    return {f"{path}{column}__{operator}": wanted}


def conditions(values: Pools) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        comparisons(values),
        lambda inner: (
            st.builds(lambda part: {"not": part}, inner)
            | st.builds(lambda parts: {"and": parts}, st.lists(inner, min_size=1, max_size=3))
            | st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=3))
        ),
        max_leaves=4,
    )


SORTS = st.lists(
    st.sampled_from([sign + name for name in [*KINDS, "parent"] for sign in ("", "-")]),
    max_size=3,
    unique_by=lambda name: name.removeprefix("-"),
)


@st.composite
def documents(draw: st.DrawFn, values: Pools) -> dict[str, Any]:
    words = {
        "sort": draw(SORTS),
        "q": draw(st.none() | TEXTS),
        "embed": draw(st.none() | st.just("parent")),
        "fields": draw(st.none() | st.just("name,size")),
        "count": "exact",
        "limit": draw(st.integers(1, 4)),
    }
    return draw(conditions(values)) | words


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def nodes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TableModel]:
    if request.param == "sqlite":
        engine = sqlite_file(tmp_path_factory.mktemp("agreement") / "nodes.db")
    else:
        url = request.getfixturevalue(f"{request.param}_url")
        getattr(servers, f"empty_{request.param}")(url)
        engine = create_engine(url)
    METADATA.create_all(engine)
    yield TableModel(NODES, engine, search=["name"])
    engine.dispose()


def in_memory(model: TableModel) -> MemoryModel:
    memory = MemoryModel(model.fields, name=model.name, search=model.search)
    memory.references["parent"] = memory
    return memory


def pages(model: Any, document: dict[str, Any]) -> Iterator[Page]:
    page = model.list(parse_query("", document))
    yield page
    while page.next is not None:
        page = model.list(parse_query("", {**document, "cursor": page.next}))
        yield page


def empty(model: TableModel) -> None:
    with model.engine.begin() as connection:
        connection.execute(sa.update(NODES).values(parent=None))
        connection.execute(sa.delete(NODES))


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_every_database_answers_as_memory_does(nodes: TableModel, data: st.DataObject) -> None:
    values = data.draw(pools())
    rows = data.draw(tables(values))
    empty(nodes)
    memory = in_memory(nodes)
    assert nodes.create_many(rows) == memory.create_many(rows)
    assert [*nodes.stream(Query())] == [*memory.stream(Query())] == rows

    document = data.draw(documents(values))
    query = parse_query("", document)
    assert [*nodes.stream(query)] == [*memory.stream(query)]
    for ours, theirs in zip(pages(nodes, document), pages(memory, document), strict=True):
        assert [*ours.data] == [*theirs.data]
        assert ours.count == theirs.count
        assert (ours.prev is None) == (theirs.prev is None)


# -- many rows -------------------------------------------------------------------------------

NEW_ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 5)},
        optional={
            "name": st.none() | TEXTS,
            "size": st.none() | st.integers(0, 2),
            "done": st.none() | st.booleans(),
        },
    ),
    max_size=6,
)
MODES: list[Literal["refuse", "merge", "ignore"]] = ["refuse", "merge", "ignore"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(stored=NEW_ROWS, sent=NEW_ROWS, mode=st.sampled_from(MODES), returning=st.booleans())
def test_every_database_stores_many_rows_as_memory_does(
    nodes: TableModel, stored: list[Row], sent: list[Row], mode: Any, returning: bool
) -> None:
    empty(nodes)
    memory = in_memory(nodes)
    answers: list[Any] = []
    for model in (nodes, memory):
        model.create_many(stored, on_duplicate="merge")
        try:
            written = model.create_many(sent, on_duplicate=mode, returning=returning)
        except ConflictError as error:
            answers.append({(item.row, item.field, item.code) for item in error.errors})
        else:
            answers.append((written.count, written.created, [*written.rows]))
    assert answers[0] == answers[1]
    assert [*nodes.stream(Query())] == [*memory.stream(Query())]


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), ceiling=st.integers(0, 7))
def test_every_database_writes_what_a_query_selects_as_memory_does(
    nodes: TableModel, data: st.DataObject, ceiling: int
) -> None:
    values = data.draw(pools())
    rows = data.draw(tables(values))
    query = parse_query("", data.draw(conditions(values)))
    changes = {name: data.draw(st.none() | VALUES[name]) for name in ("name", "size", "done")}
    # Nothing refers to a row that is removed: memory would not notice.
    leaves = {row["id"] for row in rows} - {row["parent"] for row in rows}
    only_leaves = Comparison("id", "in", tuple(leaves), "id", texts=False)
    removed = replace(query, filter=And((query.filter, only_leaves)))
    empty(nodes)
    memory = in_memory(nodes)
    for model in (nodes, memory):
        model.create_many(rows)

    def both(write: Callable[[Any], int]) -> list[int | None]:
        return [number_of(write, model) for model in (nodes, memory)]

    ours, theirs = both(lambda model: model.delete_where(removed, ceiling))
    assert ours == theirs
    ours, theirs = both(lambda model: model.update_where(query, changes, ceiling))
    assert ours == theirs
    assert [*nodes.stream(Query())] == [*memory.stream(Query())]


def number_of(write: Callable[[Any], int], model: Any) -> int | None:
    try:
        return write(model)
    except LimitError:
        return None
