"""What goes wrong with a database: limits, deadlocks, lost connections, and its absence."""

import gc
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, MetaData, Table, event
from sqlalchemy.pool import NullPool, StaticPool

from tests import servers
from wsgikit.model import (
    ConflictError,
    DeniedError,
    ModelError,
    RefusedError,
    RetryError,
    StoreError,
    UnavailableError,
    ValidationError,
    repeat,
)
from wsgikit.model.retrying import TRIES
from wsgikit.query import Query
from wsgikit.sql import TableModel
from wsgikit.sql.faults import Deed, guess, is_unreadable
from wsgikit.sql.limits import Limits, Setting, settings_of


def counters_table(engine: sa.Engine) -> Table:
    table = Table("counters", MetaData(), Column("id", Integer, primary_key=True),
                  Column("n", Integer, nullable=False))  # fmt: skip
    table.create(engine)
    return table


@pytest.fixture
def counters(engine: sa.Engine) -> TableModel:
    return TableModel(counters_table(engine), engine)


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def ask(connection: sa.Connection, question: str) -> Any:
    return connection.exec_driver_sql(question).scalar()


# -- doing it again -----------------------------------------------------------------------


@pytest.mark.parametrize("failures", range(TRIES))
def test_what_others_undid_is_done_again(failures: int) -> None:
    tries = []

    def work() -> int:
        tries.append(1)
        if len(tries) <= failures:
            raise RetryError("undone", 1)
        return len(tries)

    assert repeat(work, pause=0) == failures + 1


def test_only_what_others_undid_is_done_again_and_not_for_ever() -> None:
    for error, times in ((RetryError("undone"), TRIES), (UnavailableError("away"), 1)):
        tries = []

        def work() -> None:
            tries.append(1)  # noqa: B023
            raise error  # noqa: B023

        with pytest.raises(type(error)):
            repeat(work, pause=0)
        assert len(tries) == times


def test_of_two_in_each_others_way_both_succeed_in_the_end(engine: sa.Engine) -> None:
    """SQLite has no deadlocks: who writes takes the one lock at once."""
    model = TableModel(counters_table(engine), engine)
    model.create_many([{"id": 1, "n": 0}, {"id": 2, "n": 0}])
    meeting = threading.Barrier(2)
    undone: list[Exception] = []

    def add(first: int, second: int) -> None:
        tries = []

        def work() -> None:
            tries.append(1)
            with model.transaction() as tx:
                tx.update(first, {"n": tx.retrieve(first)["n"] + 1})
                if len(tries) == 1 and engine.dialect.name != "sqlite":
                    meeting.wait()
                tx.update(second, {"n": tx.retrieve(second)["n"] + 1})

        def once() -> None:
            try:
                work()
            except RetryError as error:
                undone.append(error)
                raise

        repeat(once)

    in_threads(lambda: add(1, 2), lambda: add(2, 1))
    assert [row["n"] for row in model.list(Query()).data] == [2, 2]
    assert len(undone) >= (engine.dialect.name != "sqlite")


