"""Several verbs in one transaction, and what becomes of it, on every database."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table, event
from sqlalchemy.pool import NullPool, SingletonThreadPool

from wsgikit.model import (
    ConflictError,
    DeniedError,
    ModelError,
    NotFoundError,
    UnavailableError,
    ValidationError,
    VersionError,
    repeat,
)
from wsgikit.query import Query
from wsgikit.sql import TableModel
from wsgikit.sql.streams import most_streams


def created(engine: sa.Engine, name: str, *columns: Any) -> Table:
    table = Table(name, sa.MetaData(), *columns)
    table.create(engine)
    return table


def people_table(engine: sa.Engine) -> Table:
    return created(
        engine,
        "people",
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
        Column("email", String(50), unique=True),
        Column("age", Integer),
        CheckConstraint("age >= 0", name="age_is_positive"),
    )


@pytest.fixture
def people(engine: sa.Engine) -> TableModel:
    return TableModel(people_table(engine), engine)


def names(model: TableModel) -> list[str]:
    return [row["name"] for row in model.list(Query()).data]


# -- all or nothing -----------------------------------------------------------------------


def test_verbs_of_a_transaction_are_committed_together(people: TableModel) -> None:
    with people.transaction() as tx:
        ada = tx.create({"name": "Ada"})
        tx.update(ada["id"], {"age": 36})
        tx.create({"name": "Bob"})
        tx.delete(2)
        assert tx.retrieve(1) == {"id": 1, "name": "Ada", "email": None, "age": 36}
        assert [row["name"] for row in tx.stream(Query())] == ["Ada"]
    assert names(people) == ["Ada"]


def test_an_exception_undoes_everything(people: TableModel) -> None:
    with pytest.raises(KeyError, match="mine"), people.transaction() as tx:
        create_and_fail(tx)
    assert names(people) == []


def create_and_fail(tx: TableModel) -> None:
    tx.create({"name": "Ada"})
    assert names(tx) == ["Ada"]
    raise KeyError("mine")


def test_a_dry_run_leaves_nothing(people: TableModel) -> None:
    with people.transaction(rollback=True) as tx:
        assert tx.create({"name": "Ada"})["name"] == "Ada"
    assert names(people) == []


def test_what_others_do_not_see_before_the_end(people: TableModel) -> None:
    use_wal(people.engine)
    with people.transaction() as tx:
        tx.create({"name": "Ada"})
        assert names(people) == []
    assert names(people) == ["Ada"]


def test_a_transaction_of_two_tables(engine: sa.Engine) -> None:
    people = TableModel(people_table(engine), engine)
    notes = TableModel(
        created(engine, "notes", Column("id", Integer, primary_key=True), Column("n", Integer)),
        engine,
    )

    def clash() -> None:
        with people.transaction() as tx:
            tx.bind(notes).create({"n": 1})
            tx.create({"id": 1, "name": "Ada"})
            tx.create({"id": 1, "name": "Bob"})

    with pytest.raises(ConflictError):
        clash()
    assert notes.list(Query()).data == ()
    with people.transaction() as tx:
        tx.bind(notes).create({"n": 1})
        tx.bind(notes.restrict(hidden=["n"])).create({})
    assert [row["n"] for row in notes.list(Query()).data] == [1, None]


def test_only_models_of_the_same_engine_are_bound(people: TableModel, tmp_path: Path) -> None:
    other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    elsewhere = TableModel(people_table(other), other)
    with pytest.raises(ValueError, match="people is in no transaction"):
        people.bind(people)
    with people.transaction() as tx:
        for stranger in (elsewhere, object()):
            with pytest.raises(ValueError, match="no TableModel of the same engine"):
                tx.bind(stranger)
        options = people.engine.execution_options(logging_token="a")
        assert tx.bind(TableModel(people.table, options)).list(Query()).data == ()
    other.dispose()


# -- failures -----------------------------------------------------------------------------


def test_what_failed_cannot_be_committed(people: TableModel) -> None:
    """Whoever catches the error goes on with half of a write, or none, without noticing."""
    people.create({"name": "Ada", "email": "x"})

    def go_on() -> None:
        with people.transaction() as tx:
            tx.create({"name": "Bob"})
            with pytest.raises(ConflictError):
                tx.create({"name": "Cleo", "email": "x"})
            with pytest.raises(ConflictError):
                tx.retrieve(1)

    with pytest.raises(ConflictError):
        go_on()
    assert names(people) == ["Ada"]


def test_a_refusal_that_wrote_nothing_is_no_failure(people: TableModel) -> None:
    people.create({"name": "Ada"})
    with people.transaction() as tx:
        for refused, call in (
            (NotFoundError, lambda: tx.retrieve(9)),
            (NotFoundError, lambda: tx.delete(9)),
            (ValidationError, lambda: tx.update(1, {"name": None})),
            (ValidationError, lambda: tx.create({})),
            (VersionError, lambda: tx.update(1, {"name": "Eve"}, "old")),
        ):
            with pytest.raises(refused):
                call()
        tx.create({"name": "Bob"})
    assert names(people) == ["Ada", "Bob"]


def test_a_row_out_of_sight_is_a_failure_that_wrote(people: TableModel) -> None:
    mine = people.restrict(rows=people.table.c.name == "Ada")

    def go_on() -> None:
        with mine.transaction() as tx, pytest.raises(ValidationError):
            tx.create({"name": "Bob"})

    with pytest.raises(ValidationError):
        go_on()
    assert names(people) == []


def test_a_part_can_be_undone_alone(people: TableModel) -> None:
    with people.transaction() as tx:
        tx.create({"id": 1, "name": "Ada"})
        for part_of in (clash_in, clash_and_go_on_in):
            with pytest.raises(ConflictError):
                part_of(tx)
        with tx.transaction(rollback=True) as part:
            part.create({"name": "Dan"})
        with tx.transaction() as part:
            part.create({"name": "Eve"})
    assert names(people) == ["Ada", "Eve"]


def clash_in(tx: TableModel) -> None:
    with tx.transaction() as part:
        part.create({"name": "Bob"})
        part.create({"id": 1, "name": "Cleo"})


def clash_and_go_on_in(tx: TableModel) -> None:
    with tx.transaction() as part:
        part.create({"name": "Bob"})
        with pytest.raises(ConflictError):
            part.create({"id": 1, "name": "Cleo"})


def test_an_engine_that_commits_by_itself_does_not_in_a_transaction(engine: sa.Engine) -> None:
    own = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT")
    people = TableModel(people_table(engine), own)
    mine = people.restrict(rows=people.table.c.name == "Ada")
    with pytest.raises(ValidationError, match="outside"):
        mine.create({"name": "Bob"})
    with pytest.raises(KeyError, match="mine"), people.transaction() as tx:
        create_and_fail(tx)
    assert names(people) == []
    with people.transaction() as tx:
        tx.create({"id": 9, "name": "Ada"})
    with people.transaction(read_only=True) as tx:
        assert names(tx) == ["Ada"]
    assert people.update(9, {"age": 3})["age"] == 3
    people.delete(9)
    own.dispose()


# -- reading ------------------------------------------------------------------------------


def use_wal(engine: sa.Engine) -> None:
    """Let SQLite read while somebody writes, as a generated project does."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def test_what_is_read_in_a_transaction_is_one_snapshot(people: TableModel) -> None:
    use_wal(people.engine)
    people.create({"name": "Ada"})
    with people.transaction(read_only=True) as tx:
        assert names(tx) == ["Ada"]
        people.create({"name": "Bob"})
        assert names(tx) == ["Ada"]
        assert tx.list(Query(count="exact")).count == 1
    assert names(people) == ["Ada", "Bob"]


