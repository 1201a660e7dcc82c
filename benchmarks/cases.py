"""The cases: what wsgikit does, against a bare WSGI function that does the same by hand."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import Case


@contextmanager
def cases() -> Iterator[list[Case]]:
    """Build every case, with its database, for the length of the block."""
    yield []