def in_threads(*calls: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_a_serialization_failure_is_worth_repeating(postgresql_engine: sa.Engine) -> None:
    table = counters_table(postgresql_engine)
    strict = sa.create_engine(postgresql_engine.url, isolation_level="SERIALIZABLE")
    model, other = TableModel(table, strict), TableModel(table, strict)
    model.create({"id": 1, "n": 0})
    with pytest.raises(RetryError), model.transaction() as tx:
        change_after_other(tx, other)
    assert model.retrieve(1)["n"] == 5
    strict.dispose()


def change_after_other(tx: TableModel, other: TableModel) -> None:
    tx.retrieve(1)
    other.update(1, {"n": 5})
    tx.update(1, {"n": 1})


def test_a_lock_that_sqlite_refuses_after_reading_is_worth_repeating(tmp_path: Path) -> None:
    """One connection for all, in the middle of a transaction that has read already."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=StaticPool)
    run(engine, "PRAGMA journal_mode = WAL")
    model = TableModel(counters_table(engine), engine)
    with engine.connect() as shared, closing(sqlite3.connect(tmp_path / "x.db")) as other:
        shared.exec_driver_sql("BEGIN")
        shared.exec_driver_sql("SELECT * FROM counters").all()
        with other:
            other.execute("INSERT INTO counters VALUES (7, 7)")
        with pytest.raises(RetryError), model.transaction() as tx:
            tx.create({"n": 1})
    assert [row["id"] for row in model.list(Query()).data] == [7]
    engine.dispose()


# -- connections that are lost ------------------------------------------------------------


def number_of(connection: sa.Connection) -> int:
    """Give what the server calls a connection."""
    raw: Any = connection.connection.dbapi_connection
    is_postgresql = connection.dialect.name == "postgresql"
    return int(raw.info.backend_pid if is_postgresql else raw.thread_id())


def kill_number(engine: sa.Engine, number: int) -> None:
    is_postgresql = engine.dialect.name == "postgresql"
    command = "SELECT pg_terminate_backend({})" if is_postgresql else "KILL CONNECTION {}"
    killer = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with killer.connect() as other:
        other.exec_driver_sql(command.format(number))


def kill(engine: sa.Engine, connection: sa.Connection) -> None:
    """End a connection from the server's side."""
    kill_number(engine, number_of(connection))


@pytest.fixture(params=["postgresql", "mariadb"])
def remote(request: pytest.FixtureRequest) -> sa.Engine:
    """A database behind a socket."""
    found: sa.Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


def test_pooled_connections_that_died_are_not_noticed(remote: sa.Engine) -> None:
    model = TableModel(counters_table(remote), remote)
    model.create({"n": 0})
    verbs: list[Callable[[], Any]] = [
        lambda: model.retrieve(1),
        lambda: model.list(Query()),
        lambda: list(model.stream(Query())),
        lambda: model.update(1, {"n": 1}),
        lambda: model.create({"n": 2}),
        lambda: model.create_many([{"n": 3}]),
        lambda: model.delete(1),
    ]
    for verb in verbs:
        with remote.connect() as one, remote.connect() as two:
            kill(remote, one)
            kill(remote, two)
        verb()
    assert [row["n"] for row in model.list(Query()).data] == [2, 3]


def test_a_transaction_that_loses_its_connection_is_worth_repeating(remote: sa.Engine) -> None:
    model = TableModel(counters_table(remote), remote)

    def lose(tx: TableModel) -> None:
        tx.create({"n": 1})
        assert tx._transaction is not None
        kill(remote, tx._transaction.connection)
        tx.create({"n": 2})

    with pytest.raises(RetryError, match="nothing was changed"), model.transaction() as tx:
        lose(tx)
    with pytest.raises(KeyError), model.transaction() as tx:
        leave(tx)
    with pytest.raises(RetryError), model.transaction() as tx:
        lose_part(tx)
    assert model.list(Query()).data == ()


def test_a_part_of_a_transaction_that_has_lost_its_connection(remote: sa.Engine) -> None:
    model = TableModel(counters_table(remote), remote)
    with pytest.raises(RetryError), model.transaction() as tx:
        begin_part_without_connection(tx)
    with pytest.raises(RetryError), model.transaction() as tx:
        end_part_without_connection(tx)


def begin_part_without_connection(tx: TableModel) -> None:
    assert tx._transaction is not None
    kill(tx.engine, tx._transaction.connection)
    with tx.transaction():
        pass


def end_part_without_connection(tx: TableModel) -> None:
    assert tx._transaction is not None
    with tx.transaction():
        kill(tx.engine, tx._transaction.connection)


def leave(tx: TableModel) -> None:
    tx.create({"n": 1})
    assert tx._transaction is not None
    kill(tx.engine, tx._transaction.connection)
    raise KeyError("with a connection that cannot be rolled back")


def lose_part(tx: TableModel) -> None:
    with tx.transaction() as part:
        part.create({"n": 1})
        assert part._transaction is not None
        kill(tx.engine, part._transaction.connection)
        part.create({"n": 2})


def test_a_connection_that_is_cut_at_the_commit_leaves_it_unknown(remote: sa.Engine) -> None:
    model = TableModel(counters_table(remote), remote)

    def cut(connection: sa.Connection) -> None:
        kill(remote, connection)

    event.listen(remote, "commit", cut)
    for write in (lambda: model.create({"n": 1}), lambda: model.create_many([{"n": 1}])):
        with pytest.raises(UnavailableError, match="may or may not be saved") as caught:
            write()
        assert not isinstance(caught.value, RetryError)
    event.remove(remote, "commit", cut)
    assert model.create({"n": 2})["n"] == 2


# -- limits of time -----------------------------------------------------------------------

SLOW = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000000) "
    "SELECT count(*) AS n FROM c",
    "postgresql": "SELECT count(*) AS n FROM generate_series(1, 1000000000)",
    "mariadb": "SELECT count(*) AS n FROM a, a AS b, a AS c, a AS d, a AS e",
}


