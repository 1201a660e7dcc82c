"""The database: DATABASE_URL, or else the file database.db in this directory."""

import os
from pathlib import Path

from sqlalchemy import MetaData, create_engine, event

# With names for its constraints, a table can be changed later (by Alembic, for example).
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

here = Path(__file__).resolve().parent
engine = create_engine(os.environ.get("DATABASE_URL", f"sqlite:///{here / 'database.db'}"))

if engine.dialect.name == "sqlite":

    @event.listens_for(engine, "connect")
    def turn_on(connection, record):
        """Turn on what SQLite leaves off, for each connection."""
        connection.execute("PRAGMA busy_timeout = 5000")  # wait for a lock, in milliseconds
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")  # reading goes on while one writes
