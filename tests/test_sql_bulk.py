"""Writes of many rows: all or none, with every mistake named, on every database."""

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table, event

from wsgikit.model import (
    DEFAULT,
    ConflictError,
    DeniedError,
    LimitError,
    RefusedError,
    StoreError,
    Text,
    UnavailableError,
    ValidationError,
    Written,
)
from wsgikit.query import Comparison, Query, QueryError, parse_query
from wsgikit.sql import TableModel
from wsgikit.sql.bulk import BATCH, MAX_ERRORS


def created(engine: sa.Engine, name: str, *columns: Any) -> Table:
    table = Table(name, sa.MetaData(), *columns)
    table.create(engine)
    return table


@pytest.fixture
def people(engine: sa.Engine) -> TableModel:
    table = created(
        engine,
        "people",
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
        Column("email", String(50), unique=True),
        Column("age", Integer),
        CheckConstraint("age >= 0", name="age_is_positive"),
    )
    return TableModel(table, engine)


@pytest.fixture
def words(engine: sa.Engine) -> TableModel:
    """A key of text, which collations compare as they like."""
    table = created(
        engine,
        "words",
        Column("word", String(20), primary_key=True),
        Column("meaning", String(20)),
        Column("version", Integer, nullable=False),
    )
    return TableModel(table, engine, version="version")


def everything(model: TableModel) -> list[dict[str, Any]]:
    return list(model.stream(Query()))


Told = list[tuple[int | None, str, str]]


def refusal(call: Callable[[], Any]) -> tuple[type[RefusedError], Told]:
    with pytest.raises(RefusedError) as caught:
        call()
    return type(caught.value), [(e.row, e.field, e.code) for e in caught.value.errors]


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# -- new rows -----------------------------------------------------------------------------


def test_many_rows_are_created_and_given_back_in_order(people: TableModel) -> None:
    written = people.create_many(
        [{"name": "Ada", "age": 7}, {"name": "Bob", "email": "b"}, {"id": 9, "name": "C"}],
        returning=True,
    )
    assert written == Written(
        3,
        3,
        [
            {"id": 1, "name": "Ada", "email": None, "age": 7},
            {"id": 2, "name": "Bob", "email": "b", "age": None},
            {"id": 9, "name": "C", "email": None, "age": None},
        ],
    )
    assert everything(people) == written.rows


def test_no_rows_are_no_work(people: TableModel) -> None:
    assert people.create_many([]) == Written(0, 0)


def test_rows_that_are_alike_are_written_together(people: TableModel) -> None:
    texts: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        texts.append(statement)

    event.listen(people.engine, "before_cursor_execute", note)
    rows = [{"name": f"n{n}", **({"age": n} if n % 2 else {})} for n in range(BATCH * 2)]
    people.create_many(rows)
    assert sum(text.startswith("INSERT") for text in texts) <= 4
    assert [row["id"] for row in people.list(Query(limit=3)).data] == [1, 2, 3]
    assert [row["name"] for row in people.list(Query(limit=3)).data] == ["n0", "n1", "n2"]


def test_many_rows_pass_at_constant_memory(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, "t", Column("id", Integer, primary_key=True),
                    Column("text", String(2000)))  # fmt: skip
    model = TableModel(table, sqlite_engine)
    rows = ({"text": f"{n:01000}"} for n in range(20 * BATCH))
    model.create_many([{"text": "x"}] * BATCH)
    tracemalloc.start()
    assert model.create_many(rows).count == 20 * BATCH
    assert tracemalloc.get_traced_memory()[1] < 5_000_000  # the rows are ten megabytes
    tracemalloc.stop()