def test_a_statement_that_takes_too_long_is_stopped(engine: sa.Engine) -> None:
    if engine.dialect.name == "mariadb":
        run(engine, "CREATE TABLE a (n INTEGER)", "INSERT INTO a SELECT seq FROM seq_1_to_200")
    run(engine, f"CREATE VIEW slow AS {SLOW[engine.dialect.name]}")
    slow = Table("slow", MetaData(), Column("n", Integer))
    begun = time.monotonic()
    with pytest.raises(UnavailableError, match="took too long") as caught:
        TableModel(slow, engine, statement_timeout=0.2).list(Query())
    assert not isinstance(caught.value, RetryError)
    assert time.monotonic() - begun < 5
    assert ask_after(engine, "SELECT 1") == 1


def ask_after(engine: sa.Engine, question: str) -> Any:
    with engine.connect() as connection:
        return ask(connection, question)


def test_a_row_that_others_keep_is_waited_for_only_so_long(engine: sa.Engine) -> None:
    model = TableModel(counters_table(engine), engine, lock_timeout=0.2)
    model.create({"id": 1, "n": 0})
    begun = time.monotonic()
    with engine.begin() as connection:
        connection.execute(sa.update(model.table).values(n=1))
        with pytest.raises(UnavailableError, match="busy") as caught:
            model.update(1, {"n": 2})
    assert caught.value.retry_after == 1
    assert not isinstance(caught.value, RetryError)
    assert time.monotonic() - begun < 4


LIMIT = {
    "sqlite": ("PRAGMA busy_timeout", 3000, "PRAGMA busy_timeout = {}"),
    "postgresql": (
        "SELECT setting::integer FROM pg_settings WHERE name = 'lock_timeout'",
        3000,
        "SET SESSION lock_timeout = {}",
    ),
    "mariadb": (
        "SELECT @@innodb_lock_wait_timeout",
        3,
        "SET SESSION innodb_lock_wait_timeout = {}",
    ),
}


def test_limits_are_for_models_alone(engine: sa.Engine) -> None:
    """Who takes the same connection out of the pool has what the engine's owner set."""
    question, limit, _command = LIMIT[engine.dialect.name]
    model = TableModel(counters_table(engine), engine, lock_timeout=3.0, statement_timeout=9.0)
    usual = ask_after(engine, question)
    assert usual != limit
    for _ in range(2):
        with model.transaction() as tx:
            assert tx._transaction is not None
            assert ask(tx._transaction.connection, question) == limit
        model.create({"n": 1})
        assert ask_after(engine, question) == usual


