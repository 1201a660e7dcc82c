"""Fixtures: real databases, a served application, a real browser. And: no silent skips in CI."""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from ctypes.util import find_library
from pathlib import Path
from typing import Any, TypeVar
from wsgiref.types import WSGIApplication

import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from tests import servers

# Skips that are right even where everything is installed: parts of the reason.
ALLOWED_SKIPS = ("needs Python 3.", "needs the checkout")

BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True)
def _engines_are_disposed() -> Iterator[None]:
    """Close what a test's own engines keep open; from Python 3.13 on sqlite3 complains."""
    engines: set[Engine] = set()

    def note(connection: Connection) -> None:
        engines.add(connection.engine)

    event.listen(Engine, "engine_connect", note)
    yield
    event.remove(Engine, "engine_connect", note)
    for engine in engines:
        engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite file, with foreign keys enforced as a generated project does."""
    engine = create_engine(f"sqlite:///{tmp_path / 'database.db'}")
    event.listen(engine, "connect", enforce_foreign_keys)
    yield engine
    engine.dispose()


def enforce_foreign_keys(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


@pytest.fixture
def postgresql_engine(postgresql_url: str) -> Iterator[Engine]:
    """An empty PostgreSQL database."""
    servers.empty_postgresql(postgresql_url)
    engine = create_engine(postgresql_url)
    yield engine
    engine.dispose()


@pytest.fixture
def mariadb_engine(mariadb_url: str) -> Iterator[Engine]:
    """An empty MariaDB database; skips when the server is not installed."""
    servers.empty_mariadb(mariadb_url)
    engine = create_engine(mariadb_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """An empty database, once in SQLite, once in PostgreSQL, once in MariaDB."""
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    try:
        with servers.postgresql() as url:
            yield url
    except servers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    try:
        with servers.mariadb() as url:
            yield url
    except servers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def serve() -> Iterator[Callable[[WSGIApplication], str]]:
    """Serve applications until the test ends: ``url = serve(app)``, without a slash at the end."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(servers.http(app))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright: ``page = browser.new_page()``.

    For a module only, since Playwright keeps an asyncio loop running in the main thread,
    which Django, for one, takes as a sign that it must not block.
    """
    executable = shutil.which("chromium")
    if executable is None or find_library("atomic") is None:  # Playwright's Node.js wants that
        pytest.skip("browser tests need a browser: apt-get install chromium libatomic1")
    from playwright.sync_api import sync_playwright  # slow to import, and few tests need it

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that is skipped because something is missing has failed."""
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for modules that are skipped whole."""
    return refuse_skip((yield))


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def refuse_skip(report: Report) -> Report:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"CI runs every test, but this one says: {reason}"
    return report
