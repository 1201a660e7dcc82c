"""A database's errors: what they mean, by its own code, and which columns they speak of."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from wsgikit.model import (
    DEFAULT,
    ConflictError,
    DeniedError,
    FieldError,
    ModelError,
    RetryError,
    Row,
    StoreError,
    UnavailableError,
    ValidationError,
)

if TYPE_CHECKING:
    from wsgikit.sql.statements import Statements

#: The verbs that write nothing.
READING = frozenset({"list", "retrieve"})

CONVERSION_ERRORS = (ValueError, LookupError, TypeError, ArithmeticError, exc.DBAPIError)


def is_unreadable(error: Exception) -> bool:
    """Whether a stored value, not the statement, was at fault."""
    if not isinstance(error, exc.DBAPIError):
        return True
    code, text = code_of(error)
    # psycopg's own errors in converting have no SQLSTATE; sqlite3 says so in words only.
    return "decode to UTF-8" in text or (isinstance(error, exc.DataError) and not code)


def code_of(error: exc.DBAPIError) -> tuple[str, str]:
    """Give the code of an error: SQLite's name, the SQLSTATE, or MariaDB's number; and its text."""
    orig: Any = error.orig
    text = str(orig)
    if orig is not None and len(orig.args) > 1 and isinstance(orig.args[0], int):
        return str(orig.args[0]), str(orig.args[1])
    name = getattr(orig, "sqlite_errorname", None) or getattr(orig, "sqlstate", None)
    if text == "FOREIGN KEY constraint failed":
        name = "SQLITE_CONSTRAINT_FOREIGNKEY"  # ON DELETE RESTRICT fails like a trigger
    return str(name or ""), text


def guess(error: exc.DBAPIError, text: str) -> str:
    """Sort an error without a code of use."""
    if error.connection_invalidated or (
        isinstance(error, exc.OperationalError) and ("no such " in text or not code_of(error)[0])
    ):
        return "away"
    return "unique" if isinstance(error, exc.IntegrityError) else ""


#: SQLite error names, SQLSTATEs (or their two-digit classes) and MariaDB error numbers.
FAULTS: dict[str, str] = {
    # https://sqlite.org/rescode.html
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_NOTNULL": "required",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "reference",
    "SQLITE_CONSTRAINT_CHECK": "check",
    "SQLITE_CONSTRAINT_TRIGGER": "check",
    "SQLITE_CONSTRAINT_DATATYPE": "type",
    "SQLITE_MISMATCH": "type",
    "SQLITE_TOOBIG": "length",
    "SQLITE_BUSY": "busy",
    "SQLITE_BUSY_RECOVERY": "busy",
    "SQLITE_BUSY_SNAPSHOT": "undone",
    "SQLITE_BUSY_TIMEOUT": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_LOCKED_SHAREDCACHE": "busy",
    "SQLITE_INTERRUPT": "slow",
    "SQLITE_CANTOPEN": "away",
    "SQLITE_FULL": "away",
    "SQLITE_IOERR": "away",
    "SQLITE_READONLY": "denied",
    "SQLITE_READONLY_DBMOVED": "away",
    "SQLITE_READONLY_DIRECTORY": "denied",
    "SQLITE_PERM": "denied",
    # PostgreSQL, appendix A
    "23505": "unique",
    "23P01": "unique",
    "23503": "reference",
    "23001": "in_use",
    "23502": "required",
    "23514": "check",
    "P0001": "check",
    "22001": "length",
    "22003": "range",
    "22008": "range",
    "22": "type",
    "40001": "undone",
    "40P01": "undone",
    "40": "busy",
    "55P03": "busy",
    "57014": "slow",
    "57": "away",
    "08": "away",
    "53": "away",
    "28": "away",
    "3D": "away",
    "42P01": "away",
    "42703": "away",
    "42501": "denied",
    "25006": "denied",
    # https://mariadb.com/kb/en/mariadb-error-code-reference/
    "1062": "unique",
    "1586": "unique",
    "1452": "reference",
    "1216": "reference",
    "1451": "in_use",
    "1217": "in_use",
    "1048": "required",
    "1364": "required",
    "4025": "check",
    "3819": "check",
    "1644": "check",
    "1406": "length",
    "1264": "range",
    "1690": "range",
    "1265": "type",
    "1366": "type",
    "1292": "type",
    "1205": "busy",
    "1020": "undone",
    "1213": "undone",
    "1317": "slow",
    "1969": "slow",
    "1040": "away",
    "1044": "away",
    "1045": "away",
    "1049": "away",
    "1053": "away",
    "1146": "away",
    "1054": "away",
    "1927": "away",
    "2002": "away",
    "2003": "away",
    "2006": "away",
    "2013": "away",
    "1142": "denied",
    "1143": "denied",
    "1290": "denied",
    "1792": "denied",
}

REFUSALS: dict[str, tuple[Callable[[list[FieldError]], ModelError], str]] = {
    "unique": (ConflictError, "Another row has this value already."),
    "reference": (ConflictError, "There is no such row to refer to."),
    "in_use": (ConflictError, "Other rows refer to this one."),
    "required": (ValidationError, "A value is required."),
    "check": (ValidationError, "The value breaks a rule of the database."),
    "length": (ValidationError, "Is too long for the database."),
    "range": (ValidationError, "Is outside of what the database can store."),
    "type": (ValidationError, "Is not a value that the database can store here."),
}

#: MariaDB's codes for a text that the character set of its column has not.
MIXED_CHARACTERS = frozenset({"1267", "1270", "1271"})

#: Where messages name columns: PostgreSQL's detail, then MariaDB's sentences.
COLUMNS_IN_MESSAGES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\((.+?)\)=\(",
        r"for key '(.+?)'$",
        r"FOREIGN KEY \((.+?)\)",
        r"CONSTRAINT `(.+?)`",
        r"[Cc]olumn '(.+?)'",
        r"Field '(.+?)'",
        r"column `[^`]*`\.`[^`]*`\.`(.+?)`",
    )
)

#: What the rest means.  It is all undone, since the transaction is.
_FAILURES: dict[str, Callable[[], ModelError]] = {
    "undone": lambda: RetryError("Others were changing the same; nothing was changed.", 1),
    "busy": lambda: UnavailableError("The database is busy; nothing was changed.", 1),
    "slow": lambda: UnavailableError("The database took too long; nothing was changed."),
    "lost": lambda: RetryError("The connection was lost; nothing was changed.", 1),
    "unknown": lambda: UnavailableError(
        "The connection was lost while saving: it may or may not be saved."
    ),
    "away": lambda: UnavailableError("The database cannot be reached, or has no such table."),
    "denied": lambda: DeniedError("The database does not allow this."),
    "": lambda: StoreError("The database failed."),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """What a model was doing, to tell what an error means.

    Attributes:
        prepared: The table, and the columns that exist for the client.
        action: The verb, which tells what a violated foreign key means.
        attempt: The row as it was to be stored, which tells which reference is missing.
    """

    prepared: "Statements"
    action: str
    attempt: Row = field(default_factory=dict)

    def explain(
        self, error: exc.DBAPIError, connection: sa.Connection, *, ending: bool = False
    ) -> ModelError:
        """Give the model's error for a database's.

        Args:
            error: What the database said.
            connection: Where.  SQLite is asked which reference is missing.
            ending: Whether it said so when the transaction was to be committed.
        """
        code, text = code_of(error)
        state_class = code[:2] if len(code) == 5 else ""  # of an SQLSTATE
        kind = FAULTS.get(code) or FAULTS.get(state_class) or guess(error, text)
        if kind == "reference" and self.action == "delete":
            kind = "in_use"
        if kind in REFUSALS and self.action not in READING:
            return self._refuse(kind, error, text, connection)
        if error.connection_invalidated:
            kind = "unknown" if ending else "lost"
        return _FAILURES.get(kind, _FAILURES[""])()

    def _refuse(
        self, kind: str, error: exc.DBAPIError, text: str, connection: sa.Connection
    ) -> ModelError:
        refusal, message = REFUSALS[kind]
        names = self._names_in(kind, error, text)
        if kind == "reference" and not names and self.prepared.dialect == "sqlite":
            names = self._missing_references(connection)
        visible = [name for name in names if name in self.prepared.by_name] or [""]
        return refusal([FieldError(name, kind, message) for name in visible])

    def _names_in(self, kind: str, error: exc.DBAPIError, text: str) -> Sequence[str]:
        """Find the columns that an error speaks of."""
        if kind == "in_use":
            return []
        table, constraints = self.prepared.table, self.prepared.constraints
        diagnosis = getattr(error.orig, "diag", None)
        if diagnosis is not None:
            if diagnosis.table_name not in (None, table.name):
                return []  # of another table, written in the same transaction
            text = diagnosis.message_detail or ""
            if diagnosis.column_name:
                return self._keys_of([diagnosis.column_name])
            if diagnosis.constraint_name in constraints:
                return constraints[diagnosis.constraint_name]
        if self.prepared.dialect == "sqlite":
            start, _, rest = text.partition(": ")
            if start == "CHECK constraint failed":
                return constraints.get(rest) or self.prepared.columns_in(rest)
            names = [name.removeprefix(f"{table.name}.") for name in rest.split(", ")]
            return self._keys_of(names) or constraints.get(rest.strip("'"), [])
        for pattern in COLUMNS_IN_MESSAGES:
            if match := pattern.search(text):
                found = match[1].removeprefix(f"{table.name}.")
                names = [name.strip('`" ') for name in found.split(", ")]
                return constraints.get(found) or self._keys_of(names)
        return []

    def _keys_of(self, names: Iterable[str]) -> Sequence[str]:
        keys = {column.name: str(column.key) for column in self.prepared.table.columns}
        return [keys[name] for name in names if name in keys]

    def _missing_references(self, connection: sa.Connection) -> Sequence[str]:
        """Find the references to rows that do not exist: SQLite does not tell which."""
        missing: list[str] = []
        for constraint in self.prepared.table.foreign_key_constraints:
            with suppress(exc.SQLAlchemyError):  # if the other table was not described
                pairs = [(str(e.parent.key), e.column) for e in constraint.elements]
                values = [self.attempt.get(name) for name, _column in pairs]
                condition = [c == v for (_name, c), v in zip(pairs, values, strict=True)]
                known = None in values or DEFAULT in values
                if not known and _is_empty(connection, condition):
                    missing.extend(name for name, _column in pairs)
        return missing


def _is_empty(connection: sa.Connection, condition: Sequence[Any]) -> bool:
    return connection.execute(sa.select(sa.literal(1)).where(*condition)).first() is None