def test_each_batch_has_the_time_that_a_statement_may_take(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine, statement_timeout=0.4)

    def rows() -> Iterator[dict[str, Any]]:
        for n in range(BATCH * 3):
            if n in (BATCH // 2, BATCH * 2):
                time.sleep(0.5)
            yield {"id": n + 1, "v": n}

    for way in ("refuse", "merge"):
        model.create_many(rows(), on_duplicate=way)  # type: ignore[arg-type]


def test_defaults_and_the_empty_field_of_a_form(engine: sa.Engine) -> None:
    table = created(
        engine,
        "t",
        Column("id", Integer, primary_key=True),
        Column("level", Integer, server_default="3", nullable=False),
        Column("data", sa.JSON),
    )
    model = TableModel(table, engine)
    rows = [{"id": DEFAULT, "level": DEFAULT}, {"id": Text(""), "level": 5, "data": [1]}, {}]
    assert model.create_many(rows, returning=True).rows == [
        {"id": 1, "level": 3, "data": None},
        {"id": 2, "level": 5, "data": [1]},
        {"id": 3, "level": 3, "data": None},
    ]
    assert model.create({"id": DEFAULT, "level": DEFAULT}) == {"id": 4, "level": 3, "data": None}


# -- mistakes -----------------------------------------------------------------------------


def test_mistakes_of_all_rows_are_told_and_nothing_is_kept(people: TableModel) -> None:
    rows = [{"name": "Ada"}, {"age": "x"}, {"name": "Bob"}, {"name": "Cleo", "nosuch": 1}]
    assert refusal(lambda: people.create_many(rows)) == (
        ValidationError,
        [(1, "name", "required"), (1, "age", "type"), (3, "nosuch", "unknown")],
    )
    assert everything(people) == []


def test_checking_goes_on_over_batches_and_ends_at_a_bound(people: TableModel) -> None:
    read: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for n in range(BATCH * 4):
            read.append(n)
            yield {"name": "Ada"} if n < BATCH or n > BATCH * 2 else {}

    kind, told = refusal(lambda: people.create_many(rows()))
    assert kind is ValidationError
    assert [row for row, _field, _code in told] == [BATCH + n for n in range(MAX_ERRORS)]
    assert len(read) <= BATCH * 2 + 1
    assert everything(people) == []


def test_what_the_database_refuses_is_found_row_by_row(people: TableModel) -> None:
    people.create({"name": "Ada", "email": "ada"})
    rows = [
        {"name": "Bob", "email": "bob"},
        {"name": "Cleo", "email": "ada"},
        {"name": "Dan", "email": "bob"},
        {"id": 1, "name": "Eve"},
    ]
    assert refusal(lambda: people.create_many(rows)) == (
        ConflictError,
        [(1, "email", "unique"), (2, "email", "unique"), (3, "id", "unique")],
    )
    kind, told = refusal(lambda: people.create_many([*rows, {"name": "Finn", "age": -1}]))
    assert kind is ValidationError
    assert [row for row, *_ in told] == [1, 2, 3, 4]
    assert len(everything(people)) == 1


def test_a_single_row_that_is_refused(people: TableModel) -> None:
    assert refusal(lambda: people.create_many([{"name": "Ada", "age": -1}]))[1][0][2] == "check"


def test_a_missing_reference_names_its_row_and_column(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True))
    b = Table("b", metadata, Column("id", Integer, primary_key=True),
              Column("a", ForeignKey("a.id")))  # fmt: skip
    metadata.create_all(engine)
    model = TableModel(b, engine)
    assert refusal(lambda: model.create_many([{"a": None}, {"a": 7}])) == (
        ConflictError,
        [(1, "a", "reference")],
    )


def test_a_source_that_breaks_in_the_middle_undoes_everything(people: TableModel) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for n in range(BATCH * 2):
            yield {"name": f"n{n}"}
        raise ValueError("line 7 is no CSV")

    with pytest.raises(ValueError, match="line 7"):
        people.create_many(rows())
    assert everything(people) == []


def test_a_failure_of_the_source_is_one_of_the_transaction(people: TableModel) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from ({"name": "Ada"} for _ in range(BATCH * 2))
        raise ValueError("broken")

    def import_and_go_on() -> None:
        with people.transaction() as tx, pytest.raises(ValueError, match="broken"):
            tx.create_many(rows())

    with pytest.raises(ValueError, match="broken"):
        import_and_go_on()
    assert everything(people) == []


def test_what_is_no_way_to_treat_duplicates(people: TableModel) -> None:
    with pytest.raises(ValueError, match="refuse, merge or ignore"):
        people.create_many([], on_duplicate="replace")  # type: ignore[arg-type]
    with pytest.raises(DeniedError):
        people.restrict(read_only=True).create_many([])


