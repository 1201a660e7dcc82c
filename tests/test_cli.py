"""wsgikit.cli: functions become commands, and a mistake is one line and exit status 2."""

import http.client
import io
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from wsgikit import __version__, cli
from wsgikit.cli import main

ROOT = Path(__file__).parent.parent

BUILT_IN = [
    "createproject",
    "addview",
    "addmodelview",
    "createdb",
    "run",
    "serve",
    "commands",
    "help",
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty directory, and forget the modules that were imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("commands", "dbconfig", "dispatcher", "models", "views"):
            del sys.modules[name]


@pytest.fixture
def project(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert main(["createproject", "shop"]) == 0
    monkeypatch.chdir(here / "shop")
    return here / "shop"


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call a command; give its exit status, its output and its errors."""

    def call_command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(arguments)
        return (status, *capsys.readouterr())

    return call_command


@pytest.fixture
def refuse(call: Call) -> Callable[..., str]:
    """Call a command that is a mistake; give the one line that says so."""

    def call_command(*arguments: str) -> str:
        status, _, errors = call(*arguments)
        assert status == 2
        assert errors.count("\n") == 1
        return errors

    return call_command


def in_shell(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


# -- help --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"]])
def test_help_lists_what_is_built_in(arguments: list[str], call: Call) -> None:
    status, output, errors = call(*arguments)
    assert (status, errors) == (0, "")
    for command in BUILT_IN:
        assert f"  {command} " in output


def test_the_version_is_told(call: Call) -> None:
    assert call("--version") == (0, f"wsgikit {__version__}\n", "")


def test_commands_gives_a_line_for_each_command(call: Call) -> None:
    status, output, errors = call("commands")
    assert (status, errors) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in output.splitlines())
    assert list(lines)[: len(BUILT_IN)] == BUILT_IN
    assert lines["createproject"] == "Create a project in a new directory."
    assert all(line.endswith(".") for line in lines.values())


@pytest.mark.parametrize(
    "arguments", [["help", "addview"], ["addview", "-h"], ["addview", "x", "--help"]]
)
def test_help_shows_the_whole_of_a_command(arguments: list[str], call: Call, here: Path) -> None:
    status, output, errors = call(*arguments)
    assert (status, errors) == (0, "")
    assert output.startswith("usage: wsgikit addview [--type TYPE] NAME\n")
    for line in (cli.addview.__doc__ or "").splitlines():
        assert line.strip() in output
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_command_is_documented(name: str) -> None:
    page = (ROOT / "docs/cli.md").read_text()
    assert f"## {name}\n" in page


def test_help_loads_nothing_heavy() -> None:
    """``--help`` is instant: it loads neither libraries nor what asks for installed packages."""
    program = (
        "import sys; from wsgikit.cli import main; main(['--help']); main(['help', 'serve'])\n"
        "heavy = {'sqlalchemy', 'webob', 'genshi', 'werkzeug', 'importlib.metadata'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = in_shell("-c", program)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_module_is_the_command() -> None:
    result = in_shell("-m", "wsgikit", "nosuch")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("wsgikit: unknown command 'nosuch'")


# -- what is created ---------------------------------------------------------------------


def test_every_created_file_is_printed(call: Call, here: Path) -> None:
    _, output, _ = call("createproject", "shop")
    printed = {line.removeprefix("created  ") for line in output.splitlines()}
    made = {str(p.relative_to(here)) for p in here.rglob("*") if p.is_file()}
    assert printed == made | {"shop/templates"}


@pytest.mark.usefixtures("project")
def test_a_model_view_is_printed_file_by_file(call: Call) -> None:
    status, output, _ = call("addmodelview", "employees")
    assert status == 0
    assert output.splitlines() == [
        "created  views/employees.py",
        "created  models/employees.py",
        "created  templates/employees/list.html",
        "created  templates/employees/retrieve.html",
        "created  templates/employees/get_edit_form.html",
        "created  templates/employees/get_new_form.html",
    ]


@pytest.mark.usefixtures("project")
def test_a_second_model_view_changes_nothing_and_says_so(call: Call) -> None:
    call("addmodelview", "employees")
    status, output, _ = call("addmodelview", "employees")
    assert status == 0
    assert output.count("exists   ") == 6
    assert output.endswith("Nothing to do: every file exists already, and none was changed.\n")


@pytest.mark.usefixtures("project")
def test_the_type_of_a_view_is_an_option(call: Call) -> None:
    status, output, _ = call("addview", "fred", "--type", "json")
    assert (status, output) == (0, "created  views/fred.py\n")


# -- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "unknown command 'nosuch': wsgikit commands lists them all"),
        (["addveiw"], "unknown command 'addveiw': did you mean addview?"),
        (["--hepl"], "unknown command '--hepl': did you mean help?"),
        (["help", "addveiw"], "did you mean addview?"),
        (["createproject"], "createproject: the following arguments are required: NAME"),
        (["createproject", "a", "b"], "createproject: unrecognized arguments: b"),
        (["createproject", "a b"], "such as a_b"),
        (["createproject", "a\nb"], "such as a_b"),
        (["addview", "fred", "--typ", "json"], "addview: unrecognized arguments: --typ json"),
        (["addview", "fred"], "not in a project's directory: there is no dispatcher.py in it"),
        (["addmodelview", "fred"], "not in a project's directory"),
        (["createdb"], "not in a project's directory: there is no dbconfig.py in it"),
        (["run"], "not in a project's directory: there is no dispatcher.py in it"),
        (["run", "--port", "http"], "run: argument --port: invalid int value: 'http'"),
        (["serve"], "serve: the following arguments are required: DATABASE_URL"),
        (["serve", "missing.db"], "there is no SQLite file 'missing.db'"),
        (["serve", "sqlite:///missing.db"], "there is no SQLite file 'missing.db'"),
        (["serve", "sqlite://"], "there is no SQLite file ''"),
        (["serve", "sqlite:///file:missing.db?uri=true"], "unable to open database file"),
        (["serve", "nosuch://secret@host/x"], "not the URL of a database"),
        (["serve", "://secret"], "not the URL of a database"),
        (["serve", "postgresql://u:secret@127.0.0.1:x/y"], "not the URL of a database"),
        (["serve", "postgresql://u:secret@127.0.0.1:1/y"], "the database cannot be used"),
        (["serve", "mariadb://u:secret@127.0.0.1:1/y"], "the database cannot be used"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, refuse: Callable[..., str], here: Path
) -> None:
    line = refuse(*arguments)
    assert line.startswith("wsgikit: ")
    assert message in line
    assert "secret" not in line
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("project")
def test_an_unknown_type_is_a_mistake(refuse: Callable[..., str]) -> None:
    assert "unknown type 'xml': give html, json, html,json" in refuse(
        "addview", "a", "--type", "xml"
    )


def test_a_file_that_cannot_be_written_is_a_mistake(here: Path, refuse: Callable[..., str]) -> None:
    (here / "shop").mkdir()
    (here / "shop/views").write_text("")
    assert "cannot write shop/views: File exists" in refuse("createproject", "shop")


def test_logs_that_cannot_be_written_are_a_mistake(
    project: Path, refuse: Callable[..., str]
) -> None:
    (project / "logs/.gitignore").unlink()
    (project / "logs").rmdir()
    (project / "logs").write_text("")
    assert "cannot write" in refuse("run", "--port", "0")


@pytest.mark.usefixtures("project")
def test_a_port_in_use_is_a_mistake(refuse: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in refuse("run", "--port", port)


def test_ctrl_c_ends_a_command_without_a_traceback(project: Path, call: Call) -> None:
    (project / "commands.py").write_text("def wait(): raise KeyboardInterrupt")
    assert call("wait") == (130, "", "")


# -- commands of one's own ---------------------------------------------------------------

COMMANDS = '''
from pathlib import Path
from typing import Optional
from os import getcwd

HELPER = len

def greet(name: str, greeting="Hello", *others: str):
    """Greet people. 100% friendly.

    With all their names.
    """
    print(greeting, name, *others)

def show(*, count: int = 1, ratio=0.5, where: Path = Path("."), loud: bool = False,
         color: bool = True, who: str | None = None, what: Optional[int] = None, odd: list = ()):
    print(count, ratio, where, loud, color, who, what, odd)

def need(*, the_name: "str"): print(the_name)

def import_(): print("import")

def unresolved(number: "Nowhere"): print(repr(number))

def keywords(**options): pass

def addview(name): print("not this one")

def _private(): pass
'''


@pytest.fixture
def commands(project: Path) -> Path:
    path = project / "commands.py"
    path.write_text(COMMANDS)
    return path


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ("greet Ada", "Hello Ada"),
        ("greet Ada Hi", "Hi Ada"),
        ("greet Ada Hi Bob Eve", "Hi Ada Bob Eve"),
        ("show", "1 0.5 . False True None None ()"),
        ("show --count 7 --ratio 2 --where /tmp", "7 2.0 /tmp False True None None ()"),
        ("show --loud --no-color --who me --what 3", "1 0.5 . True False me 3 ()"),
        ("show --odd text", "1 0.5 . False True None None text"),
        ("need --the-name x", "x"),
        ("import", "import"),
        ("unresolved 7", "'7'"),
    ],
)
def test_a_function_of_the_project_is_a_command(arguments: str, output: str, call: Call) -> None:
    assert call(*arguments.split()) == (0, output + "\n", "")


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("greet", "greet: the following arguments are required: NAME"),
        ("need", "need: the following arguments are required: --the-name"),
        ("show --ratio x", "argument --ratio: invalid float value: 'x'"),
        ("keywords", "keywords takes **options, which has no form on a command line"),
        ("_private", "unknown command '_private'"),
        ("getcwd", "unknown command 'getcwd'"),
        ("HELPER", "unknown command 'HELPER'"),
        ("gret", "did you mean greet?"),
    ],
)
def test_mistakes_with_it_are_told_alike(
    arguments: str, message: str, refuse: Callable[..., str]
) -> None:
    assert message in refuse(*arguments.split())


@pytest.mark.usefixtures("commands")
def test_it_is_listed_with_the_first_line_of_its_docstring(call: Call) -> None:
    _, output, _ = call("commands")
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in output.splitlines()}
    assert rows["greet"].startswith("Greet people. 100% friendly.  ")
    assert rows["greet"].endswith("  commands.py")
    assert rows["import"] == "commands.py"
    assert rows["(addview)"] == "commands.py"  # hidden by the built-in one


@pytest.mark.usefixtures("commands")
def test_its_help_is_its_docstring_and_its_usage(call: Call) -> None:
    _, output, _ = call("help", "greet")
    assert output.startswith("usage: wsgikit greet NAME [GREETING] [OTHERS ...]\n\nGreet people.")
    assert "100% friendly.\n\nWith all their names." in output


def test_a_project_whose_commands_are_broken_still_has_the_others(
    commands: Path, call: Call, refuse: Callable[..., str]
) -> None:
    commands.write_text("def greet(:")
    assert "commands.py, line 1: SyntaxError" in refuse("greet")
    status, output, errors = call("commands")
    assert status == 2
    assert "createproject" in output
    assert "commands.py, line 1: SyntaxError" in errors
    assert call("addview", "fred")[0] == 0


def test_a_file_named_commands_elsewhere_is_not_run(here: Path, refuse: Callable[..., str]) -> None:
    (here / "commands.py").write_text("raise SystemExit('run')")
    assert "unknown command 'greet'" in refuse("greet")


@pytest.fixture
def installed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """An installed package with three commands, of which one cannot be loaded."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "wsgikit_test_extra.py").write_text(
        "def shout(text: str):\n    'Say it loud.'\n    print(text.upper())\n"
        "def fail(): raise CommandError('it failed')\n"
        "from wsgikit.cli import CommandError\n"
    )
    metadata = directory / "wsgikit_test_extra-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: wsgikit-test-extra\nVersion: 1"
    )
    (metadata / "entry_points.txt").write_text(
        "[wsgikit.commands]\nshout = wsgikit_test_extra:shout\nfail = wsgikit_test_extra:fail\n"
        "broken = wsgikit_test_extra:missing\n"
    )
    monkeypatch.syspath_prepend(directory)
    yield
    sys.modules.pop("wsgikit_test_extra", None)


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_commands(call: Call, refuse: Callable[..., str]) -> None:
    assert call("shout", "hello") == (0, "HELLO\n", "")
    assert refuse("fail") == "wsgikit: it failed\n"
    assert "cannot be loaded: AttributeError" in refuse("broken", "any", "argument")
    status, output, _ = call("commands")
    assert status == 0
    row = next(line for line in output.splitlines() if line.startswith("shout "))
    assert row.split("  ")[-1] == "wsgikit-test-extra"
    assert "Say it loud." in row