def test_models_of_one_engine_may_have_different_limits(engine: sa.Engine) -> None:
    question, limit, _command = LIMIT[engine.dialect.name]
    table = counters_table(engine)
    usual = ask_after(engine, question)
    for lock, expected in ((3.0, limit), (2.0, limit * 2 // 3), (3.0, limit), (None, usual)):
        with TableModel(table, engine, lock_timeout=lock).transaction() as tx:
            assert tx._transaction is not None
            assert ask(tx._transaction.connection, question) == expected


def test_a_stricter_setting_stays(engine: sa.Engine) -> None:
    question, limit, command = LIMIT[engine.dialect.name]

    def be_strict(connection: Any, _record: Any) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(command.format(limit // 3))
        connection.commit()

    event.listen(engine, "connect", be_strict)
    engine.dispose()
    with TableModel(counters_table(engine), engine, lock_timeout=3.0).transaction() as tx:
        assert tx._transaction is not None
        assert ask(tx._transaction.connection, question) == limit // 3


def test_without_limits_nothing_is_set(engine: sa.Engine) -> None:
    question = LIMIT[engine.dialect.name][0]
    usual = ask_after(engine, question)
    table = counters_table(engine)
    model = TableModel(table, engine, lock_timeout=None, statement_timeout=None)
    with model.transaction() as tx:
        assert tx._transaction is not None
        assert ask(tx._transaction.connection, question) == usual


def test_a_connection_that_died_with_limits_is_replaced_for_others(remote: sa.Engine) -> None:
    table = counters_table(remote)
    engine = sa.create_engine(remote.url, pool_size=1, max_overflow=0)
    model = TableModel(table, engine)
    with model.transaction(read_only=True) as tx:
        assert tx._transaction is not None
        number = number_of(tx._transaction.connection)
    kill_number(remote, number)
    assert ask_after(engine, "SELECT 1") == 1
    engine.dispose()


def test_mysql_limits_what_reads_in_milliseconds() -> None:
    class Dialect:
        name = "mysql"
        is_mariadb = False

    assert settings_of(Dialect, Limits(1.5, 0.5)) == [
        Setting("max_execution_time", 1500, True),
        Setting("innodb_lock_wait_timeout", 1),
        Setting("lock_wait_timeout", 1),
    ]


# -- the database is away -----------------------------------------------------------------


class Server:
    """A database server of a test's own, which can be stopped and started again."""

    def __init__(self, url: str, pid_file: Path, stop: int) -> None:
        self.url = url
        self.pid_file = pid_file
        self.signal = stop
        self.command: list[str] = []
        self.stack = ExitStack()

    def stop(self) -> None:
        pid = int(self.pid_file.read_text().split()[0])
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        self.command = self.command or [part.decode() for part in line.split(b"\0")[:-1]]
        os.kill(pid, self.signal)
        self.stack.close()
        while self.pid_file.exists():
            time.sleep(0.01)

    def start(self) -> None:
        place = self.stack.enter_context(servers.private_directory())
        self.stack.enter_context(
            servers.watched(place, self.command, stop=signal.Signals(self.signal).name[3:])
        )
        path = self.pid_file.parent
        socket = path / "socket"
        if not socket.parent.samefile(path) or self.signal == signal.SIGINT:
            socket = path.parent / ".s.PGSQL.5432"
        servers.wait_until_ready(self.url, place, socket)


@contextmanager
def own_postgresql() -> Iterator[Server]:
    with servers.postgresql() as url:
        directory = Path(str(sa.make_url(url).query["host"]))
        server = Server(url, directory / "data" / "postmaster.pid", signal.SIGINT)
        with server.stack:
            yield server


@contextmanager
def own_mariadb() -> Iterator[Server]:
    with servers.mariadb() as url:
        directory = Path(str(sa.make_url(url).query["unix_socket"])).parent
        server = Server(url, directory / "pid", signal.SIGTERM)
        with server.stack:
            yield server


@pytest.fixture(params=[own_postgresql, own_mariadb])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    try:
        with request.param() as found:
            yield found
    except servers.Missing as missing:
        pytest.skip(str(missing))


@pytest.mark.filterwarnings("ignore:unclosed <socket")  # PyMySQL leaks its own when refused
def test_a_server_that_is_away_is_said_to_be_and_work_goes_on_when_it_returns(
    server: Server,
) -> None:
    engine = sa.create_engine(server.url)
    model = TableModel(counters_table(engine), engine)
    model.create({"n": 1})
    server.stop()
    verbs: list[Callable[[], Any]] = [
        lambda: model.retrieve(1),
        lambda: model.create({"n": 2}),
        lambda: next(model.stream(Query())),
        lambda: model.transaction().__enter__(),
    ]
    for verb in verbs:
        with pytest.raises(UnavailableError, match="cannot be reached"):
            verb()
    server.start()
    assert model.retrieve(1) == {"id": 1, "n": 1}
    # And with a pool of connections that it has forgotten:
    with engine.connect(), engine.connect():
        pass
    server.stop()
    server.start()
    assert model.create({"n": 2})["n"] == 2
    server.stop()
    server.start()
    assert [row["n"] for row in model.stream(Query())] == [1, 2]
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    engine.dispose()
    gc.collect()


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///file:{}?mode=rw&uri=true"])
def test_a_file_that_is_moved_away_and_back(tmp_path: Path, url: str) -> None:
    path = tmp_path / "x y.db"
    path.touch()
    engine = sa.create_engine(url.format(path))
    model = TableModel(counters_table(engine), engine)
    model.create({"n": 1})
    path.rename(tmp_path / "y.db")
    for verb in (lambda: model.retrieve(1), lambda: next(model.stream(Query()))):
        with pytest.raises(UnavailableError, match="is not there"):
            verb()
    (tmp_path / "y.db").rename(path)
    assert model.create({"n": 2})["n"] == 2
    engine.dispose()


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    model = TableModel(counters_table(engine), engine)
    model.create({"n": 1})
    backup = tmp_path / "backup.db"
    backup.write_bytes(path.read_bytes())
    model.create({"n": 2})
    backup.rename(path)
    assert [row["n"] for row in model.list(Query()).data] == [1]
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_no_file(url: str) -> None:
    engine = sa.create_engine(url, poolclass=StaticPool)
    assert TableModel(counters_table(engine), engine).create({"n": 1})["n"] == 1
    engine.dispose()


def test_a_database_that_is_away_when_it_is_first_asked(tmp_path: Path) -> None:
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True))
    engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x")
    with pytest.raises(UnavailableError, match="cannot be reached"):
        TableModel(table, engine).transaction().__enter__()


# -- what errors mean ---------------------------------------------------------------------


def test_an_error_that_nobody_foresaw_fails_the_transaction(sqlite_engine: sa.Engine) -> None:
    model = TableModel(counters_table(sqlite_engine), sqlite_engine)

    def fail(*_arguments: Any) -> None:
        raise sa.exc.InvalidRequestError("no")

    def go_on() -> None:
        with model.transaction() as tx:
            tx.create({"n": 1})
            event.listen(sqlite_engine, "before_cursor_execute", fail)
            with pytest.raises(StoreError):
                tx.list(Query())
            event.remove(sqlite_engine, "before_cursor_execute", fail)

    with pytest.raises(StoreError):
        go_on()
    assert model.list(Query()).data == ()


def test_a_conflict_of_another_table_names_no_column_of_this_one(
    postgresql_engine: sa.Engine,
) -> None:
    """A constraint of one table is checked when a transaction of another ends."""
    run(
        postgresql_engine,
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a "
        "DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, a INTEGER)",
    )
    metadata = MetaData()
    b, c = (Table(n, metadata, autoload_with=postgresql_engine) for n in ("b", "c"))
    first, last = TableModel(b, postgresql_engine), TableModel(c, postgresql_engine)
    with pytest.raises(ConflictError) as caught, last.transaction() as tx:
        both(tx, first)
    assert [(e.field, e.code) for e in caught.value.errors] == [("", "reference")]


def both(tx: TableModel, other: TableModel) -> None:
    tx.bind(other).create({"id": 1, "a": 7})
    tx.create({"id": 1, "a": 7})


class Told(Exception):
    """What a driver raises, as far as errors are told apart by it."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args)
        vars(self).update(attributes)


def sqlite_error(name: str) -> Told:
    return Told("text", sqlite_errorname=name)


def postgresql_error(state: str) -> Told:
    return Told("text", sqlstate=state)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite_error("SQLITE_BUSY"), (UnavailableError, "busy")),
        (sqlite_error("SQLITE_BUSY_SNAPSHOT"), (RetryError, "Others")),
        (sqlite_error("SQLITE_LOCKED"), (UnavailableError, "busy")),
        (sqlite_error("SQLITE_INTERRUPT"), (UnavailableError, "too long")),
        (sqlite_error("SQLITE_IOERR"), (UnavailableError, "cannot be reached")),
        (sqlite_error("SQLITE_READONLY"), (DeniedError, "not allow")),
        (sqlite_error("SQLITE_CORRUPT"), (StoreError, "failed")),
        (sqlite_error("SQLITE_CONSTRAINT_CHECK"), (ValidationError, "rule")),
        (Told("FOREIGN KEY constraint failed"), (ConflictError, "no such row")),
        (postgresql_error("40001"), (RetryError, "Others")),
        (postgresql_error("40P01"), (RetryError, "Others")),
        (postgresql_error("40003"), (UnavailableError, "busy")),
        (postgresql_error("55P03"), (UnavailableError, "busy")),
        (postgresql_error("57014"), (UnavailableError, "too long")),
        (postgresql_error("57P01"), (UnavailableError, "cannot be reached")),
        (postgresql_error("53300"), (UnavailableError, "cannot be reached")),
        (postgresql_error("22P02"), (ValidationError, "can store")),
        (postgresql_error("42501"), (DeniedError, "not allow")),
        (postgresql_error("XX000"), (StoreError, "failed")),
        (Told(1213, "text"), (RetryError, "Others")),
        (Told(1020, "text"), (RetryError, "Others")),
        (Told(1205, "text"), (UnavailableError, "busy")),
        (Told(1969, "text"), (UnavailableError, "too long")),
        (Told(1317, "text"), (UnavailableError, "too long")),
        (Told(1053, "text"), (UnavailableError, "cannot be reached")),
        (Told(1451, "text"), (ConflictError, "Other rows")),
        (Told(1064, "text"), (StoreError, "failed")),
    ],
)
def test_what_a_databases_own_code_means(
    sqlite_engine: sa.Engine, error: Told, expected: tuple[type[ModelError], str]
) -> None:
    model = TableModel(counters_table(sqlite_engine), sqlite_engine)
    deed = Deed(model._prepared, "create")
    with sqlite_engine.connect() as connection:
        found = deed.explain(sa.exc.DatabaseError("SELECT 1", {}, error), connection)
    assert type(found) is expected[0]
    assert expected[1] in str(found)


def test_what_an_error_without_a_code_means() -> None:
    for kind, expected in (
        (sa.exc.IntegrityError, "unique"),
        (sa.exc.OperationalError, "away"),
        (sa.exc.ProgrammingError, ""),
    ):
        assert guess(kind("SELECT 1", {}, Told("text")), "text") == expected


def test_an_error_of_reading_lost_its_value_and_not_its_statement() -> None:
    assert is_unreadable(ValueError("no date"))
    assert is_unreadable(sa.exc.DataError("SELECT 1", {}, Told("no date")))
    assert not is_unreadable(sa.exc.DataError("SELECT 1", {}, postgresql_error("22P02")))


def test_a_used_up_pool_is_busy(tmp_path: Path) -> None:
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'x.db'}", pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    model = TableModel(counters_table(engine), engine)
    with engine.connect():
        with pytest.raises(UnavailableError, match="connections are busy") as caught:
            model.list(Query())
        assert caught.value.retry_after == 1
    engine.dispose()


# -- which columns a database speaks of ---------------------------------------------------


def told(call: Callable[[], Any]) -> dict[str, str]:
    with pytest.raises(RefusedError) as caught:
        call()
    return {error.field: error.code for error in caught.value.errors}


def test_the_columns_of_constraints_are_named(engine: sa.Engine) -> None:
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True))
    table = Table(
        "t",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("y", Integer),
        Column("z", Integer, nullable=False),
        Column("r", sa.ForeignKey("a.id"), key="ref"),
        Column("s", sa.ForeignKey("a.id")),
        sa.UniqueConstraint("x", "y", name="pair"),
        sa.CheckConstraint("x < 9", name="small"),
    )
    metadata.create_all(engine)
    # Nobody says that z has to be given, but the database.
    loose = Table("t", MetaData(), *(Column(c.name, c.type, primary_key=c.primary_key)
                                     for c in table.c))  # fmt: skip
    model = TableModel(table, engine)
    model.create({"x": 1, "y": 1, "z": 1})
    assert told(lambda: model.create({"x": 1, "y": 1, "z": 1})) == {"x": "unique", "y": "unique"}
    assert "check" in told(lambda: model.create({"x": 9, "z": 1})).values()
    assert told(lambda: TableModel(loose, engine).create({"x": 2})) == {"z": "required"}
    assert told(lambda: model.create({"z": 1, "ref": 7, "s": None})) == {"ref": "reference"}
    hidden = model.restrict(hidden=["s"])
    assert told(lambda: hidden.update(1, {"ref": 7})) == {"ref": "reference"}


def test_a_reference_to_a_table_that_nobody_described(sqlite_engine: sa.Engine) -> None:
    run(
        sqlite_engine,
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a)",
    )
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True),
                  Column("a", sa.ForeignKey("a.id")))  # fmt: skip
    model = TableModel(table, sqlite_engine)
    assert told(lambda: model.create({"a": 7})) == {"": "reference"}


def test_a_violation_without_a_column(engine: sa.Engine) -> None:
    """A unique expression has no columns that anybody could name."""
    unique = {
        "sqlite": "CREATE UNIQUE INDEX u ON counters (abs(n))",
        "postgresql": "CREATE UNIQUE INDEX u ON counters (abs(n))",
        "mariadb": "ALTER TABLE counters ADD m INTEGER AS (abs(n)) VIRTUAL, ADD UNIQUE (m)",
    }
    model = TableModel(counters_table(engine), engine)
    run(engine, unique[engine.dialect.name])
    model.create({"n": 1})
    assert told(lambda: model.create({"n": -1})) == {"": "unique"}


def test_a_trigger_says_nothing_to_clients(mariadb_engine: sa.Engine) -> None:
    model = TableModel(counters_table(mariadb_engine), mariadb_engine)
    run(
        mariadb_engine,
        "CREATE TRIGGER no BEFORE INSERT ON counters FOR EACH ROW "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret'",
    )
    assert told(lambda: model.create({"n": 1})) == {"": "check"}