def test_a_database_that_drops_rows_silently_is_noticed(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, "t", Column("id", Integer, primary_key=True))
    run(sqlite_engine, "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.id = 2 "
        "BEGIN SELECT RAISE(IGNORE); END")  # fmt: skip
    model = TableModel(table, sqlite_engine)
    with pytest.raises(StoreError, match="did not store every row"):
        model.create_many([{"id": 1}, {"id": 2}])
    assert everything(model) == []


def test_a_key_that_is_not_unique_in_the_database(engine: sa.Engine) -> None:
    run(engine, "CREATE TABLE t (id INTEGER, v INTEGER)", "INSERT INTO t VALUES (1, 1), (1, 2)")
    table = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine)
    with pytest.raises(StoreError, match="not unique"):
        model.create_many([{"id": 1, "v": 5}], on_duplicate="merge")
    assert [row["v"] for row in everything(model)] == [1, 2]


# -- duplicates ---------------------------------------------------------------------------


def test_merging_changes_what_is_there_and_creates_the_rest(words: TableModel) -> None:
    words.create_many([{"word": "one", "meaning": "1"}, {"word": "two", "meaning": "2"}])
    rows = [
        {"word": "one", "meaning": "1"},
        {"word": "two", "meaning": "zwei"},
        {"word": "three", "meaning": "3"},
    ]
    written = words.create_many(rows, on_duplicate="merge", returning=True)
    assert written == Written(
        2,
        1,
        [
            {"word": "one", "meaning": "1", "version": 1},
            {"word": "two", "meaning": "zwei", "version": 2},
            {"word": "three", "meaning": "3", "version": 1},
        ],
    )
    assert words.create_many([{"word": "one"}], on_duplicate="merge").count == 0


def test_ignoring_leaves_what_is_there(words: TableModel) -> None:
    words.create({"word": "one", "meaning": "1"})
    rows = [{"word": "one", "meaning": "eins"}, {"word": "two"}, {"word": "two", "meaning": "2"}]
    written = words.create_many(rows, on_duplicate="ignore", returning=True)
    assert (written.count, written.created) == (1, 1)
    assert [row["meaning"] for row in written.rows] == ["1", None, None]


def test_the_later_of_two_rows_of_one_key_wins(words: TableModel) -> None:
    rows = [{"word": "one", "meaning": "1"}, {"word": "one", "meaning": "eins"}, {"word": "two"}]
    written = words.create_many(rows, on_duplicate="merge")
    assert (written.count, written.created) == (3, 2)
    assert words.retrieve("one") == {"word": "one", "meaning": "eins", "version": 2}
    assert refusal(lambda: words.create_many([{"word": "x"}, {"word": "x"}])) == (
        ConflictError,
        [(1, "word", "unique")],
    )


def test_rows_without_a_key_are_created(people: TableModel) -> None:
    people.create({"name": "Ada"})
    rows = [{"id": 1, "age": 3}, {"name": "Bob"}, {"id": None, "name": "x"}, {"id": "x"}]
    assert refusal(lambda: people.create_many(rows, on_duplicate="merge"))[1] == [
        (2, "id", "required"),
        (3, "id", "type"),
        (3, "name", "required"),
    ]
    written = people.create_many(rows[:2], on_duplicate="merge", returning=True)
    assert [(row["id"], row["name"], row["age"]) for row in written.rows] == [
        (1, "Ada", 3),
        (2, "Bob", None),
    ]


def test_a_key_that_only_a_collation_takes_for_the_same_is_another(
    mariadb_engine: sa.Engine,
) -> None:
    table = created(mariadb_engine, "words", Column("word", String(20), primary_key=True),
                    Column("meaning", String(20)))  # fmt: skip
    model = TableModel(table, mariadb_engine)
    model.create({"word": "one", "meaning": "1"})
    for way in ("merge", "ignore"):
        rows = [{"word": "ONE", "meaning": "!"}]
        told = refusal(lambda: model.create_many(rows, on_duplicate=way))  # type: ignore[arg-type]  # noqa: B023
        assert told == (ConflictError, [(0, "word", "unique")])
    assert everything(model) == [{"word": "one", "meaning": "1"}]