def test_a_snapshot_is_one_whatever_the_engine_says(mariadb_engine: sa.Engine) -> None:
    own = sa.create_engine(mariadb_engine.url, isolation_level="READ COMMITTED")
    people = TableModel(people_table(mariadb_engine), own)
    with people.transaction(read_only=True) as tx:
        assert names(tx) == []
        people.create({"name": "Bob"})
        assert names(tx) == []
    with people.transaction() as tx:
        assert names(tx) == ["Bob"]
    own.dispose()


def test_a_transaction_that_reads_writes_nothing(people: TableModel) -> None:
    people.create({"name": "Ada"})
    writes: list[Callable[[TableModel], Any]] = [
        lambda tx: tx.create({"name": "Bob"}),
        lambda tx: tx.update(1, {"name": "Bob"}),
        lambda tx: tx.delete(1),
        lambda tx: tx.create_many([]),
        lambda tx: tx.bind(people).create({"name": "Bob"}),
    ]
    with people.transaction(read_only=True) as tx:
        for write in writes:
            with pytest.raises(DeniedError, match="only reads"):
                write(tx)
        with tx.transaction() as part:
            assert names(part) == ["Ada"]


def test_a_page_and_its_count_are_one_snapshot(people: TableModel) -> None:
    use_wal(people.engine)
    people.create_many([{"name": "Ada"}, {"name": "Eve"}])
    other = TableModel(people.table, sa.create_engine(people.engine.url))
    done: list[bool] = []

    def meddle(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT count(") and not done:
            done.append(True)
            other.create({"name": "Bob"})

    event.listen(people.engine, "before_cursor_execute", meddle)
    page = people.list(Query(count="exact", limit=1))
    event.remove(people.engine, "before_cursor_execute", meddle)
    assert (len(page.data), page.count, done) == (1, 2, [True])
    other.engine.dispose()


# -- SQLite's one lock --------------------------------------------------------------------


def begin_as_documented(engine: sa.Engine) -> None:
    """SQLAlchemy's recipe for real transactions with sqlite3."""

    def leave_it_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", leave_it_to_us)
    event.listen(engine, "begin", begin)


@pytest.mark.parametrize("prepare", [lambda engine: None, begin_as_documented])
def test_sqlite_is_locked_before_the_first_read(
    tmp_path: Path, prepare: Callable[[sa.Engine], None]
) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    use_wal(engine)
    prepare(engine)
    engine.dispose()
    model = TableModel(people_table(engine), engine)
    other = TableModel(model.table, engine, lock_timeout=0.05)
    model.create({"name": "Ada"})
    with model.transaction() as tx:
        assert names(tx) == ["Ada"]
        with pytest.raises(UnavailableError, match="busy"):
            other.create({"name": "Bob"})
        assert names(other) == ["Ada"]
        tx.update(1, {"name": "Eve"})
    with model.transaction(read_only=True) as tx:
        other.create({"name": "Bob"})
        assert names(model) == ["Eve", "Bob"]
    engine.dispose()


def test_a_database_in_memory_is_one_connection(tmp_path: Path) -> None:
    """Where reading goes on while the same connection writes."""
    engine = sa.create_engine("sqlite://")
    model = TableModel(people_table(engine), engine)
    model.create_many([{"name": name} for name in ("Ada", "Bob")])
    for row in model.stream(Query()):
        model.update(row["id"], {"age": 1})
        with model.transaction() as tx:
            tx.create({"name": row["name"] + "'"})
        break
    assert [row["age"] for row in model.list(Query()).data] == [1, None, None]
    engine.dispose()


# -- dry runs -----------------------------------------------------------------------------

DEFERRED = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY)",
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def deferring(request: pytest.FixtureRequest) -> sa.Engine:
    """A database that can leave a constraint unchecked until the end."""
    engine: sa.Engine = request.getfixturevalue(f"{request.param}_engine")
    with engine.begin() as connection:
        for statement in DEFERRED:
            connection.exec_driver_sql(statement)
    return engine


def test_a_dry_run_checks_what_is_checked_at_the_end(deferring: sa.Engine) -> None:
    metadata = MetaData()
    a, b = (TableModel(Table(n, metadata, autoload_with=deferring), deferring) for n in ("a", "b"))
    with b.transaction(rollback=True) as tx:
        tx.create({"id": 1, "a": 1})
        tx.bind(a).create({"id": 1})
    with pytest.raises(ConflictError) as caught, b.transaction(rollback=True) as tx:
        tx.create({"id": 1, "a": 7})
    assert {e.code for e in caught.value.errors} == {"reference"}
    assert a.list(Query()).data == b.list(Query()).data == ()


def test_a_dry_run_is_not_to_blame_for_what_was_broken_before(sqlite_engine: sa.Engine) -> None:
    with sqlite_engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        for statement in (*DEFERRED, "INSERT INTO b VALUES (1, 7)"):
            connection.exec_driver_sql(statement)
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    b = TableModel(Table("b", MetaData(), autoload_with=sqlite_engine), sqlite_engine)
    with b.transaction(rollback=True) as tx:
        tx.create({"id": 2, "a": None})
    event.listen(sqlite_engine, "connect", forget_references)
    sqlite_engine.dispose()
    with b.transaction(rollback=True) as tx:
        assert tx.create({"id": 2, "a": 9}) == {"id": 2, "a": 9}


def forget_references(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")


# -- streams ------------------------------------------------------------------------------


@pytest.fixture
def many(engine: sa.Engine) -> TableModel:
    """Far more rows than a database and a socket keep between them."""
    table = created(
        engine, "many", Column("id", Integer, primary_key=True), Column("text", String(1000))
    )
    model = TableModel(table, engine)
    use_wal(engine)
    model.create_many({"text": "x" * 1000} for _ in range(20_000))
    return model


def running(engine: sa.Engine) -> list[Any]:
    """What the server is doing for others."""
    question = {
        "postgresql": "SELECT query FROM pg_stat_activity WHERE state <> 'idle'"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        "mariadb": "SELECT info FROM information_schema.processlist"
        " WHERE id <> connection_id() AND info LIKE 'SELECT%%'",
    }[engine.dialect.name]
    other = sa.create_engine(engine.url, poolclass=NullPool)
    with other.connect() as connection:
        return [*connection.exec_driver_sql(question).scalars()]


def test_a_stream_that_is_closed_early_lets_go_at_once(many: TableModel) -> None:
    rows = many.stream(Query())
    assert next(rows)["id"] == 1
    assert many.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
    begun = time.monotonic()
    rows.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 0.5
    assert many.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    if many.engine.dialect.name != "sqlite":
        deadline = time.monotonic() + 10
        while running(many.engine) and time.monotonic() < deadline:
            time.sleep(0.01)  # a server notices a moment later
        assert running(many.engine) == []
    gc.collect()
    assert sum(1 for _ in many.stream(Query())) == 20_000
    assert many.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_stream_is_one_snapshot(many: TableModel) -> None:
    with closing(many.stream(Query())) as rows:  # type: ignore[type-var]
        first = next(rows)
        many.create({"text": "later"})
        many.delete(20_000)
        assert first["id"] == 1
        assert sum(1 for _ in rows) == 19_999


def test_streams_are_fewer_than_connections(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("id", Integer, primary_key=True))
    own = sa.create_engine(engine.url, pool_size=3, max_overflow=0, pool_timeout=0.1)
    model = TableModel(table, own)
    other = TableModel(table, own.execution_options(logging_token="a"))
    model.create_many([{"id": 1}, {"id": 2}])
    first, second, third = model.stream(Query()), other.stream(Query()), model.stream(Query())
    next(first)
    next(second)
    with pytest.raises(UnavailableError, match="Too many") as caught:
        next(third)
    assert caught.value.retry_after > 0
    assert model.retrieve(1) == {"id": 1}
    first.close()  # type: ignore[attr-defined]
    assert [row["id"] for row in model.stream(Query())] == [1, 2]
    assert [row["id"] for row in second] == [2]
    few = TableModel(table, own, max_streams=1)
    with closing(few.stream(Query())) as rows:  # type: ignore[type-var]
        next(rows)
        with pytest.raises(UnavailableError, match="Too many"):
            next(few.stream(Query()))
    assert own.pool.checkedout() == 0  # type: ignore[attr-defined]
    own.dispose()


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"pool_size": 5}, 4),
        ({"pool_size": 1}, 1),
        ({"pool_size": 0}, 4),
        ({"poolclass": NullPool}, 4),
        ({"poolclass": SingletonThreadPool}, 4),
    ],
)
def test_how_many_streams_there_may_be(tmp_path: Path, options: dict[str, Any], most: int) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", **options)
    assert most_streams(engine.pool) == most
    engine.dispose()


