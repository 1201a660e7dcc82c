"""The ``wsgikit`` command: a thin shell over `wsgikit.scaffold`, `wsgikit.server` and your own.

A command is a plain function.  Its positional parameters are the command's arguments, its
keyword-only parameters the ``--options`` (a `bool` is a switch: ``--name``, or ``--no-name``
where it is true by default), their annotations `str`, `int`, `float` or `Path` convert the
text, and the first line of its docstring is the line in ``wsgikit commands``.

    from pathlib import Path

    def export(table: str, *, directory: Path = Path("."), compress: bool = False) -> None:
        \"\"\"Write a table to a file.\"\"\"
        print(f"{table} to {directory}")

Such functions are found in three places, and the first that has a name wins:

1. in this module;
2. under the entry point group ``wsgikit.commands`` of an installed package;
3. in the ``commands.py`` of a project, where all public functions are commands.

A command that raises `CommandError` ends with that one line on stderr and exit status 2, as
every mistake in calling one does.
"""

import argparse
import difflib
import importlib
import inspect
import os
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, unquote

from wsgikit import __version__, scaffold, server

#: The exit status of a mistake in calling a command; that of the Unix tools, and argparse's.
MISTAKE = 2

#: The driver of a database URL that names none, by what it is called there.
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}

#: The extra that installs an optional module.
EXTRAS = {"psycopg": "postgresql", "pymysql": "mariadb"}

#: Seconds to wait for a database server, and for a connection that others have.
CONNECT_TIMEOUT = 10
POOL_TIMEOUT = 5

#: Tables between two lines of progress, where there is no terminal.
PROGRESS_STEP = 50


class CommandError(Exception):
    """A mistake of the person who gave the command; the message is one line for them."""