def test_another_unique_column_widens_no_merge(people: TableModel) -> None:
    """MariaDB's ON DUPLICATE KEY UPDATE would change Ada."""
    people.create({"name": "Ada", "email": "ada"})
    rows = [{"id": 2, "name": "Eve", "email": "ada"}]
    for way in ("merge", "ignore"):
        assert refusal(lambda: people.create_many(rows, on_duplicate=way)) == (  # type: ignore[arg-type]  # noqa: B023
            ConflictError,
            [(0, "email", "unique")],
        )
    assert everything(people) == [{"id": 1, "name": "Ada", "email": "ada", "age": None}]


def test_values_move_from_row_to_row_in_the_order_given(people: TableModel) -> None:
    people.create_many([{"name": "Ada", "email": "a"}, {"name": "Bob", "email": "b"}])
    rows = [{"id": 1, "email": "c"}, {"name": "Cleo", "email": "a"}, {"id": 2, "email": None}]
    written = people.create_many(rows, on_duplicate="merge")
    assert (written.count, written.created) == (3, 1)
    assert [row["email"] for row in everything(people)] == ["c", None, "a"]


def test_composite_keys_are_merged(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("a", Integer, primary_key=True),
                    Column("b", String(5), primary_key=True), Column("v", Integer))  # fmt: skip
    model = TableModel(table, engine)
    model.create_many([{"a": 1, "b": "x", "v": 1}, {"a": 1, "b": "y", "v": 2}])
    rows = [{"a": 1, "b": "y", "v": 3}, {"a": 2, "b": "x", "v": 4}]
    written = model.create_many(rows, on_duplicate="merge", returning=True)
    assert written == Written(2, 1, rows)
    assert refusal(lambda: model.create_many([{"a": 1}], on_duplicate="merge"))[1] == [
        (0, "b", "required")
    ]