def test_a_command_that_fails_otherwise_shows_its_traceback(project: Path) -> None:
    """That is for its author."""
    (project / "commands.py").write_text("def fail(): raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


# -- createdb ----------------------------------------------------------------------------


def columns(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def test_tables_are_created_once(project: Path, call: Call) -> None:
    call("addmodelview", "employees")
    call("addmodelview", "offices")
    assert call("createdb") == (0, "created  employees\ncreated  offices\n", "")
    assert call("createdb") == (0, "exists   employees\nexists   offices\n", "")
    assert columns(project / "database.db", "employees") == ["id", "name"]


@pytest.mark.usefixtures("project")
def test_a_project_without_models_is_told_so(call: Call) -> None:
    assert call("createdb") == (0, "models/ describes no tables\n", "")


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("id, name, age, hat", "it also has age, hat"),
        ("id", "it lacks name"),
        ("id, age", "it lacks name; it also has age"),
    ],
)
def test_a_table_with_other_columns_is_told_of_and_left(
    stored: str, message: str, project: Path, call: Call
) -> None:
    call("addmodelview", "employees")
    with closing(sqlite3.connect(project / "database.db")) as connection:
        connection.execute(f"CREATE TABLE employees ({stored})")
    status, output, errors = call("createdb")
    expected = "differs  employees: it exists with other columns and is not altered; " + message
    assert (status, output, errors) == (0, expected + "\n", "")
    assert columns(project / "database.db", "employees") == stored.split(", ")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("models/a.py", "from dbconfig import", "models/a.py, line 1: SyntaxError"),
        ("models/a.py", "\nTabel", "models/a.py, line 2: NameError: name 'Tabel' is not defined"),
        ("models/a.py", "import nosuch", "models/a.py, line 1: ModuleNotFoundError: No module"),
        ("models/a.py", "raise ValueError('two\\nlines')", "line 1: ValueError: two"),
        ("models/a.py", "import json; json.loads('{')", "line 1: json.decoder.JSONDecodeError"),
        ("dbconfig.py", "import pymysql", "pip install 'wsgikit[mariadb]'"),
        ("dbconfig.py", "raise ValueError", "dbconfig.py, line 1: ValueError"),
        ("dbconfig.py", "metadata = 1", "dbconfig.py assigns nothing to the name 'engine'"),
    ],
)
def test_an_error_in_the_project_is_told_with_its_place(
    file: str,
    text: str,
    message: str,
    project: Path,
    refuse: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    (project / file).write_text(text)
    assert message in refuse("createdb")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nosuch/directory/x.db", "unable to open database file"),
        ("postgresql://u:secret@127.0.0.1:1/x", "the database cannot be used"),
        ("nonsense", "dbconfig.py, line"),
    ],
)
def test_a_database_that_cannot_be_reached_is_a_mistake(
    url: str, message: str, refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    line = refuse("createdb")
    assert message in line
    assert "secret" not in line


# -- serve and run -------------------------------------------------------------------------


@pytest.fixture
def database(here: Path) -> Path:
    path = here / "a b?.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT);"
            "INSERT INTO city VALUES (1, 'Berlin');"
            "CREATE TABLE note (text);"
            'CREATE TABLE "\x1b[31m" (id INTEGER PRIMARY KEY);'
            "CREATE VIEW names AS SELECT name FROM city;"
        )
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def visit(call: Call, *arguments: str, requests: Sequence[tuple[str, str, bytes]]) -> Any:
    """Call a command that serves, send requests, type Ctrl-C; give the answers and the output."""
    port, main_thread, ended = free_port(), threading.get_ident(), threading.Event()
    answers: list[tuple[int, str]] = []

    def client() -> None:
        for method, path, body in requests:
            answers.append(send(port, method, path, body, ended))
        if not ended.is_set():
            signal.pthread_kill(main_thread, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=client)
    thread.start()
    status, output, errors = call(*arguments, "--port", str(port))
    ended.set()
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert status == 0, errors
    return answers, output