class Command(NamedTuple):
    """A command.

    Attributes:
        name: What is typed.
        function: What is called.
        source: Where it comes from, for people.
    """

    name: str
    function: Callable[..., object]
    source: str

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, as given by *arguments* (by default those of the process).

    Returns:
        The exit status: 0, 2 after a mistake, or 130 after Ctrl-C.
    """
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads it has seen enough, as in "wsgikit help | head".  Python flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (CommandError, scaffold.ScaffoldError, server.ServerError) as error:
        print(f"wsgikit: {' '.join(str(error).split())}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return 130
    return 0


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return
    name, *rest = arguments
    if name == "--version":
        print(f"wsgikit {__version__}")
        return
    command = _find(name)
    if {"-h", "--help"} & set(rest):
        print(_parser(command).format_help(), end="")
    else:
        _call(command, rest)


# -- the commands ----------------------------------------------------------------------


def createproject(name: str) -> None:
    """Create a project in a new directory.

    NAME is the directory's: a Python identifier.  Files that exist are left as they are.
    """
    with _writing():
        _report(scaffold.create_project(name))


def addview(name: str, *, type: str = "html") -> None:
    """Add a view: a collection at /NAME/ that says "Hello World!", for you to change.

    TYPE is html for pages, json for programs, or html,json for both at the same URLs.
    Give the command in a project's directory.  Files that exist are left as they are.
    """
    with _writing():
        _report(scaffold.add_view(name, type))


def addmodelview(name: str, *, type: str = "html") -> None:
    """Add a table, and the view that lists, shows, creates, edits and deletes its rows.

    TYPE is html for pages, json for programs, or html,json for both at the same URLs.
    Give the command in a project's directory, then describe the columns in models/NAME.py
    and create the table with createdb.  Files that exist are left as they are.
    """
    with _writing():
        _report(scaffold.add_model_view(name, type))


def createdb() -> None:
    """Create the tables of models/ that the database does not have.

    Every module of models/ is imported; the tables are those of the metadata in dbconfig.py.
    A table that exists is never altered: if its columns differ from the model's, you are
    told so.
    """
    _require("dbconfig.py", "models")
    config = _import("dbconfig")
    for name in ("metadata", "engine"):
        if not hasattr(config, name):
            raise CommandError(f"dbconfig.py assigns nothing to the name {name!r}")
    for path in sorted(Path("models").glob("[!_]*.py")):
        _import(f"models.{path.stem}")
    try:
        with _database():
            lines = _create_tables(config.metadata, config.engine)
    finally:
        config.engine.dispose()
    print("\n".join(lines) or "models/ describes no tables")


def run(*, host: str = "127.0.0.1", port: int = 8080, reload: bool = True) -> None:
    """Serve the project while you work on it.

    Serves ``app`` of dispatcher.py until Ctrl-C, and starts anew when a Python file changes.
    Requests are logged to logs/request.log, everything else to logs/detail.log.
    Only this machine can connect, unless HOST is another address of it (0.0.0.0: all).
    """
    _require("dispatcher.py")
    with _writing():
        server.run("dispatcher:app", host, port, reload=reload)


def serve(
    database_url: str, *, write: bool = False, host: str = "127.0.0.1", port: int = 8080
) -> None:
    """Serve the tables of a database that exists already.

    Each table gets pages for people, and JSON for programs.
    DATABASE_URL is as in sqlite:///file.db, postgresql://user:password@host/name or
    mariadb://user:password@host/name, or just the name of an SQLite file.
    Nothing can be changed, unless you give --write.
    Only this machine can connect, unless HOST is another address of it (0.0.0.0: all).
    """
    # Slow imports, which no other command needs.
    from wsgikit.reflect import reflect
    from wsgikit.security import SecurityHeaders

    engine = _connect(database_url, write)
    try:
        with _database(), _progress() as progress:
            app = reflect(engine, write=write, title=_title(engine), progress=progress)
        _tell(app.findings, write)
        server.serve(SecurityHeaders(app), host, port)
    finally:
        engine.dispose()


def commands() -> None:
    """List every command."""
    rows: dict[str, tuple[str, ...]] = {}
    problem = None
    try:
        for command in _all():
            name = command.name if command.name not in rows else f"({command.name})"
            rows[name] = (name, command.summary, command.source)
    except CommandError as error:
        problem = error
    print("\n".join(_columns(rows.values())))
    if problem is not None:
        raise problem


def help_(command: str = "") -> None:
    """Show how a command is used."""
    print(_parser(_find(command)).format_help() if command else _overview(), end="")


# -- finding commands ------------------------------------------------------------------


def _all() -> Iterator[Command]:
    return chain(_built_in(), _installed(), _of_project())


def _built_in() -> Iterator[Command]:
    functions = (createproject, addview, addmodelview, createdb, run, serve, commands, help_)
    return (Command(_name(function), function, "") for function in functions)


def _installed() -> Iterator[Command]:
    from importlib.metadata import entry_points  # slow, and only needed here

    for entry in sorted(entry_points(group="wsgikit.commands")):
        try:
            function = entry.load()
        except Exception as error:
            function = _broken(f"cannot be loaded: {_explain(error)}")
        yield Command(entry.name, function, entry.dist.name if entry.dist else entry.value)


def _broken(reason: str) -> Callable[..., object]:
    def broken(*arguments: str) -> None:
        raise CommandError(reason)

    broken.__doc__ = reason
    return broken


def _of_project() -> Iterator[Command]:
    if Path("dispatcher.py").is_file() and Path("commands.py").is_file():
        for name, value in vars(_import("commands")).items():
            if inspect.isfunction(value) and value.__module__ == "commands" and name[0] != "_":
                yield Command(_name(value), value, "commands.py")


def _name(function: Callable[..., object]) -> str:
    """Give a command's name: the function's, less the underscore after a name Python has taken."""
    return function.__name__.removesuffix("_")


def _find(name: str) -> Command:
    names = []
    for command in _all():
        if command.name == name:
            return command
        names.append(command.name)
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else "wsgikit commands lists them all"
    raise CommandError(f"unknown command {name!r}: {hint}")


def _overview() -> str:
    lines = [f"  {line}" for line in _columns((c.name, c.summary) for c in _built_in())]
    return "\n".join(
        [
            "usage: wsgikit COMMAND [ARGUMENT ...]",
            "",
            *lines,
            "",
            "wsgikit help COMMAND shows how a command is used.",
            "wsgikit commands lists those of installed packages and of the project, too.",
        ]
    )


def _columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Align texts in columns."""
    rows = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


# -- from a function to arguments, and back ----------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _, _, name = self.prog.partition(" ")
        raise CommandError(f"{name}: {message} (see: wsgikit help {name})")