def test_a_row_that_others_create_at_the_same_time_is_merged(engine: sa.Engine) -> None:
    """Between our look and our write; SQLite lets nobody in."""
    if engine.dialect.name == "sqlite":
        return
    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine)
    other = sa.create_engine(engine.url)
    done: list[bool] = []

    def meddle(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO t") and not done:
            done.append(True)
            with other.begin() as connection:
                connection.execute(sa.insert(table).values(id=1, v=1))

    event.listen(engine, "before_cursor_execute", meddle)
    if engine.dialect.name == "mariadb":
        # It locks the gap where the row would be, so that nobody gets in between.
        event.listen(other, "connect", be_impatient)
        with pytest.raises(UnavailableError, match="busy"):
            model.create_many([{"id": 1, "v": 2}], on_duplicate="merge")
    else:
        assert model.create_many([{"id": 1, "v": 2}], on_duplicate="merge") == Written(1, 0)
        assert everything(model) == [{"id": 1, "v": 2}]
    other.dispose()


def be_impatient(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")


# -- restrictions -------------------------------------------------------------------------


def test_rows_out_of_sight_may_not_be_created(people: TableModel) -> None:
    young = people.restrict(rows=people.table.c.age < 18)
    rows = [{"name": "Ada", "age": 7}, {"name": "Bob", "age": 40}, {"name": "Cleo"}]
    for given_rows in (rows, [{"id": n, **row} for n, row in enumerate(rows, 1)]):
        assert refusal(lambda: young.create_many(given_rows)) == (  # noqa: B023
            ValidationError,
            [(1, "", "check"), (2, "", "check")],
        )
    assert young.create_many([{"name": "Ada", "age": 7}]).count == 1
    assert len(everything(people)) == 1


def test_rows_out_of_sight_are_not_merged(people: TableModel) -> None:
    people.create_many([{"name": "Ada", "age": 7}, {"name": "Bob", "age": 40}])
    young = people.restrict(rows=people.table.c.age < 18)
    for rows, told in (
        ([{"id": 2, "name": "Eve"}], (ConflictError, [(0, "id", "unique")])),
        ([{"id": 1, "age": 50}], (ValidationError, [(0, "", "check")])),
        ([{"id": 1, "age": 8}, {"id": 2, "age": 8}], None),
    ):
        if told is None:
            assert refusal(lambda: young.create_many(rows, on_duplicate="merge"))  # noqa: B023
        else:
            assert refusal(lambda: young.create_many(rows, on_duplicate="merge")) == told  # noqa: B023
    assert [row["age"] for row in everything(people)] == [7, 40]
    assert young.create_many([{"id": 1, "age": 8}], on_duplicate="merge") == Written(1, 0)


def test_a_number_that_mariadb_makes_of_nought_is_told(mariadb_engine: sa.Engine) -> None:
    table = created(mariadb_engine, "t", Column("id", Integer, primary_key=True))
    model = TableModel(table, mariadb_engine)
    assert refusal(lambda: model.create_many([{"id": 7}, {"id": 0}]))[1] == [(1, "", "check")]
    assert everything(model) == []


def test_a_key_that_the_database_changes_is_told_for_each_row(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, "t", Column("id", String(5), primary_key=True))
    run(sqlite_engine, "CREATE TRIGGER up AFTER INSERT ON t "
        "BEGIN UPDATE t SET id = upper(NEW.id) WHERE id = NEW.id; END")  # fmt: skip
    model = TableModel(table, sqlite_engine)
    assert refusal(lambda: model.create_many([{"id": "A"}, {"id": "b"}])) == (
        ValidationError,
        [(1, "", "check")],
    )
    assert everything(model) == []


# -- all rows that a query selects --------------------------------------------------------


@pytest.fixture
def crowd(people: TableModel) -> TableModel:
    """Nine people, three of each age from 10 to 30."""
    people.create_many({"name": f"n{n}", "age": 10 * (n % 3 + 1)} for n in range(9))
    return people


def ages(model: TableModel) -> list[int]:
    return [row["age"] for row in everything(model)]


def test_all_rows_that_a_query_selects_are_changed(crowd: TableModel) -> None:
    assert crowd.update_where(parse_query("age__gte=20"), {"age": 40}, 6) == 6
    assert ages(crowd) == [10, 40, 40] * 3
    assert crowd.update_where(parse_query("age=99"), {"age": 1}, 6) == 0
    assert crowd.update_where(parse_query("age=10"), {}, 6) == 0
    assert crowd.update_where(Query(), {"age": None}, 9) == 9


def test_all_rows_that_a_query_selects_are_removed(crowd: TableModel) -> None:
    assert crowd.delete_where(parse_query("age__in=10,30"), 6) == 6
    assert ages(crowd) == [20, 20, 20]
    assert crowd.delete_where(parse_query("name__startswith=N&age__isnull=false"), 6) == 3
    assert everything(crowd) == []


def test_more_rows_than_may_be_written_are_left_alone(crowd: TableModel) -> None:
    for write in (
        lambda model: model.delete_where(parse_query("age__gt=10"), 5),
        lambda model: model.update_where(parse_query("age__gt=10"), {"age": 1}, 5),
        lambda model: model.update_where(parse_query("age__gt=10"), {}, 5),
    ):
        with pytest.raises(LimitError, match="more than 5") as caught:
            write(crowd)
        assert caught.value.ceiling == 5
        with crowd.transaction() as tx, pytest.raises(LimitError):
            write(tx)
    assert sum(ages(crowd)) == 180


def test_rows_that_come_between_count_as_well(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine)
    model.create_many([{"v": 1}, {"v": 1}])

    def meddle(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("DELETE FROM t"):
            cursor.execute("INSERT INTO t (v) VALUES (1)")

    event.listen(engine, "before_cursor_execute", meddle)
    with pytest.raises(LimitError):
        model.delete_where(parse_query("v=1"), 2)
    assert len(everything(model)) == 2


def test_mistakes_in_a_query_or_in_values_are_told(crowd: TableModel) -> None:
    with pytest.raises(QueryError, match="nosuch"):
        crowd.delete_where(parse_query("nosuch=1"), 5)
    with pytest.raises(QueryError, match="Must be a whole number"):
        crowd.update_where(parse_query("age=x"), {"age": 1}, 5)
    everyone = Query()
    for values, told in (
        ({"age": "x"}, (ValidationError, [(None, "age", "type")])),
        ({"id": 7}, (ValidationError, [(None, "id", "read_only")])),
        ({"nosuch": 7}, (ValidationError, [(None, "nosuch", "unknown")])),
        ({"email": "same"}, (ConflictError, [(None, "email", "unique")])),
    ):
        assert refusal(lambda: crowd.update_where(everyone, values, 9)) == told  # noqa: B023
    assert refusal(lambda: crowd.update_where(everyone, {"age": -1}, 9))[1][0][2] == "check"
    assert sum(ages(crowd)) == 180
    with pytest.raises(DeniedError):
        crowd.restrict(read_only=True).delete_where(everyone, 9)
    with pytest.raises(DeniedError):
        crowd.restrict(read_only=True).update_where(everyone, {}, 9)


def test_versions_count_up(words: TableModel) -> None:
    words.create_many([{"word": "a", "meaning": "x"}, {"word": "b", "meaning": "x"}])
    assert words.update_where(parse_query("word=a"), {"meaning": None}, 1) == 1
    assert [(row["meaning"], row["version"]) for row in everything(words)] == [
        (None, 2),
        ("x", 1),
    ]


def test_rows_that_others_refer_to_are_kept(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    a = Table("a", metadata, Column("id", Integer, primary_key=True), Column("n", Integer))
    b = Table("b", metadata, Column("id", Integer, primary_key=True),
              Column("a", ForeignKey("a.id")))  # fmt: skip
    metadata.create_all(engine)
    first, second = TableModel(a, engine), TableModel(b, engine)
    first.create_many([{"n": 1}, {"n": 2}, {"n": 2}])
    second.create_many([{"a": 3}])
    assert refusal(lambda: first.delete_where(parse_query("n=2"), 9)) == (
        ConflictError,
        [(None, "", "in_use")],
    )
    assert len(everything(first)) == 3
    assert refusal(lambda: second.update_where(Query(), {"a": 9}, 9)) == (
        ConflictError,
        [(None, "a", "reference")],
    )
    assert second.delete_where(parse_query("a.n=2"), 9) == 1


def test_no_row_is_judged_by_what_another_has_just_become(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    table = Table("nodes", metadata, Column("id", Integer, primary_key=True),
                  Column("name", String(20)), Column("done", sa.Boolean),
                  Column("parent", ForeignKey("nodes.id")))  # fmt: skip
    metadata.create_all(engine)
    model = TableModel(table, engine, search=["name"])
    model.create_many([{"id": n, "name": "Ann", "parent": n - 1 or None} for n in range(1, 6)])
    first_or_below = parse_query("", {"or": [{"id": 1}, {"parent.done": True}], "q": "ann"})
    assert [model.update_where(first_or_below, {"done": True}, 9) for _ in range(3)] == [1, 2, 3]


def test_a_tree_is_removed_whole(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    table = Table("nodes", metadata, Column("id", Integer, primary_key=True),
                  Column("parent", ForeignKey("nodes.id", ondelete="CASCADE")))  # fmt: skip
    metadata.create_all(engine)
    model = TableModel(table, engine)
    model.create_many([{"id": 1}, *({"id": n, "parent": n // 2} for n in range(2, 40))])
    assert model.update_where(parse_query("parent.parent=1"), {"parent": 1}, 99) == 4
    assert model.delete_where(parse_query("parent.id__gt=1"), 99) >= 1
    model.delete_where(Query(), 99)
    assert everything(model) == []


def test_other_rows_are_not_touched_whatever_the_query_says(crowd: TableModel) -> None:
    young = crowd.restrict(rows=crowd.table.c.age < 25)
    assert young.update_where(Query(), {"name": "young"}, 9) == 6
    assert young.delete_where(parse_query("age__gte=20"), 9) == 3
    assert ages(crowd) == [10, 30] * 3
    assert [row["name"] for row in everything(crowd)][::2] == ["young"] * 3


def test_rows_may_not_be_moved_out_of_sight(crowd: TableModel) -> None:
    young = crowd.restrict(rows=crowd.table.c.age < 25)
    assert refusal(lambda: young.update_where(parse_query("age=20"), {"age": 30}, 9)) == (
        ValidationError,
        [(None, "", "check")],
    )
    assert sum(ages(crowd)) == 180
    with pytest.raises(LimitError):
        young.update_where(Query(), {"age": 1}, 5)
    assert sum(ages(crowd)) == 180


def test_a_composite_key_is_found_again_in_sight(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("a", Integer, primary_key=True),
                    Column("b", String(5), primary_key=True), Column("v", Integer))  # fmt: skip
    model = TableModel(table, engine).restrict(rows=table.c.v > 0)
    model.create_many({"a": n, "b": "x", "v": 1} for n in range(BATCH * 2 + 1))
    assert model.update_where(parse_query("b=x"), {"v": 2}, 2000) == BATCH * 2 + 1
    assert {row["v"] for row in everything(model)} == {2}


def test_keys_that_name_rows_twice_are_no_keys(engine: sa.Engine) -> None:
    run(engine, "CREATE TABLE t (id INTEGER, v INTEGER)", "INSERT INTO t VALUES (1, 1), (1, 2)")
    table = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine).restrict(rows=table.c.v < 9)
    with pytest.raises(StoreError, match="do not name these rows"):
        model.update_where(parse_query("v=1"), {"v": 5}, 9)
    assert [row["v"] for row in everything(model)] == [1, 2]


def test_a_text_that_the_column_cannot_hold_selects_nothing(mariadb_engine: sa.Engine) -> None:
    run(mariadb_engine, "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9)) CHARSET latin1",
        "INSERT INTO t VALUES (1, 'a')")  # fmt: skip
    table = Table("t", sa.MetaData(), autoload_with=mariadb_engine)
    model = TableModel(table, mariadb_engine)
    assert model.delete_where(Query(filter=Comparison("v", "eq", ("漢",), "v")), 9) == 0
    assert model.delete_where(Query(filter=Comparison("v", "in", ("漢", "a"), "v")), 9) == 1


def test_thirty_thousand_rows_are_written_in_a_moment(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine)
    model.create_many({"v": n % 2} for n in range(30_000))
    begun = time.monotonic()
    assert model.update_where(parse_query("v=1"), {"v": 3}, 30_000) == 15_000
    assert model.restrict(rows=table.c.v < 5).update_where(Query(), {"v": 4}, 30_000) == 30_000
    assert model.delete_where(parse_query("v=4"), 30_000) == 30_000
    assert time.monotonic() - begun < 20  # it takes half a second


# -- the law ------------------------------------------------------------------------------

ROWS = st.lists(
    st.fixed_dictionaries(
        {"word": st.sampled_from(["a", "b", "c", "dd"])},
        optional={"meaning": st.sampled_from([None, "x", "y"])},
    ),
    max_size=8,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=ROWS, rows=ROWS, way=st.sampled_from(["merge", "ignore"]))
def test_many_rows_do_what_one_after_the_other_would(
    words: TableModel, before: list[dict[str, Any]], rows: list[dict[str, Any]], way: Any
) -> None:
    expected: dict[str, Any] = {}
    for how, given_rows in (("merge", before), (way, rows)):
        for row in given_rows:
            known = row["word"] in expected
            if not known:
                expected[row["word"]] = row.get("meaning")
            elif how == "merge" and "meaning" in row:
                expected[row["word"]] = row["meaning"]
    with words.transaction(rollback=True) as tx:
        tx.create_many(before, on_duplicate="merge")
        written = tx.create_many(rows, on_duplicate=way, returning=True)
        assert {row["word"]: row["meaning"] for row in everything(tx)} == expected
        assert [row["word"] for row in written.rows] == [row["word"] for row in rows]
    assert everything(words) == []


def test_two_imports_at_the_same_time_are_both_whole(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine)
    failures: list[Exception] = []

    def store(first: int) -> None:
        try:
            model.create_many([{"id": n, "v": first} for n in range(first, 2000, 2)])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=store, args=(first,)) for first in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [row["id"] for row in everything(model)] == list(range(1, 2000))


def test_rows_of_a_reflected_table_get_their_numbers(sqlite_engine: sa.Engine) -> None:
    """SQLite does not say that its INTEGER PRIMARY KEY is never null."""
    with sqlite_engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE loose (id INTEGER PRIMARY KEY, other)"))
    table = sa.Table("loose", sa.MetaData(), autoload_with=sqlite_engine)
    loose = TableModel(table, sqlite_engine)
    written = loose.create_many([{}, {"other": 7}, {}], returning=True)
    assert [row["id"] for row in written.rows] == [1, 2, 3]
    assert [row["other"] for row in written.rows] == [None, 7, None]