def send(port: int, method: str, path: str, body: bytes, ended: threading.Event) -> tuple[int, str]:
    """Send a request as soon as there is a server."""
    while not ended.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionRefusedError:
            time.sleep(0.05)
        finally:
            connection.close()
    return 0, "the server has ended"


@pytest.mark.parametrize("url", ["a b?.db", "sqlite:///plain.db"])
def test_a_database_is_served_for_reading(url: str, database: Path, call: Call) -> None:
    database = database.rename(database.with_name(url.removeprefix("sqlite:///")))
    before = database.read_bytes()
    requests = [("GET", "/city/1", b""), ("POST", "/city/", b'{"name": "Rome"}')]
    answers, output = visit(call, "serve", url, requests=requests)
    assert answers[0] == (200, '{"id":1,"name":"Berlin"}')
    assert answers[1][0] == 405
    assert output.splitlines()[:-1] == [
        "\N{REPLACEMENT CHARACTER}[31m  table  read only",
        "city   table  read only",
        "names  view   read only: It is a view.",
        "note   table  read only: It has no primary key.",
        "Nothing can be changed: give --write to allow it.",
    ]
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_a_database_is_served_for_writing_when_asked(database: Path, call: Call) -> None:
    requests = [("POST", "/city/", b'{"name": "Rome"}'), ("GET", "/city/2", b"")]
    answers, output = visit(call, "serve", database.name, "--write", requests=requests)
    assert [status for status, _ in answers] == [201, 200]
    assert "city   table  read and write\n" in output
    assert "--write" not in output
    with closing(sqlite3.connect(database)) as connection:  # which may be read meanwhile
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_a_database_of_a_server_is_served(
    server: str, call: Call, request: pytest.FixtureRequest
) -> None:
    engine: Engine = request.getfixturevalue(f"{server}_engine")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE city (id INTEGER PRIMARY KEY, name VARCHAR(9))")
        connection.exec_driver_sql("INSERT INTO city VALUES (1, 'Berlin')")
    full = engine.url.render_as_string(hide_password=False)
    url = f"{server}://" + full.partition("://")[2]  # without the driver
    answers, output = visit(call, "serve", url, requests=[("GET", "/city/1", b"")])
    assert answers == [(200, '{"id":1,"name":"Berlin"}')]
    assert output.startswith("city  table  read only\n")