def _parser(command: Command) -> _Parser:
    parser = _Parser(
        prog=f"wsgikit {command.name}",
        description=inspect.getdoc(command.function),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    for parameter in _parameters(command):
        names, options = _argument(parameter)
        parser.add_argument(*names, **options)
    return parser


def _parameters(command: Command) -> Sequence[inspect.Parameter]:
    try:
        signature = inspect.signature(command.function, eval_str=True)
    except NameError:
        signature = inspect.signature(command.function)
    parameters = list(signature.parameters.values())
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            raise CommandError(
                f"{command.name} takes **{parameter.name}, which has no form on a command line"
            )
    return parameters


def _argument(parameter: inspect.Parameter) -> tuple[list[str], dict[str, Any]]:
    """Give what `argparse.ArgumentParser.add_argument` takes, for a parameter of a command."""
    name, kind, default = parameter.name, parameter.kind, parameter.default
    convert = _converter(parameter)
    metavar = name.rstrip("_").upper()
    if kind is parameter.VAR_POSITIONAL:
        return [name], {"metavar": metavar, "nargs": "*", "type": convert}
    if kind is not parameter.KEYWORD_ONLY:
        optional = {} if default is parameter.empty else {"nargs": "?", "default": default}
        return [name], {"metavar": metavar, "type": convert, **optional}
    option = name.strip("_").replace("_", "-")
    if convert is bool:
        word = f"--no-{option}" if default is True else f"--{option}"
        return [word], {"dest": name, "action": "store_false" if default is True else "store_true"}
    options = {"dest": name, "metavar": metavar, "type": convert}
    if default is parameter.empty:
        return [f"--{option}"], {**options, "required": True}
    shown = {} if default is None else {"help": f"default: {default}".replace("%", "%%")}
    return [f"--{option}"], {**options, **shown, "default": default}


def _converter(parameter: inspect.Parameter) -> Any:
    """Give what makes a parameter's value of a text: its annotation, or its default's type."""
    annotation = parameter.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(a for a in typing.get_args(annotation) if a is not types.NoneType)
    if annotation in (str, int, float, bool, Path):
        return annotation
    given = parameter.default in (parameter.empty, None) or annotation is not parameter.empty
    return str if given else type(parameter.default)


def _call(command: Command, arguments: list[str]) -> None:
    values = vars(_parser(command).parse_args(arguments))
    positional: list[Any] = []
    options: dict[str, Any] = {}
    for parameter in _parameters(command):
        value = values[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is parameter.KEYWORD_ONLY:
            options[parameter.name] = value
        else:
            positional.append(value)
    command.function(*positional, **options)


# -- what commands share -----------------------------------------------------------------


def _report(created: scaffold.Created) -> None:
    """Print which files were created, and which were left as they are."""
    for path in created:
        print(f"created  {path}")
    for path in created.existed:
        print(f"exists   {path}")
    if not created:
        print("Nothing to do: every file exists already, and none was changed.")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except server.ServerError:
        raise
    except OSError as error:
        what = error.filename or "a file"
        raise CommandError(f"cannot write {what}: {error.strerror}") from error


def _require(*names: str) -> None:
    for name in names:
        if not Path(name).exists():
            raise CommandError(f"not in a project's directory: there is no {name} in it")


def _import(name: str) -> Any:
    """Import a module of the project in this directory."""
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise CommandError(_explain(error)) from error


def _explain(error: Exception) -> str:
    """Say in one line what a module of the project raised, and where."""
    extra = EXTRAS.get(getattr(error, "name", None) or "")
    if isinstance(error, ModuleNotFoundError) and extra:
        return f"{error.name} is not installed: pip install 'wsgikit[{extra}]'"
    what = traceback.format_exception_only(error)[-1].partition("\n")[0]
    if isinstance(error, SyntaxError):
        places = [(error.filename or "", error.lineno)]
    else:
        places = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    here = str(Path.cwd()) + os.sep
    places = [(file.removeprefix(here), line) for file, line in places if file.startswith(here)]
    return f"{places[-1][0]}, line {places[-1][1]}: {what}" if places else what


# -- databases -------------------------------------------------------------------------


@contextmanager
def _database() -> Iterator[None]:
    """Turn what goes wrong with a database into one line."""
    # Slow imports, which only commands with a database need.
    from sqlalchemy.exc import SQLAlchemyError

    from wsgikit.model import UnavailableError

    try:
        yield
    except (SQLAlchemyError, UnavailableError) as error:
        cause = error.__cause__ if isinstance(error, UnavailableError) else error
        reason = getattr(cause, "orig", None) or cause or error
        text = str(reason).strip().partition("\n")[0]
        raise CommandError(f"the database cannot be used: {text}") from error


def _create_tables(metadata: Any, engine: Any) -> list[str]:
    """Create the tables that are missing; tell what became of each, a line for each."""
    from sqlalchemy import inspect as inspect_database  # slow, and needed only here

    inspector = inspect_database(engine)
    lines = []
    for table in metadata.tables.values():
        if not inspector.has_table(table.name, schema=table.schema):
            lines.append(f"created  {table.fullname}")
            continue
        stored = {str(c["name"]) for c in inspector.get_columns(table.name, schema=table.schema)}
        described = {str(column.name) for column in table.columns}
        lines.append(_difference(table.fullname, stored, described))
    metadata.create_all(engine)
    return lines


def _difference(table: str, stored: set[str], described: set[str]) -> str:
    if stored == described:
        return f"exists   {table}"
    missing = f"; it lacks {', '.join(sorted(described - stored))}" if described - stored else ""
    more = f"; it also has {', '.join(sorted(stored - described))}" if stored - described else ""
    return f"differs  {table}: it exists with other columns and is not altered{missing}{more}"


def _connect(database_url: str, write: bool) -> Any:
    """Give an engine for a database that exists; an SQLite file is never created."""
    from sqlite3 import DatabaseError  # slow, as what follows, and needed only here

    from sqlalchemy import URL, create_engine, event, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        is_url = "://" in database_url
        url = make_url(database_url) if is_url else URL.create("sqlite", database=database_url)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        if url.get_backend_name() != "sqlite":
            timeout = {"connect_timeout": CONNECT_TIMEOUT}
            return create_engine(url, pool_timeout=POOL_TIMEOUT, connect_args=timeout)
        engine = create_engine(_sqlite_url(url, write))
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        # Without the error's own text: it may hold the password.
        raise CommandError(
            "not the URL of a database: give one such as sqlite:///file.db or "
            "postgresql://user:password@host/name"
        ) from error
    except ModuleNotFoundError as error:
        raise CommandError(_explain(error)) from error

    @event.listens_for(engine, "connect")
    def turn_on(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA foreign_keys = ON")
        if write:
            # Reading goes on while somebody writes.  It stays as it is while others use it.
            with suppress(DatabaseError):
                connection.execute("PRAGMA journal_mode = WAL")

    return engine


def _sqlite_url(url: Any, write: bool) -> Any:
    """Give the URL that opens an SQLite file only if it exists, and for no more than is wanted."""
    file = url.database or ""
    if not file.startswith("file:"):
        if not Path(file).is_file():
            raise CommandError(f"there is no SQLite file {file!r}")
        file = "file:" + quote(str(Path(file).resolve()))
    mode = "rw" if write else "ro"
    return url.set(database=file, query={**url.query, "mode": mode, "uri": "true"})


def _title(engine: Any) -> str:
    """Give the name of a database, for its home page."""
    name = str(engine.url.database or "database")
    return unquote(Path(name).stem) if engine.dialect.name == "sqlite" else name


def _tell(findings: Sequence[Any], write: bool) -> None:
    """Print what was found in a database."""
    if not findings:
        raise CommandError("the database has no tables")
    print("\n".join(_columns((_printable(f.name), f.kind, f.access) for f in findings)))
    if not write:
        print("Nothing can be changed: give --write to allow it.")


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Show how far reading a schema is: one live line on a terminal, else one now and then."""
    live = sys.stderr.isatty()

    def show(done: int, total: int, name: str) -> None:
        if live:
            line = f"Reading {done + 1} of {total} tables: {_printable(name)[:40]}"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif done and done % PROGRESS_STEP == 0:
            print(f"Read {done} of {total} tables", file=sys.stderr)

    yield show
    if live:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Make a text safe to print: a terminal obeys control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
