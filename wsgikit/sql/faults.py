"""A database's errors: what they mean, by its own code, and which columns they speak of."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import exc

from wsgikit.model import ConflictError, FieldError, ModelError, ValidationError

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
    "SQLITE_BUSY_SNAPSHOT": "busy",
    "SQLITE_BUSY_TIMEOUT": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_LOCKED_SHAREDCACHE": "busy",
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
    "40": "busy",
    "55P03": "busy",
    "57014": "busy",
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
    "1213": "busy",
    "1969": "busy",
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