def test_a_stream_in_a_transaction_leaves_room_for_other_verbs(many: TableModel) -> None:
    with many.transaction() as tx:
        for row in tx.stream(Query()):
            tx.update(row["id"], {"text": "seen"})
            if row["id"] == 600:
                break
        assert tx.retrieve(600)["text"] == "seen"
        assert tx.retrieve(601)["text"] != "seen"
    with many.transaction(read_only=True) as tx:
        assert sum(1 for _ in tx.stream(Query())) == 20_000


def test_the_time_of_a_stream_is_its_readers(many: TableModel) -> None:
    """Each chunk has the time that a statement may take."""
    impatient = TableModel(many.table, many.engine, statement_timeout=0.3)
    seen = 0
    for _row in impatient.stream(Query()):
        seen += 1
        if seen in (400, 900, 1400):
            time.sleep(0.35)
    assert seen == 20_000


# -- lost updates -------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "version"])
@pytest.mark.parametrize("way", ["version", "transaction"])
def test_eight_who_count_up_lose_nothing(engine: sa.Engine, version: str | None, way: str) -> None:
    table = created(
        engine,
        "counters",
        Column("id", Integer, primary_key=True),
        Column("n", Integer, nullable=False),
        Column("version", Integer, nullable=False, default=1),
    )
    use_wal(engine)
    own = sa.create_engine(engine.url, pool_size=8)
    model = TableModel(table, own, version=version)
    model.create({"id": 1, "n": 0})
    failures: list[Exception] = []

    def by_version() -> None:
        row = model.retrieve(1)
        model.update(1, {"n": row["n"] + 1}, model.version(row))

    def by_transaction() -> None:
        with model.transaction() as tx:
            row = tx.retrieve(1)
            tx.update(1, {"n": row["n"] + 1}, tx.version(row))

    count = by_version if way == "version" else by_transaction

    def work() -> None:
        done = 0
        while done < 15 and not failures:
            try:
                repeat(count)
                done += 1
            except (VersionError, UnavailableError):
                continue
            except ModelError as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert model.retrieve(1)["n"] == 8 * 15
    assert version is None or model.retrieve(1)["version"] == 8 * 15 + 1
    own.dispose()


@pytest.fixture(autouse=True)
def no_connection_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    names = ("engine", "sqlite_engine", "postgresql_engine", "mariadb_engine")
    engines = [request.getfixturevalue(n) for n in names if n in request.fixturenames]
    yield
    assert [engine.pool.checkedout() for engine in engines] == [0 for _ in engines]


def test_reading_is_read_only_where_that_costs_nothing(postgresql_engine: sa.Engine) -> None:
    state = "SELECT 1 AS id, current_setting('transaction_read_only') AS state"
    with postgresql_engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE VIEW states AS {state}")
    table = sa.Table("states", sa.MetaData(), autoload_with=postgresql_engine)
    states = TableModel(table, postgresql_engine)
    for query in (Query(), Query(count="exact")):
        assert [row["state"] for row in states.list(query).data] == ["on"]
    # The connection is as it was for whoever takes it next.
    with postgresql_engine.connect() as connection:
        assert connection.exec_driver_sql(state).one().state == "off"
