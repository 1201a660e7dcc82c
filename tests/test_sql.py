"""Tables as models, on SQLite, PostgreSQL and MariaDB."""

import enum
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table, event
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from wsgikit.model import (
    DEFAULT,
    ConflictError,
    DeniedError,
    NotFoundError,
    RefusedError,
    StoreError,
    Text,
    UnavailableError,
    ValidationError,
    VersionError,
    to_text,
)
from wsgikit.query import Cursor, Query, QueryError, describe_ordering, encode_cursor
from wsgikit.sql import TableModel, read_tables
from wsgikit.sql.columns import field_of
from wsgikit.sql.statements import MAX_STATEMENTS


class Colour(enum.Enum):
    red = 1
    blue = 2


class Shout(sa.types.TypeDecorator[str]):
    """A project's own type."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value.upper()

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value and value.upper() + "!"


def created(engine: sa.Engine, name: str, *columns: Any, **options: Any) -> Table:
    table = Table(name, sa.MetaData(), *columns, **options)
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


def codes(error: RefusedError) -> dict[str, str]:
    return {item.field: item.code for item in error.errors}


def refusal(call: Callable[[], Any]) -> tuple[type[RefusedError], dict[str, str]]:
    with pytest.raises(RefusedError) as caught:
        call()
    return type(caught.value), codes(caught.value)


class Statements:
    """What an engine executed."""

    def __init__(self, engine: sa.Engine) -> None:
        self.texts: list[str] = []
        event.listen(engine, "before_cursor_execute", self.note)

    def note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.texts.append(statement)

    def count(self, verb: str) -> int:
        return sum(text.startswith(verb) for text in self.texts)


# -- every standard type -------------------------------------------------------------------

SAMPLES: dict[str, tuple[Any, Any, Any]] = {
    # name: type, as JSON spells it, as it comes back
    "string": (String(20), "é漢 ", "é漢 "),
    "text": (sa.Text(), "\na\nb ", "\na\nb "),
    "unicode": (sa.Unicode(20), "ü", "ü"),
    "unicode_text": (sa.UnicodeText(), "ü", "ü"),
    "integer": (Integer(), -7, -7),
    "small": (sa.SmallInteger(), 32767, 32767),
    "big": (sa.BigInteger(), 2**62, 2**62),
    "float": (sa.Float(), 1.5, 1.5),
    "double": (sa.Double(), 1e300, 1e300),
    "numeric": (sa.Numeric(10, 2), "1.10", Decimal("1.10")),
    "numeric_float": (sa.Numeric(10, 3, asdecimal=False), 1.125, 1.125),
    "boolean": (sa.Boolean(), False, False),
    "date": (sa.Date(), "2026-02-28", date(2026, 2, 28)),
    "datetime": (sa.DateTime(), "2026-02-28T12:30:00", datetime(2026, 2, 28, 12, 30)),
    "time": (sa.Time(), "12:30:00", time(12, 30)),
    "interval": (sa.Interval(), "P1DT2H", timedelta(days=1, hours=2)),
    "enum": (sa.Enum("x", "y", name="letters"), "x", "x"),
    "enum_class": (sa.Enum(Colour), "red", "red"),
    "binary": (sa.LargeBinary(), "AAEC", b"\0\1\2"),
    "json": (sa.JSON(), {"a": [1, None]}, {"a": [1, None]}),
    "uuid": (sa.Uuid(), str(UUID(int=5)), UUID(int=5)),
    "uuid_text": (sa.Uuid(as_uuid=False), str(UUID(int=6)), UUID(int=6)),
    "own": (Shout(), "hey", "HEY!"),
}


@pytest.fixture
def everything(engine: sa.Engine) -> TableModel:
    columns = [Column(name, sample[0]) for name, sample in SAMPLES.items()]
    table = created(engine, "everything", Column("id", Integer, primary_key=True), *columns)
    return TableModel(table, engine)


def test_every_type_is_stored_and_comes_back(everything: TableModel) -> None:
    row = everything.create({name: sample[1] for name, sample in SAMPLES.items()})
    assert row == {"id": 1} | {name: sample[2] for name, sample in SAMPLES.items()}
    assert {name: type(row[name]) for name in SAMPLES} == {
        name: type(sample[2]) for name, sample in SAMPLES.items()
    }
    assert everything.retrieve(1) == row
    assert list(everything.list(Query()).data) == [row]


def test_nulls_of_every_type(everything: TableModel) -> None:
    row = everything.create(dict.fromkeys(SAMPLES))
    assert row == {"id": 1} | dict.fromkeys(SAMPLES)


def test_what_came_out_and_goes_back_in_changes_nothing(everything: TableModel) -> None:
    row = everything.create({name: sample[1] for name, sample in SAMPLES.items()})
    as_json = {
        name: value if isinstance(value, bool | int | float | dict) else to_text(value)
        for name, value in row.items()
    }
    as_form = {n: Text((to_text(v) or "").replace("\n", "\r\n")) for n, v in row.items()}
    statements = Statements(everything.engine)
    version = everything.version(row)
    assert everything.update(1, as_json, version) == row
    assert everything.update(1, as_form, version) == row
    assert statements.count("UPDATE") == 0


def test_values_can_be_taken_away_again(everything: TableModel) -> None:
    everything.create({name: sample[1] for name, sample in SAMPLES.items()})
    row = everything.update(1, dict.fromkeys(SAMPLES))
    assert row == {"id": 1} | dict.fromkeys(SAMPLES)
    with everything.engine.connect() as connection:
        query = sa.select(sa.func.count()).where(everything.table.c.json.is_(sa.null()))
        assert connection.execute(query).scalar() == 1


def test_nothing_is_null_and_no_json(engine: sa.Engine) -> None:
    class Own(sa.types.TypeDecorator[Any]):
        impl = sa.JSON
        cache_ok = True

    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("a", Own),
                    Column("b", sa.JSON))  # fmt: skip
    model = TableModel(table, engine)
    model.create({"a": None, "b": None})
    model.create({"a": [1], "b": [2]})
    model.update(2, {"a": None, "b": None})
    with engine.connect() as connection:
        both = sa.and_(table.c.a.is_(sa.null()), table.c.b.is_(sa.null()))
        assert connection.execute(sa.select(sa.func.count()).where(both)).scalar() == 2


def test_fields_describe_the_columns(engine: sa.Engine) -> None:
    countries = Table(
        "countries", metadata := sa.MetaData(), Column("code", String(2), primary_key=True)
    )
    table = Table(
        "cities",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("country", ForeignKey(countries.c.code)),
        Column("name", String(80), nullable=False, comment="As spoken there."),
        Column("story", sa.Text),
        Column("kind", sa.Enum("big", "small", name="kinds"), default="small", nullable=False),
        Column("area", sa.Numeric(8, 1)),
        Column("double", Integer, sa.Computed("1 + 1")),
        Column("seen", sa.DateTime(timezone=True)),
        Column("pickle", sa.PickleType),
        Column("title", String(5), info={"label": "Honorific"}),
        Column("whole", sa.Numeric(5)),
        Column("matrix", sa.ARRAY(Integer, dimensions=2)),
    )
    model = TableModel(table, engine)
    by_name = {field.name: field for field in model.fields}
    assert (model.name, model.key, model.label, model.read_only) == ("cities", ("id",), "name", 0)
    assert not by_name["id"].required
    assert by_name["name"].required
    assert (by_name["name"].length, by_name["name"].hint) == (80, "As spoken there.")
    assert by_name["story"].multiline
    assert by_name["country"].references is not None
    assert by_name["country"].references.model == "countries"
    assert by_name["kind"].choices == ("big", "small")
    assert (by_name["kind"].default, by_name["kind"].required) == ("small", False)
    assert (by_name["area"].precision, by_name["area"].scale) == (8, 1)
    assert not by_name["double"].writable
    assert by_name["seen"].timezone is (engine.dialect.name == "postgresql")
    assert (by_name["pickle"].kind, by_name["pickle"].writable) == ("other", False)
    assert by_name["title"].label == "Honorific"
    assert (by_name["whole"].precision, by_name["whole"].scale) == (5, 0)
    assert (by_name["matrix"].kind, by_name["matrix"].items) == ("array", None)


def test_a_column_leads_an_index_or_not(engine: sa.Engine) -> None:
    table = Table(
        "t",
        sa.MetaData(),
        Column("a", Integer, primary_key=True),
        Column("b", Integer, primary_key=True),
        *(Column(name, Integer) for name in "cdef"),
        sa.UniqueConstraint("c", "d"),
        sa.Index("some", "e", "f"),
        sa.Index("odd", sa.text("f + 1")),
    )
    model = TableModel(table, engine)
    assert [name for name in "abcdef" if model.is_indexed(name)] == ["a", "c", "e"]


def test_a_reference_to_an_unknown_or_keyless_column_is_a_plain_value(engine: sa.Engine) -> None:
    other = Table(
        "other",
        metadata := sa.MetaData(),
        Column("id", Integer, primary_key=True),
        Column("code", Integer, unique=True),
    )
    table = Table(
        "t",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("a", ForeignKey("nowhere.id")),
        Column("b", Integer, ForeignKey(other.c.code)),
    )
    fields = {field.name: field for field in TableModel(table, engine).fields}
    assert fields["a"].references is None
    assert fields["b"].references is None


def test_a_declarative_class_is_a_table_too(sqlite_engine: sa.Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(30))

    Base.metadata.create_all(sqlite_engine)
    assert TableModel(User, sqlite_engine).create({"name": "Ada"}) == {"id": 1, "name": "Ada"}


# -- validation and constraints --------------------------------------------------------------


def test_every_mistake_is_told_at_once(people: TableModel) -> None:
    values = {"name": "x" * 21, "age": "old", "zip": 1, "email": 7}
    assert refusal(lambda: people.create(values)) == (
        ValidationError,
        {"zip": "unknown", "name": "length", "email": "type", "age": "type"},
    )


def test_constraints_of_the_database_name_the_field(people: TableModel) -> None:
    people.create({"name": "Ada", "email": "ada@example.org"})
    again = {"name": "Bob", "email": "ada@example.org"}
    assert refusal(lambda: people.create(again)) == (ConflictError, {"email": "unique"})
    assert refusal(lambda: people.create({"id": 1, "name": "B"})) == (
        ConflictError,
        {"id": "unique"},
    )
    kind, errors = refusal(lambda: people.update(1, {"age": -1}))
    assert kind is ValidationError
    assert list(errors.values()) == ["check"]
    assert people.retrieve(1)["age"] is None


def test_a_missing_value_that_only_the_database_knows_of(engine: sa.Engine) -> None:
    created(
        engine,
        "t",
        Column("id", Integer, primary_key=True),
        Column("a b", String(9), nullable=False),
    )
    lenient = Table(
        "t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("a b", String(9))
    )
    model = TableModel(lenient, engine)
    assert refusal(lambda: model.create({"a b": None})) == (ValidationError, {"a b": "required"})
    assert refusal(lambda: model.create({})) == (ValidationError, {"a b": "required"})


def test_a_unique_pair_names_both_fields(engine: sa.Engine) -> None:
    table = created(
        engine,
        "pairs",
        Column("id", Integer, primary_key=True),
        Column("a", Integer),
        Column("b", Integer),
        sa.UniqueConstraint("a", "b", name="one_pair"),
    )
    model = TableModel(table, engine)
    model.create({"a": 1, "b": 2})
    expected = ConflictError, {"a": "unique", "b": "unique"}
    assert refusal(lambda: model.create({"a": 1, "b": 2})) == expected
    hidden = model.restrict(hidden=["a", "b"])
    other = hidden.create({})
    assert refusal(lambda: model.update(other["id"], {"a": 1, "b": 2})) == expected
    assert "a" not in hidden.retrieve(1)


@pytest.fixture
def countries(engine: sa.Engine) -> tuple[TableModel, TableModel]:
    metadata = sa.MetaData()
    parents = Table(
        "countries",
        metadata,
        Column("code", String(2), primary_key=True),
        Column("no", Integer, unique=True),
    )
    children = Table(
        "cities",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("country", ForeignKey(parents.c.code)),
        Column("no", Integer, ForeignKey(parents.c.no)),
    )
    metadata.create_all(engine)
    return TableModel(parents, engine), TableModel(children, engine)


def test_references_are_kept(countries: tuple[TableModel, TableModel]) -> None:
    parents, children = countries
    parents.create({"code": "NZ"})
    children.create({"country": "NZ"})
    expected = ConflictError, {"country": "reference"}
    assert refusal(lambda: children.create({"country": "XX"})) == expected
    assert refusal(lambda: children.update(1, {"country": "XX"})) == expected
    parents.update("NZ", {"no": 1})
    assert refusal(lambda: children.create({"country": "NZ", "no": 9})) == (
        ConflictError,
        {"no": "reference"},
    )
    assert refusal(lambda: parents.delete("NZ")) == (ConflictError, {"": "in_use"})
    children.delete(1)
    parents.delete("NZ")
    assert parents.list(Query()).data == ()


def test_a_default_of_the_database_can_be_restored(engine: sa.Engine) -> None:
    table = created(
        engine,
        "t",
        Column("id", Integer, primary_key=True),
        Column("number", Integer, server_default="5"),
        Column("word", String(9), server_default=sa.text("'x'")),
        Column("scalar", Integer, default=7),
        Column("called", Integer, default=lambda: 8),
    )
    model = TableModel(table, engine)
    defaults = {"number": 5, "word": "x", "scalar": 7, "called": 8}
    assert model.create({}) == {"id": 1, **defaults}
    model.update(1, {"number": 1, "word": "y", "scalar": 1, "called": 1})
    assert model.update(1, dict.fromkeys(defaults, DEFAULT)) == {"id": 1, **defaults}


@pytest.mark.parametrize("type_", [mysql.LONGTEXT(), mysql.MEDIUMTEXT(), sa.Text(), String(500)])
def test_long_texts_have_several_lines(type_: Any) -> None:
    table = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("a", type_))
    assert field_of(table.c.a, "mariadb").multiline


def test_a_constant_default_of_the_database_is_told(engine: sa.Engine) -> None:
    text = sa.text
    created(
        engine,
        "t",
        Column("id", Integer, primary_key=True),
        Column("number", Integer, server_default="5"),
        Column("less", sa.Float, server_default=text("-1.5")),
        Column("word", String(9), server_default=text("'it''s'")),
        Column("none", String(9), server_default=text("''")),
        Column("day", sa.Date, server_default="2026-05-01"),
        Column("now", sa.DateTime, server_default=text("CURRENT_TIMESTAMP")),
        Column("odd", String(9), server_default=text(r"'a\\b'")),
        Column("plain", String(9)),
    )
    reflected = Table("t", sa.MetaData(), autoload_with=engine)
    model = TableModel(reflected, engine)
    told = {f.name: f.default for f in model.fields if f.has_default and f.default is not None}
    expected = {"number": 5, "less": -1.5, "word": "it's", "none": "", "day": date(2026, 5, 1)}
    assert told == expected
    assert {name: model.create({})[name] for name in told} == expected


def test_a_default_of_a_declared_column_is_told(sqlite_engine: sa.Engine) -> None:
    columns = [
        Column("id", Integer, primary_key=True),
        Column("sure", sa.Boolean, server_default=sa.true()),
        Column("number", Integer, server_default="many"),
        Column("file", sa.LargeBinary, server_default="abcd"),
        Column("called", Integer, default=lambda: 8, server_default="7"),
        Column("fetched", Integer, server_default=sa.FetchedValue()),
    ]
    model = TableModel(Table("t", sa.MetaData(), *columns), sqlite_engine)
    told = {f.name: f.default for f in model.fields if f.has_default}
    assert told == {
        "id": None,
        "sure": True,
        **dict.fromkeys(("number", "file", "called", "fetched")),
    }


def test_a_default_that_cannot_be_spelled_keeps_the_value(sqlite_engine: sa.Engine) -> None:
    run(
        sqlite_engine,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT DEFAULT ':x', b TEXT, c INTEGER)",
    )
    reflected = Table("t", sa.MetaData(), autoload_with=sqlite_engine)
    model = TableModel(reflected, sqlite_engine)
    assert model.create({"a": "y"})["a"] == "y"
    assert model.update(1, {"a": DEFAULT})["a"] == ":x"
    fetched = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True),
                    Column("b", String(9), server_default=sa.FetchedValue()))  # fmt: skip
    model = TableModel(fetched, sqlite_engine)
    assert model.update(1, {"b": "kept"})["b"] == "kept"
    assert model.update(1, {"b": DEFAULT})["b"] == "kept"


def test_a_sequence_is_a_default_too(postgresql_engine: sa.Engine) -> None:
    table = created(postgresql_engine, "t", Column("id", Integer, primary_key=True),
                    Column("n", Integer, sa.Sequence("numbers")))  # fmt: skip
    model = TableModel(table, postgresql_engine)
    assert model.create({})["n"] == 1
    assert model.update(1, {"n": DEFAULT})["n"] == 2


def test_the_default_of_an_enum_is_what_is_stored(engine: sa.Engine) -> None:
    names = Column("a", sa.Enum(Colour), default=Colour.blue)
    values = Column("b", sa.Enum(Colour, values_callable=lambda cls: [str(m.value) for m in cls],
                                 name="numbers"), default=Colour.red)  # fmt: skip
    table = created(engine, "t", Column("id", Integer, primary_key=True), names, values)
    fields = {field.name: field for field in TableModel(table, engine).fields}
    assert (fields["a"].default, str(fields["b"].default)) == ("blue", "1")
    model = TableModel(table, engine)
    assert model.create({}) == {"id": 1, "a": "blue", "b": "1"}
    assert model.create({"a": "red", "b": None})["a"] == "red"
    assert model.update(2, {"a": DEFAULT, "b": DEFAULT}) == {"id": 2, "a": "blue", "b": "1"}


def test_statements_are_built_once_for_each_combination_of_columns(engine: sa.Engine) -> None:
    columns = [Column(f"c{n}", Integer) for n in range(8)]
    table = created(engine, "t", Column("id", Integer, primary_key=True), *columns)
    model = TableModel(table, engine)
    for number in range(256):
        values = {f"c{n}": number for n in range(8) if number & 1 << n}
        row = model.create(values)
        assert row == {"id": number + 1, **dict.fromkeys((c.name for c in columns), None), **values}
    assert len(model._prepared.writes) == MAX_STATEMENTS


def test_a_key_that_the_database_changes_is_told(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, "t", Column("k", String(9), primary_key=True))
    run(
        sqlite_engine,
        "CREATE TRIGGER up AFTER INSERT ON t BEGIN UPDATE t SET k = upper(k); END",
    )
    model = TableModel(table, sqlite_engine)
    with pytest.raises(ValidationError, match="another key"):
        model.create({"k": "a"})
    assert not model.list(Query()).data


# -- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "key", "others"),
    [
        ((String(20),), ("Ab",), [("ab",), ("Ab ",), ("AB",), (1,), (None,), (b"Ab",)]),
        ((Integer(),), (7,), [("7",), (7.5,), (True,), (2**70,), ()]),
        ((sa.Uuid(),), (UUID(int=7),), [(UUID(int=8),), (str(UUID(int=7)),)]),
        ((String(9), Integer()), ("a,b", 1), [("a,b",), ("a", 1), ("A,b", 1), (1, "a,b")]),
        ((sa.Date(),), (date(2026, 1, 1),), [("2026-01-01",), (date(2026, 1, 2),)]),
        ((sa.LargeBinary(10),), (b"\0\xff",), [(b"\0",)]),
    ],
)
def test_a_key_names_its_row_and_no_other(
    engine: sa.Engine, types: tuple[Any, ...], key: tuple[Any, ...], others: list[tuple[Any, ...]]
) -> None:
    if engine.dialect.name == "mariadb" and isinstance(types[0], sa.LargeBinary):
        types = (sa.types.BINARY(2),)  # MariaDB wants a length for a key
    columns = [Column(f"k{n}", type_, primary_key=True) for n, type_ in enumerate(types)]
    model = TableModel(created(engine, "t", *columns, Column("v", Integer)), engine)
    row = model.create({**{f"k{n}": value for n, value in enumerate(key)}, "v": 1})
    assert model.retrieve(key) == row
    if len(key) == 1:
        assert model.retrieve(key[0]) == row
    for other in others:
        for verb in (model.retrieve, lambda k: model.update(k, {"v": 2}), model.delete):
            with pytest.raises(NotFoundError):
                verb(other)
    assert model.update(key, {"v": 3})["v"] == 3
    model.delete(key)


def test_the_key_of_a_row_cannot_be_changed(people: TableModel) -> None:
    people.create({"name": "Ada"})
    assert refusal(lambda: people.update(1, {"id": 2}))[1] == {"id": "read_only"}


def test_a_table_without_a_key_is_read_only(engine: sa.Engine) -> None:
    table = created(engine, "log", Column("line", String(20)), Column("n", Integer))
    with engine.begin() as connection:
        connection.execute(sa.insert(table), [{"line": "x", "n": n} for n in range(5)])
    model = TableModel(table, engine)
    assert model.read_only == "It has no primary key."
    first = model.list(Query(limit=2))
    second = model.list(Query(limit=2, cursor=first.next))
    third = model.list(Query(limit=2, cursor=second.next))
    assert [[r["n"] for r in page.data] for page in (first, second, third)] == [[0, 1], [2, 3], [4]]
    assert (first.prev, third.next) == (None, None)
    assert [r["n"] for r in model.list(Query(limit=2, cursor=third.prev)).data] == [2, 3]
    whole = model.list(Query(limit=9, cursor=second.prev))
    assert [r["n"] for r in whole.data] == [0, 1]
    assert [r["n"] for r in model.list(Query(limit=9, cursor=whole.next)).data] == [2, 3, 4]
    for write in (lambda: model.create({}), lambda: model.update(1, {}), lambda: model.delete(1)):
        with pytest.raises(DeniedError, match="no primary key"):
            write()
    with pytest.raises(NotFoundError):
        model.retrieve(())
    forged = encode_cursor(Cursor(("x",)), '["log", "offset"]')
    with pytest.raises(QueryError):
        model.list(Query(cursor=forged))


def test_a_key_that_was_not_given_is_asked_for(sqlite_engine: sa.Engine) -> None:
    """SQLite stores NULL in an INT key that it does not count up."""
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)")
    [found] = read_tables(sqlite_engine)
    model = TableModel(found.table, sqlite_engine)
    assert refusal(lambda: model.create({"v": "x"})) == (ValidationError, {"id": "required"})
    assert model.create({"id": 5, "v": "x"}) == {"id": 5, "v": "x"}


def test_a_key_without_a_value_in_the_database(sqlite_engine: sa.Engine) -> None:
    table = Table(
        "t",
        sa.MetaData(),
        Column("id", String(9), primary_key=True, default=None, server_default=sa.text("NULL")),
        Column("v", Integer),
    )
    table.create(sqlite_engine)
    model = TableModel(table, sqlite_engine)
    with pytest.raises(RefusedError) as caught:
        model.create({"v": 1})
    assert codes(caught.value) == {"id": "required"}


# -- lost updates -----------------------------------------------------------------------------


def test_a_stale_version_is_refused_with_the_row_as_it_is(people: TableModel) -> None:
    ada = people.create({"name": "Ada"})
    people.update(1, {"age": 36}, people.version(ada))
    for write in (
        lambda: people.update(1, {"age": 37}, people.version(ada)),
        lambda: people.delete(1, people.version(ada)),
    ):
        with pytest.raises(VersionError) as caught:
            write()
        assert caught.value.row["age"] == 36


def counted(engine: sa.Engine, **options: Any) -> TableModel:
    return TableModel(
        created(
            engine,
            "counters",
            Column("id", Integer, primary_key=True),
            Column("n", Integer),
            Column("version", Integer),
        ),
        engine,
        **options,
    )


def test_a_version_column_counts_the_changes(engine: sa.Engine) -> None:
    model = counted(engine, version="version")
    row = model.create({"n": 0})
    assert (row["version"], model.version(row)) == (1, "1")
    assert model.update(1, {"n": 1}, "1")["version"] == 2
    assert model.update(1, {"n": 1}, "2")["version"] == 2
    with pytest.raises(VersionError):
        model.update(1, {"n": 2}, "1")
    assert refusal(lambda: model.update(1, {"version": 9}))[1] == {"version": "read_only"}
    other = Table(
        "counters",
        sa.MetaData(),
        Column("id", Integer, primary_key=True),
        Column("version", Integer, default=10),
    )
    assert TableModel(other, engine, version="version").create({})["version"] == 10
    with engine.begin() as connection:
        connection.execute(sa.insert(model.table).values(id=7, n=0, version=None))
    unversioned = model.retrieve(7)
    assert len(model.version(unversioned)) == 22
    assert model.update(7, {"n": 1}, model.version(unversioned))["version"] == 1
    hidden = model.restrict(hidden=["version"])
    seen = hidden.retrieve(1)
    assert len(hidden.version(seen)) == 22
    assert hidden.update(1, {"n": 5}, hidden.version(seen)) == {"id": 1, "n": 5}
    assert model.retrieve(1)["version"] == 3


@pytest.mark.parametrize("version", [None, "version"])
def test_no_update_is_lost_among_threads(engine: sa.Engine, version: str | None) -> None:
    model = counted(engine, version=version)
    model.create({"n": 0})
    failures: list[Exception] = []

    def increment() -> None:
        done = 0
        while done < 20 and not failures:
            row = model.retrieve(1)
            try:
                model.update(1, {"n": row["n"] + 1}, model.version(row))
                done += 1
            except (VersionError, UnavailableError):
                continue
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert model.retrieve(1)["n"] == 80


# -- restrictions -----------------------------------------------------------------------------


@pytest.fixture
def mine(people: TableModel) -> TableModel:
    people.create({"name": "me", "age": 1, "email": "secret"})
    people.create({"name": "you", "age": 2})
    return people.restrict(rows=people.table.c.name == "me", hidden=["email"])


def test_other_rows_and_columns_do_not_exist(mine: TableModel) -> None:
    assert list(mine.list(Query()).data) == [{"id": 1, "name": "me", "age": 1}]
    assert list(mine.stream(Query())) == [{"id": 1, "name": "me", "age": 1}]
    assert [field.name for field in mine.fields] == ["id", "name", "age"]
    for verb in (mine.retrieve, mine.delete, lambda key: mine.update(key, {"age": 5})):
        with pytest.raises(NotFoundError):
            verb(2)
    assert refusal(lambda: mine.create({"name": "me", "email": "x"}))[1] == {"email": "unknown"}


def test_nothing_can_be_moved_out_of_sight(mine: TableModel, people: TableModel) -> None:
    assert refusal(lambda: mine.create({"name": "you"}))[1] == {"": "check"}
    assert refusal(lambda: mine.update(1, {"name": "you"}))[1] == {"": "check"}
    assert people.retrieve(1)["name"] == "me"
    assert len(people.list(Query()).data) == 2


def test_hidden_columns_are_not_named_in_errors(people: TableModel) -> None:
    people.create({"name": "a", "email": "x"})
    people.create({"name": "b"})
    with people.engine.begin() as connection:
        connection.execute(sa.insert(people.table).values(id=9, name="c", email="y"))
    hidden = people.restrict(hidden=["email"])
    assert "email" not in hidden.retrieve(1)
    assert refusal(lambda: people.restrict(hidden=["name"]).create({})) == (
        ValidationError,
        {"": "required"},
    )


def test_restrictions_add_up(mine: TableModel) -> None:
    narrower = mine.restrict(rows=mine.table.c.age > 5, hidden=["name"], read_only="Not now.")
    assert narrower.list(Query()).data == ()
    assert [field.name for field in narrower.fields] == ["id", "age"]
    assert narrower.label is None
    with pytest.raises(DeniedError, match=r"Not now\."):
        narrower.create({})
    with pytest.raises(DeniedError, match="read-only"):
        mine.restrict(read_only=True).create({})


def test_what_cannot_be_restricted_is_refused(people: TableModel) -> None:
    with pytest.raises(TypeError, match="write \\['age'\\]"):
        people.restrict(hidden="age")
    with pytest.raises(TypeError, match="rows is a condition"):
        people.restrict(rows="age > 5")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="people has no column 'nosuch'"):
        people.restrict(hidden=["nosuch"])
    with pytest.raises(ValueError, match="a key column cannot be hidden"):
        people.restrict(hidden=["id"])


def test_columns_can_be_chosen(people: TableModel) -> None:
    model = TableModel(people.table, people.engine, readable=["name", "age"], writable=["name"])
    assert [(f.name, f.writable) for f in model.fields] == [
        ("id", False),
        ("name", True),
        ("age", False),
    ]
    assert model.create({"name": "Ada"}) == {"id": 1, "name": "Ada", "age": None}
    assert refusal(lambda: model.create({"name": "Ada", "age": 1}))[1] == {"age": "read_only"}
    with pytest.raises(ValueError, match="no column 'agee'"):
        TableModel(people.table, people.engine, readable=["agee"])
    with pytest.raises(ValueError, match="no column 'x'"):
        TableModel(people.table, people.engine, label="x")


# -- pages ------------------------------------------------------------------------------------


def walk(model: TableModel, limit: int) -> list[list[Any]]:
    pages, cursor = [], None
    while True:
        page = model.list(Query(limit=limit, cursor=cursor))
        pages.append([tuple(row[name] for name in model.key) for row in page.data])
        cursor = page.next
        if cursor is None:
            return pages


def flat(pages: list[list[Any]]) -> list[Any]:
    return [row for page in pages for row in page]


def walk_back(model: TableModel, limit: int) -> list[list[Any]]:
    """From the last page, reached forwards, to the first."""
    page = model.list(Query(limit=limit))
    while page.next:
        page = model.list(Query(limit=limit, cursor=page.next))
    pages = [[tuple(row[name] for name in model.key) for row in page.data]]
    while page.prev:
        page = model.list(Query(limit=limit, cursor=page.prev))
        pages.append([tuple(row[name] for name in model.key) for row in page.data])
    return pages[::-1]


def test_pages_of_a_composite_key(engine: sa.Engine) -> None:
    table = created(
        engine,
        "t",
        Column("a", String(5), primary_key=True),
        Column("b", Integer, primary_key=True),
        Column("c", Integer, primary_key=True),
    )
    model = TableModel(table, engine)
    keys = [(a, b, c) for a in "xy" for b in (1, 2) for c in (1, 2, 3)]
    with engine.begin() as connection:
        connection.execute(sa.insert(table), [dict(zip("abc", key, strict=True)) for key in keys])
    for limit in (1, 5, 12, 13):
        assert flat(walk(model, limit)) == keys
        assert flat(walk_back(model, limit)) == keys


def test_a_page_is_one_statement_and_one_row_more(people: TableModel) -> None:
    with people.engine.begin() as connection:
        connection.execute(sa.insert(people.table), [{"name": str(n)} for n in range(30)])
    statements = Statements(people.engine)
    page = people.list(Query(limit=10))
    people.list(Query(limit=10, cursor=page.next))
    assert len(statements.texts) == 2
    assert len(page.data) == 10
    assert people.list(Query(limit=10**9)).next is None


def test_the_page_size_has_a_default_and_a_ceiling(people: TableModel) -> None:
    model = TableModel(people.table, people.engine, page_size=2, max_page_size=3)
    for name in "abcd":
        model.create({"name": name})
    assert len(model.list(Query()).data) == 2
    assert len(model.list(Query(limit=100)).data) == 3


def test_a_stream_gives_every_row_and_lets_the_connection_go(people: TableModel) -> None:
    with people.engine.begin() as connection:
        connection.execute(sa.insert(people.table), [{"name": str(n)} for n in range(1200)])
    assert [row["name"] for row in people.stream(Query())] == [str(n) for n in range(1200)]
    rows = people.stream(Query())
    assert next(rows)["name"] == "0"
    rows.close()  # type: ignore[attr-defined]
    assert people.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


# -- cells that do not fit their columns ------------------------------------------------------


@pytest.fixture
def foreign(sqlite_engine: sa.Engine) -> Callable[[str, str], TableModel]:
    """A table of a file that somebody else made: ``foreign(columns, rows)``."""

    def make(columns: str, rows: str) -> TableModel:
        with sqlite_engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE t ({columns})")
            connection.exec_driver_sql(f"INSERT INTO t VALUES {rows}")
        [found] = read_tables(sqlite_engine)
        return TableModel(found.table, sqlite_engine)

    return make


def test_one_bad_cell_does_not_hide_the_other_rows(
    foreign: Callable[[str, str], TableModel],
) -> None:
    columns = """id INTEGER PRIMARY KEY, d DATE, dt DATETIME, t TIME, n DECIMAL(5, 2), b BOOLEAN,
                 i INTEGER, f REAL, s TEXT, j JSON, x, bl BLOB"""
    model = foreign(
        columns,
        """(1, '2026-01-02', '2026-01-02 03:04:05', '03:04:05', 1.5, 1, 7, 1.5, 'a',
            '{"a": 1}', 'x', x'00'),
           (2, 'soon', '2026-13-02 03:04:05', 3, 'many', 2, 'seven', 'half', 5, '{', 7, 'text'),
           (3, NULL, NULL, NULL, 1.239, NULL, NULL, NULL, x'ff', NULL, NULL, NULL)""",
    )
    good, bad, odd = model.list(Query()).data
    assert good == {
        "id": 1,
        "d": date(2026, 1, 2),
        "dt": datetime(2026, 1, 2, 3, 4, 5),
        "t": time(3, 4, 5),
        "n": Decimal("1.50"),
        "b": True,
        "i": 7,
        "f": 1.5,
        "s": "a",
        "j": {"a": 1},
        "x": "x",
        "bl": b"\0",
    }
    assert list(bad.values()) == [
        2,
        "soon",
        "2026-13-02 03:04:05",
        3,
        "many",
        2,
        "seven",
        "half",
        "5",
        "{",
        7,
        "text",
    ]
    assert odd["n"] == Decimal("1.239")
    assert odd["s"] == b"\xff"
    # And they stay as they are when another cell is changed.
    back = {name: Text(to_text(value) or "") for name, value in bad.items()}
    assert model.update(2, {**back, "s": "new"}) == {**bad, "s": "new"}


def test_a_text_that_is_not_utf8_does_not_hide_the_others(
    foreign: Callable[[str, str], TableModel],
) -> None:
    model = foreign(
        "id INTEGER PRIMARY KEY, s TEXT", "(1, 'é'), (2, CAST(x'ff41' AS TEXT)), (3, 5)"
    )
    assert [row["s"] for row in model.list(Query()).data] == ["é", b"\xffA", "5"]


def test_a_cell_that_a_projects_own_type_refuses(sqlite_engine: sa.Engine) -> None:
    class Picky(Shout):
        cache_ok = True

        def process_result_value(self, value: Any, dialect: Any) -> Any:
            if value == "BAD":
                raise ValueError("no")
            return [value] if value == "LIST" else object() if value == "ODD" else value

    table = created(sqlite_engine, "t", Column("id", Integer, primary_key=True), Column("s", Picky))
    model = TableModel(table, sqlite_engine)
    assert model.create({"s": "list"})["s"] == ["LIST"]
    assert model.create({"s": "odd"})["s"].startswith("<object object")
    assert model.create({"s": "bad"})["s"] == "BAD"
    assert [row["s"] for row in model.list(Query()).data] == ["LIST", "ODD", "BAD"]


def test_keys_without_a_declared_type(foreign: Callable[[str, str], TableModel]) -> None:
    model = foreign("id PRIMARY KEY, v", "(1, 'number'), ('x', 'text'), (NULL, 'null')")
    assert model.retrieve(1)["v"] == "number"
    assert model.retrieve("x")["v"] == "text"
    assert model.create({"id": "y", "v": 7}) == {"id": "y", "v": 7}
    assert flat(walk(model, 1)) == [(None,), (1,), ("x",), ("y",)]
    assert flat(walk_back(model, 1)) == [(None,), (1,), ("x",), ("y",)]


def test_null_and_odd_parts_of_a_key(foreign: Callable[[str, str], TableModel]) -> None:
    model = foreign(
        "a TEXT, b INTEGER, PRIMARY KEY (a, b)",
        "(NULL, 1), (NULL, 2), ('x', NULL), ('x', 1), ('x', 'odd'), ('y', 1)",
    )
    expected = [(None, 1), (None, 2), ("x", None), ("x", 1), ("x", "odd"), ("y", 1)]
    for limit in (1, 2, 4):
        assert flat(walk(model, limit)) == expected
        assert flat(walk_back(model, limit)) == expected
    with pytest.raises(NotFoundError):
        model.retrieve(("x", "odd"))


@pytest.mark.parametrize(
    ("columns", "rows", "keys"),
    [
        ("k TEXT PRIMARY KEY", "('a'), (x'31'), (x'32')", ["a", b"1", b"2"]),
        ("k PRIMARY KEY", "(1), ('a'), (x'31'), (x'32')", [1, "a", b"1", b"2"]),
        ("k REAL PRIMARY KEY", "(1.5), ('Infinity'), (9e999)", [1.5, float("inf"), "Infinity"]),
        ("k INT PRIMARY KEY", "(NULL), (NULL), (NULL), (1)", [None, None, None, 1]),
        ("k INT PRIMARY KEY", "(1), (1.5), (x'31')", [1, 1.5, b"1"]),
        ("k NUMERIC PRIMARY KEY", "(1), (12345678901234567890), (9e999)",
         [Decimal(1), Decimal("1.2345678901234567e+19"), Decimal("Infinity")]),
        ("k DATE PRIMARY KEY", "(NULL), ('2026-01-02'), ('soon')",
         [None, date(2026, 1, 2), "soon"]),
        ("k BOOLEAN PRIMARY KEY", "(0), (1), (2), ('x')", [False, True, 2, "x"]),
        ("k TIME PRIMARY KEY", "('10:00'), ('10:00:00.000000'), ('10:00:00')",
         ["10:00", "10:00:00", time(10)]),
    ],
)  # fmt: skip
def test_pages_of_keys_that_do_not_fit_their_columns(
    foreign: Callable[[str, str], TableModel], columns: str, rows: str, keys: list[Any]
) -> None:
    model = foreign(columns, rows)
    for limit in (1, 2, 3):
        for pages in (walk(model, limit), walk_back(model, limit)):
            assert [key for (key,) in flat(pages)] == keys


def test_a_column_called_rowid_is_no_row_number(foreign: Callable[[str, str], TableModel]) -> None:
    rows = "(NULL, 'b', 1), (NULL, 'a', 2), ('x', 'c', 3)"
    model = foreign("k TEXT PRIMARY KEY, rowid TEXT, v INTEGER", rows)
    assert len(flat(walk(model, 1))) == 3
    assert len(flat(walk_back(model, 2))) == 3


def test_a_key_is_longer_than_was_declared(foreign: Callable[[str, str], TableModel]) -> None:
    model = foreign("k VARCHAR(3) PRIMARY KEY, v INTEGER", "('abcdef', 1)")
    assert model.retrieve("abcdef") == {"k": "abcdef", "v": 1}
    assert model.update("abcdef", {"v": 2})["v"] == 2
    assert refusal(lambda: model.create({"k": "ghijkl"}))[1] == {"k": "length"}


def test_two_spellings_of_one_moment_are_two_keys(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, "t", Column("at", sa.DateTime, primary_key=True),
                    Column("v", Integer))  # fmt: skip
    model = TableModel(table, sqlite_engine)
    model.create({"at": "2026-01-02T03:04:05", "v": 1})
    run(sqlite_engine, "INSERT INTO t VALUES ('2026-01-02 03:04:05', 2)")
    assert flat(walk(model, 1)) == [("2026-01-02 03:04:05",), (datetime(2026, 1, 2, 3, 4, 5),)]
    assert model.retrieve(datetime(2026, 1, 2, 3, 4, 5))["v"] == 1


@pytest.mark.parametrize(
    "type_", [sa.Float(), sa.Double(), sa.REAL(), sa.Interval(), sa.Numeric(asdecimal=False)]
)
def test_a_key_that_names_no_row_exactly_is_no_key(
    postgresql_engine: sa.Engine, type_: Any
) -> None:
    table = created(postgresql_engine, "t", Column("k", type_, primary_key=True))
    model = TableModel(table, postgresql_engine)
    assert (model.key, bool(model.read_only)) == ((), True)


def test_a_time_in_a_key_is_the_text_that_is_stored(
    foreign: Callable[[str, str], TableModel],
) -> None:
    model = foreign(
        "at DATETIME PRIMARY KEY, v TEXT", "('2026-01-02 03:04:05', 'a'), ('2026-01-02T04:00', 'b')"
    )
    assert model.retrieve("2026-01-02 03:04:05")["v"] == "a"
    assert model.update("2026-01-02T04:00", {"v": "c"})["v"] == "c"


def test_a_case_insensitive_key_names_one_row(foreign: Callable[[str, str], TableModel]) -> None:
    model = foreign("name TEXT COLLATE NOCASE PRIMARY KEY, v TEXT", "('Ada', 'x')")
    assert model.retrieve("Ada")["v"] == "x"
    for verb in (model.retrieve, model.delete, lambda key: model.update(key, {"v": "y"})):
        with pytest.raises(NotFoundError):
            verb("ADA")


def test_sqlite_keeps_fifteen_digits(sqlite_engine: sa.Engine) -> None:
    table = created(
        sqlite_engine,
        "t",
        Column("id", Integer, primary_key=True),
        Column("n", sa.Numeric(30, 2)),
        Column("i", sa.Interval),
        Column("u", sa.Uuid),
    )
    model = TableModel(table, sqlite_engine)
    assert model.create({"n": "1234567890123.45"})["n"] == Decimal("1234567890123.45")
    assert refusal(lambda: model.create({"n": "12345678901234567.89"}))[1] == {"n": "range"}
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE t SET n = 5")
    assert str(model.retrieve(1)["n"]) == "5.00"
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE t SET i = 'x', u = 'y', n = 1e40")
    assert model.retrieve(1) == {"id": 1, "n": Decimal("1E+40"), "i": "x", "u": "y"}


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_values_that_python_cannot_hold_are_shown_as_postgresql_writes_them(
    postgresql_engine: sa.Engine,
) -> None:
    run(
        postgresql_engine,
        """CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, i INTERVAL,
           ip INET, r INT4RANGE, a INTEGER[], m INTEGER[][], n NUMERIC, f FLOAT8, u TEXT[])""",
        """INSERT INTO t VALUES
           (1, '2026-01-02', '2026-01-02 03:04:05.5', '2026-01-02 03:04:05+00', '1 day 02:00:00.5',
            '10.0.0.1', '[1,5)', '{1,NULL}', '{{1},{2}}', 'NaN', 'Infinity', '{a}'),
           (2, 'infinity', '-infinity', 'infinity', '1 mon', NULL, NULL, NULL, NULL, 1.10, 'NaN',
            NULL),
           (3, '0044-03-15 BC', NULL, NULL, '-1 day -02:00:00', NULL, NULL, '{}', NULL, NULL, NULL,
            NULL)""",
    )
    [found] = read_tables(postgresql_engine)
    model = TableModel(found.table, postgresql_engine)
    one, two, three = model.list(Query()).data
    assert one["d"] == date(2026, 1, 2)
    assert one["ts"] == datetime(2026, 1, 2, 3, 4, 5, 500_000)
    assert one["tz"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert one["i"] == timedelta(days=1, hours=2, milliseconds=500)
    assert (one["ip"], one["r"], one["a"], one["m"]) == (
        "10.0.0.1/32",
        "[1,5)",
        [1, None],
        [[1], [2]],
    )
    assert (str(one["n"]), one["f"], one["u"]) == ("NaN", float("inf"), ["a"])
    assert (two["d"], two["ts"], two["tz"], two["i"]) == (
        "infinity",
        "-infinity",
        "infinity",
        "1 mon",
    )
    assert three["d"] == "0044-03-15 BC"
    assert three["i"] == -timedelta(days=1, hours=2)
    assert model.update(1, {"a": [5, 6], "f": "NaN", "i": "-PT5M", "tz": "2026-01-01T00:00:00Z"})[
        "a"
    ] == [5, 6]
    assert refusal(lambda: model.update(1, {"a": ["x"], "ip": "::1"}))[1] == {
        "a": "type",
        "ip": "read_only",
    }
    assert repr(model.update(2, {"d": "infinity", "n": "1.10"})) == repr(two)


def test_one_bad_element_of_an_array(postgresql_engine: sa.Engine) -> None:
    run(
        postgresql_engine,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a DATE[], b INTEGER[])",
        "INSERT INTO t VALUES (1, '{2026-01-02}', '{1}'), (2, '{infinity,2026-01-02,NULL}', NULL)",
    )
    [found] = read_tables(postgresql_engine)
    model = TableModel(found.table, postgresql_engine)
    assert list(model.list(Query()).data) == [
        {"id": 1, "a": [date(2026, 1, 2)], "b": [1]},
        {"id": 2, "a": ["infinity", date(2026, 1, 2), None], "b": None},
    ]
    assert list(model.stream(Query())) == list(model.list(Query()).data)


def test_json_that_python_cannot_hold_is_shown_as_it_is(engine: sa.Engine) -> None:
    table = created(engine, "t", Column("id", Integer, primary_key=True), Column("j", sa.JSON))
    texts = ["[0.1]", "[12345678901234567890.123]", '{"a": 1, "a": 2}', "[" * 70 + "]" * 70]
    if engine.dialect.name == "mariadb":
        texts.pop()  # it takes 32 levels itself
    for number, text in enumerate(texts):
        run(engine, f"INSERT INTO t VALUES ({number + 1}, '{text}')")
    model = TableModel(table, engine)
    assert [row["j"] for row in model.list(Query()).data] == [[0.1], *texts[1:]]
    assert model.update(2, {"j": {"a": 1}})["j"] == {"a": 1}


def test_a_stream_goes_on_after_a_bad_cell(
    foreign: Callable[[str, str], TableModel],
) -> None:
    rows = ", ".join(f"({n}, 'é')" for n in range(1, 1000))
    model = foreign("id INTEGER PRIMARY KEY, s TEXT", f"{rows}, (1000, CAST(x'ff' AS TEXT))")
    texts = [row["s"] for row in model.stream(Query())]
    assert texts == ["é"] * 999 + [b"\xff"]


def test_mariadb_floats_are_what_is_stored(mariadb_engine: sa.Engine) -> None:
    run(
        mariadb_engine,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d DOUBLE, f FLOAT)",
        "INSERT INTO t VALUES (1, 1e-300, 16777217), (2, 0.1234567890123456, 0.1), (3, 1, 3e38)",
    )
    [found] = read_tables(mariadb_engine)
    model = TableModel(found.table, mariadb_engine)
    assert [(row["d"], row["f"]) for row in model.list(Query()).data] == [
        (1e-300, 16777216.0),
        (0.1234567890123456, 0.1),
        (1.0, 3e38),
    ]
    assert model.update(1, {"d": 0.2, "f": 0.3})["f"] == 0.3


def test_forged_cursors_are_refused(engine: sa.Engine) -> None:
    keys = {"t": String(9), "i": Integer(), "u": sa.Uuid(), "d": sa.DateTime(), "b": sa.Boolean(),
            "e": sa.Enum("x", name="xs"), "y": sa.LargeBinary()}  # fmt: skip
    for name, type_ in keys.items():
        if engine.dialect.name == "mariadb" and name == "y":
            type_ = sa.types.VARBINARY(9)
        model = TableModel(created(engine, name, Column("k", type_, primary_key=True)), engine)
        ordering = describe_ordering(name, ["k"], Query())
        forged: list[Any] = ["a\0", "a", 4611686018427387904, True, None, 1.5]
        forged += [["uuid", str(UUID(int=1))], ["decimal", "1"], ["time", "10:00"], 2**63]
        forged += [["date", "2026-01-01"], ["float", "Infinity"], ["binary", "AA=="]]
        for part in forged:
            cursor = encode_cursor(Cursor((part,)), ordering)
            try:
                model.list(Query(cursor=cursor))
            except QueryError:
                continue


def test_a_type_of_one_database_is_no_key_elsewhere(
    postgresql_engine: sa.Engine, mariadb_engine: sa.Engine
) -> None:
    for engine, type_ in ((postgresql_engine, "INET"), (mariadb_engine, "BIT(4)")):
        run(engine, f"CREATE TABLE t (k {type_} PRIMARY KEY)")
        [found] = read_tables(engine)
        model = TableModel(found.table, engine)
        assert model.read_only == "The type of its primary key cannot tell rows apart exactly."
        assert model.list(Query()).data == []


def test_what_the_database_itself_refuses_is_no_crash(postgresql_engine: sa.Engine) -> None:
    run(
        postgresql_engine,
        "CREATE DOMAIN short AS VARCHAR(3)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, n REAL, j JSONB, d short)",
        "CREATE UNIQUE INDEX lower_s ON t (lower(s))",
        "INSERT INTO t VALUES (1, 'a')",
    )
    [found] = read_tables(postgresql_engine)
    model = TableModel(found.table, postgresql_engine)
    assert refusal(lambda: model.create({"id": 2, "s": "a\0b"}))[0] is ValidationError
    assert refusal(lambda: model.create({"id": 2, "n": 1e300}))[1] == {"": "range"}
    assert refusal(lambda: model.create({"id": 2, "j": {"a": "\0"}}))[1] == {"": "type"}
    assert refusal(lambda: model.create({"id": 2, "s": "A"})) == (ConflictError, {"": "unique"})
    with pytest.raises(NotFoundError):
        TableModel(
            Table("t", sa.MetaData(), Column("s", String(9), primary_key=True)), postgresql_engine
        ).retrieve("a\0")


def test_mariadb_types_of_its_own(mariadb_engine: sa.Engine) -> None:
    run(
        mariadb_engine,
        """CREATE TABLE t (id INTEGER UNSIGNED PRIMARY KEY AUTO_INCREMENT, tiny TINYINT, y YEAR,
           medium MEDIUMINT UNSIGNED, s SET('a', 'b'), e ENUM('x', 'y'), b BIT(1), t TIME, d DATE,
           txt TINYTEXT, j JSON, f FLOAT)""",
        "SET SESSION sql_mode = ''",
        """INSERT INTO t VALUES
           (1, 5, 2026, 7, 'a,b', 'x', 1, '12:00:00', '2026-01-02', 'a', '{}', 1),
           (2, 5, 2026, 7, 'b', 'x', 1, '838:59:59', '0000-00-00', 'a', '{}', 1)""",
    )
    mariadb_engine.dispose()  # back to strict mode
    [found] = read_tables(mariadb_engine)
    model = TableModel(found.table, mariadb_engine)
    one, two = model.list(Query()).data
    assert (one["t"], one["d"], one["s"], one["b"]) == (time(12), date(2026, 1, 2), "a,b", b"\1")
    assert (two["t"], two["d"]) == ("P34DT22H59M59S", "0000-00-00")
    fields = {field.name: field for field in model.fields}
    assert (fields["id"].minimum, fields["id"].maximum) == (0, 2**32 - 1)
    assert (fields["medium"].maximum, fields["tiny"].maximum) == (2**24 - 1, 127)
    assert (fields["y"].minimum, fields["e"].choices) == (1901, ("x", "y"))
    assert not fields["s"].writable
    assert refusal(lambda: model.create({"txt": "x" * 300}))[1] == {"txt": "length"}
    table = Table(
        "t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("tiny", sa.Boolean)
    )
    assert TableModel(table, mariadb_engine).retrieve(1)["tiny"] == 5


# -- a database that does not answer ----------------------------------------------------------


def test_a_table_that_does_not_exist_is_unavailable(engine: sa.Engine) -> None:
    table = Table("nosuch", sa.MetaData(), Column("id", Integer, primary_key=True))
    model = TableModel(table, engine)
    for verb in (
        lambda: model.list(Query()),
        lambda: model.create({"id": 1}),
        lambda: list(model.stream(Query())),
    ):
        with pytest.raises(UnavailableError):
            verb()


def test_a_column_that_does_not_exist_is_unavailable(people: TableModel) -> None:
    table = Table(
        "people", sa.MetaData(), Column("id", Integer, primary_key=True), Column("shoe", Integer)
    )
    with pytest.raises(UnavailableError):
        TableModel(table, people.engine).list(Query())


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nosuch/directory/x.db",
        "postgresql+psycopg://nobody@127.0.0.1:1/x",
        "mariadb+pymysql://nobody@127.0.0.1:1/x",
    ],
)
def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    table = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True))
    engine = sa.create_engine(url)
    with pytest.raises(UnavailableError, match=r"cannot be reached|is not there"):
        TableModel(table, engine).list(Query())
    with pytest.raises(UnavailableError):
        read_tables(engine)


def test_a_locked_database_is_unavailable_for_a_short_while(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", connect_args={"timeout": 0.05})
    model = TableModel(people_table(engine), engine)
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="busy") as caught:
        model.create({"name": "Ada"})
    assert caught.value.retry_after == 1
    other.close()
    assert model.create({"name": "Ada"})["id"] == 1
    engine.dispose()


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    writable = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    table = people_table(writable)
    writable.dispose()
    engine = sa.create_engine(f"sqlite:///file:{tmp_path / 'x.db'}?mode=ro&uri=true")
    with pytest.raises(DeniedError):
        TableModel(table, engine).create({"name": "Ada"})
    engine.dispose()


def test_a_pool_that_is_used_up_is_unavailable(tmp_path: Path) -> None:
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'x.db'}", pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    model = TableModel(people_table(engine), engine)
    with engine.connect(), pytest.raises(UnavailableError, match="connections are busy"):
        model.list(Query())
    engine.dispose()


def test_a_row_that_others_hold_is_unavailable(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        return  # the test of a locked database
    model = TableModel(people_table(engine), engine)
    model.create({"name": "Ada"})

    def be_impatient(connection: Any, _record: Any) -> None:
        patience = {
            "postgresql": "lock_timeout = '50ms'",
            "mariadb": "innodb_lock_wait_timeout = 1",
        }
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {patience[engine.dialect.name]}")
        connection.commit()

    event.listen(engine, "connect", be_impatient)
    engine.dispose()
    with engine.begin() as connection:
        connection.execute(sa.update(model.table).values(age=1))
        with pytest.raises(UnavailableError, match="busy"):
            model.update(1, {"age": 2})


def test_a_connection_that_is_cut_while_saving(postgresql_engine: sa.Engine) -> None:
    model = TableModel(people_table(postgresql_engine), postgresql_engine)
    killer = sa.create_engine(postgresql_engine.url, isolation_level="AUTOCOMMIT")

    def cut(connection: Any) -> None:
        pid = connection.connection.dbapi_connection.info.backend_pid
        with killer.connect() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")

    event.listen(postgresql_engine, "commit", cut)
    with pytest.raises(UnavailableError, match="may or may not be saved"):
        model.create({"name": "Ada"})
    event.remove(postgresql_engine, "commit", cut)
    assert model.create({"name": "Bob"})["name"] == "Bob"
    killer.dispose()


def test_a_constraint_that_is_checked_at_the_end(postgresql_engine: sa.Engine) -> None:
    run(
        postgresql_engine,
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a "
        "DEFERRABLE INITIALLY DEFERRED)",
    )
    _a, b = read_tables(postgresql_engine)
    model = TableModel(b.table, postgresql_engine)
    assert refusal(lambda: model.create({"id": 1, "a": 7})) == (ConflictError, {"a": "reference"})


def test_a_role_without_the_right(postgresql_engine: sa.Engine) -> None:
    people_table(postgresql_engine)
    table = Table("people", sa.MetaData(), autoload_with=postgresql_engine)
    event.listen(postgresql_engine, "connect", read_only_session)
    postgresql_engine.dispose()
    with pytest.raises(DeniedError):
        TableModel(table, postgresql_engine).create({"name": "Ada"})


def read_only_session(connection: Any, _record: Any) -> None:
    connection.execute("SET default_transaction_read_only = on")
    connection.commit()


def test_a_trigger_of_the_database_may_refuse(sqlite_engine: sa.Engine) -> None:
    model = TableModel(people_table(sqlite_engine), sqlite_engine)
    run(
        sqlite_engine,
        "CREATE TRIGGER no BEFORE INSERT ON people BEGIN SELECT RAISE(ABORT, 'secret'); END",
    )
    kind, errors = refusal(lambda: model.create({"name": "Ada"}))
    assert (kind, errors) == (ValidationError, {"": "check"})


def test_what_nobody_foresaw_is_a_store_error(sqlite_engine: sa.Engine) -> None:
    model = TableModel(people_table(sqlite_engine), sqlite_engine)
    run(
        sqlite_engine,
        "CREATE TRIGGER no BEFORE INSERT ON people BEGIN SELECT json('{'); END",
    )
    with pytest.raises(StoreError):
        model.create({"name": "Ada"})

    def fail(*_arguments: Any) -> None:
        raise sa.exc.InvalidRequestError("no")

    event.listen(sqlite_engine, "before_cursor_execute", fail)
    with pytest.raises(StoreError):
        model.list(Query())


def test_a_row_that_is_gone_when_it_is_written(people: TableModel) -> None:
    """Somebody without our lock, in the instant between our read and our write."""
    people.create({"name": "Ada"})
    people.create({"name": "Bob"})

    def meddle(connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("UPDATE", "DELETE FROM people WHERE people.id")):
            cursor.execute("DELETE FROM people")

    event.listen(people.engine, "before_cursor_execute", meddle)
    with pytest.raises(VersionError):
        people.update(1, {"age": 5})
    with pytest.raises(VersionError):
        people.delete(2)


def test_a_write_never_touches_more_than_its_row(engine: sa.Engine) -> None:
    """The table is described with a key that the database does not know of."""
    run(engine, "CREATE TABLE t (id INTEGER, v INTEGER)", "INSERT INTO t VALUES (1, 1), (1, 2)")
    table = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True), Column("v", Integer))
    model = TableModel(table, engine)
    for write in (lambda: model.update(1, {"v": 5}), lambda: model.delete(1)):
        with pytest.raises(StoreError, match="not unique"):
            write()
    assert [row["v"] for row in model.stream(Query())] == [1, 2]


# -- reflection -------------------------------------------------------------------------------


def test_every_table_and_view_is_found(engine: sa.Engine) -> None:
    people_table(engine)
    run(engine, "CREATE VIEW adults AS SELECT name FROM people WHERE age > 17")
    seen: list[tuple[int, int, str]] = []
    found = read_tables(engine, lambda *step: seen.append(step))
    assert [(item.name, item.is_view, item.problem) for item in found] == [
        ("adults", True, ""),
        ("people", False, ""),
    ]
    assert seen == [(0, 2, "adults"), (1, 2, "people")]
    assert TableModel(found[0].table, engine).read_only
    assert TableModel(found[1].table, engine).create({"name": "Ada"})["id"] == 1


def test_the_insides_of_virtual_tables_are_left_out(sqlite_engine: sa.Engine) -> None:
    run(sqlite_engine, "CREATE VIRTUAL TABLE pages USING fts5(body)")
    assert [item.name for item in read_tables(sqlite_engine)] == ["pages"]


def test_a_reference_to_a_table_that_is_gone_hides_nothing(sqlite_engine: sa.Engine) -> None:
    run(
        sqlite_engine,
        "PRAGMA foreign_keys = OFF",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, c INTEGER REFERENCES customers (id))",
        "CREATE TABLE lines (id INTEGER PRIMARY KEY, o INTEGER REFERENCES orders (id))",
    )
    lines, orders = read_tables(sqlite_engine)
    model = TableModel(lines.table, sqlite_engine)
    assert [field.references is None for field in model.fields] == [True, False]
    broken = TableModel(orders.table, sqlite_engine)
    assert [field.references is None for field in broken.fields] == [True, True]
    assert not broken.list(Query()).data


def test_a_missing_reference_is_found_among_those_that_are_known(
    sqlite_engine: sa.Engine,
) -> None:
    run(
        sqlite_engine,
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a, b INTEGER REFERENCES b)",
    )
    metadata = sa.MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True))
    b = Column("b", Integer, ForeignKey("b.id"))
    a = Column("a", ForeignKey("a.id"))
    table = Table("t", metadata, Column("id", Integer, primary_key=True), b, a)
    model = TableModel(table, sqlite_engine)
    assert refusal(lambda: model.create({"a": 7, "b": 7})) == (ConflictError, {"a": "reference"})


def test_types_that_nobody_knows_hold_anything(sqlite_engine: sa.Engine) -> None:
    run(
        sqlite_engine,
        "CREATE TABLE t (k STRING PRIMARY KEY, u UUID, n NUMBER(5, 2), d DEC)",
        "INSERT INTO t VALUES ('ada', 'x', 1.5, 2)",
    )
    [found] = read_tables(sqlite_engine)
    model = TableModel(found.table, sqlite_engine)
    assert [field.kind for field in model.fields] == ["other", "other", "decimal", "decimal"]
    assert model.retrieve("ada")["u"] == "x"
    assert model.update("ada", {"u": "y"})["u"] == "y"


def test_a_row_that_others_refer_to_strictly(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    parents = Table("parents", metadata, Column("id", Integer, primary_key=True))
    Table("children", metadata, Column("id", Integer, primary_key=True),
          Column("parent", ForeignKey("parents.id", ondelete="RESTRICT")))  # fmt: skip
    metadata.create_all(engine)
    run(engine, "INSERT INTO parents VALUES (1)", "INSERT INTO children VALUES (1, 1)")
    model = TableModel(parents, engine)
    assert refusal(lambda: model.delete(1)) == (ConflictError, {"": "in_use"})


def test_a_view_that_fails_is_nobodys_mistake(postgresql_engine: sa.Engine) -> None:
    run(postgresql_engine, "CREATE VIEW v AS SELECT 1 / (n - n) AS x FROM (SELECT 1 AS n) AS t")
    [found] = read_tables(postgresql_engine)
    with pytest.raises(StoreError):
        TableModel(found.table, postgresql_engine).list(Query())


def test_a_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA journal_mode = WAL"))
    model = TableModel(people_table(engine), engine)
    model.create({"name": "Ada"})
    run(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
    kept = path.read_bytes()
    path.unlink()
    for verb in (lambda: model.create({"name": "Bob"}), lambda: model.list(Query())):
        with pytest.raises(UnavailableError, match="is not there"):
            verb()
    assert not path.exists()
    path.write_bytes(kept)
    assert model.retrieve(1)["name"] == "Ada"
    engine.dispose()


def test_a_damaged_file_is_no_matter_of_waiting(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"This is no database." * 1000)
    engine = sa.create_engine(f"sqlite:///{path}")
    table = Table("t", sa.MetaData(), Column("id", Integer, primary_key=True))
    with pytest.raises(StoreError):
        TableModel(table, engine).list(Query())
    engine.dispose()


def test_materialized_views_are_found(postgresql_engine: sa.Engine) -> None:
    run(postgresql_engine, "CREATE MATERIALIZED VIEW m AS SELECT 1 AS one")
    [found] = read_tables(postgresql_engine)
    assert (found.name, found.is_view) == ("m", True)
    assert list(TableModel(found.table, postgresql_engine).list(Query()).data) == [{"one": 1}]


def test_a_broken_view_does_not_hide_the_tables(sqlite_engine: sa.Engine) -> None:
    people_table(sqlite_engine)
    run(sqlite_engine, "CREATE VIEW broken AS SELECT * FROM nosuch")
    broken, people = read_tables(sqlite_engine)
    assert broken.table is None
    assert broken.problem
    assert people.table is not None


def test_odd_names_are_ordinary(engine: sa.Engine) -> None:
    odd = ["order", "a b", "über", 'quo"te', "per%cent", "co:lon", "(paren)", "_method", "limit"]
    columns = [Column(name, String(20)) for name in odd]
    table = created(engine, 'odd "table" %', Column("id", Integer, primary_key=True), *columns)
    model = TableModel(table, engine)
    row = model.create({name: name for name in odd})
    assert row == {"id": 1} | {name: name for name in odd}
    assert model.update(1, {name: name + "!" for name in odd})['quo"te'] == 'quo"te!'
    [found] = read_tables(engine)
    assert TableModel(found.table, engine).retrieve(1)["per%cent"] == "per%cent!"
    model.delete(1)


@pytest.fixture(autouse=True)
def no_connection_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    names = ("engine", "sqlite_engine", "postgresql_engine", "mariadb_engine")
    engines = [request.getfixturevalue(n) for n in names if n in request.fixturenames]
    yield
    assert [engine.pool.checkedout() for engine in engines] == [0 for _ in engines]