def test_a_database_without_tables_is_a_mistake(here: Path, refuse: Callable[..., str]) -> None:
    (here / "empty.db").write_bytes(b"")
    assert "the database has no tables" in refuse("serve", "empty.db")


def test_a_file_that_is_no_database_is_a_mistake(here: Path, refuse: Callable[..., str]) -> None:
    (here / "no.db").write_text("This is not a database, but a text.")
    assert "the database cannot be used: file is not a database" in refuse("serve", "no.db")


@pytest.mark.parametrize("module", ["psycopg", "pymysql"])
def test_a_missing_driver_is_a_mistake_that_says_what_to_install(
    module: str, refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    name = {"psycopg": "postgresql", "pymysql": "mariadb"}[module]
    assert f"pip install 'wsgikit[{name}]'" in refuse("serve", f"{name}://host/name")


def test_the_home_page_of_a_servers_database_has_its_name() -> None:
    engine = cli._connect("postgresql://u:p@127.0.0.1/shop", False)
    assert cli._title(engine) == "shop"
    assert engine.url.drivername == "postgresql+psycopg"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (io.StringIO, "Read 50 of 120 tables\nRead 100 of 120 tables\n"),
        (Terminal, "\r\x1b[KReading 120 of 120 tables: t119\r\x1b[K"),
    ],
)
def test_a_large_schema_shows_progress(
    stream: type[io.StringIO], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = stream()
    monkeypatch.setattr(sys, "stderr", shown)
    with cli._progress() as progress:
        for number in range(120):
            progress(number, 120, f"t{number}")
    assert shown.getvalue().endswith(expected)


@pytest.mark.usefixtures("project")
def test_a_project_is_run(call: Call) -> None:
    call("addview", "fred", "--type", "json")
    answers, output = visit(call, "run", "--no-reload", requests=[("GET", "/fred/", b"")])
    assert answers == [(200, '{"message":"Hello World!"}')]
    assert output.startswith("Serving on http://127.0.0.1:")


def test_a_reader_may_have_seen_enough() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "wsgikit", "commands"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
