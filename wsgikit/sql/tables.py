"""`read_tables`: every table and view of a database that exists already."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy import types as sqltypes

from wsgikit.model import UnavailableError


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view of an existing database.

    Attributes:
        table: The reflected table; `None` if it cannot be read.
        name: Its name.
        is_view: Whether it is a view.
        problem: Why it cannot be read; empty if it can.
    """

    table: sa.Table | None
    name: str
    is_view: bool
    problem: str = ""


def read_tables(
    engine: sa.Engine, progress: Callable[[int, int, str], None] | None = None
) -> list[FoundTable]:
    """Reflect every table and view of a database's default schema, in order of name.

    Args:
        engine: The database.
        progress: Called before each table with how many are done, how many there are, and
            the name of the one that comes.

    Raises:
        UnavailableError: If the database cannot be reached.
    """
    try:
        inspector = sa.inspect(engine)
        views = set(inspector.get_view_names())
        if engine.dialect.name == "postgresql":
            views |= set(inspector.get_materialized_view_names())
        names = sorted(views | set(inspector.get_table_names()) - _shadow_tables(engine))
    except exc.SQLAlchemyError as error:
        raise UnavailableError("The database cannot be reached.") from error
    metadata = sa.MetaData()
    found = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        found.append(_read_table(engine, metadata, name, name in views))
    return found


def _shadow_tables(engine: sa.Engine) -> set[str]:
    """Name the tables that hold the insides of SQLite's virtual tables."""
    if engine.dialect.name != "sqlite":
        return set()
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("PRAGMA table_list").all()
    return {row.name for row in rows if row.type == "shadow"}


def _read_table(engine: sa.Engine, metadata: sa.MetaData, name: str, is_view: bool) -> FoundTable:
    try:
        with warnings.catch_warnings():
            # Types and indexes that SQLAlchemy does not know: such columns are read-only.
            warnings.simplefilter("ignore", exc.SAWarning)
            # A reference to a table that is gone must not hide this one.
            table = sa.Table(
                name, metadata, autoload_with=engine, resolve_fks=False, info={"view": is_view}
            )
            if engine.dialect.name == "sqlite":
                _correct_types(engine, table)
    except exc.SQLAlchemyError as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        return FoundTable(None, name, is_view, str(cause).splitlines()[0])
    return FoundTable(table, name, is_view)


#: The declared types that SQLAlchemy's fallback for SQLite means by NUMERIC.
_NUMERIC = frozenset({"NUMERIC", "DECIMAL", "DEC", "NUMBER"})


def _correct_types(engine: sa.Engine, table: sa.Table) -> None:
    """Tell SQLAlchemy what it does not see in SQLite's declared types.

    A type that nobody knows (STRING, UUID) holds anything.  And only a key declared exactly
    INTEGER is counted up (https://sqlite.org/rowidtable.html); one declared INT gets NULL.
    """
    with engine.connect() as connection:
        quoted = engine.dialect.identifier_preparer.quote(table.name)
        rows = connection.exec_driver_sql(f"PRAGMA table_xinfo({quoted})").all()
    declared = {row.name: str(row.type).upper().partition("(")[0].strip() for row in rows}
    for column in table.columns:
        if type(column.type) is sqltypes.NUMERIC and declared[column.name] not in _NUMERIC:
            column.type = sqltypes.NullType()
    key = list(table.primary_key.columns)
    if len(key) == 1 and declared[key[0].name] != "INTEGER":
        key[0].autoincrement = False
        table.primary_key._reload(table.primary_key.columns)
