"""Run a program that serves, as a user would, and give the URL that it prints."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def serving(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    directory: Path = ROOT,
) -> Iterator[str]:
    """Run Python with these arguments in a directory until the block ends.

    Gives the first URL that is printed, without a slash at the end.  The program must end by
    itself at Ctrl-C, and must have written no traceback.
    """
    found = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    command = [sys.executable, "-u", *arguments]
    with subprocess.Popen(
        command, cwd=directory, env=found, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            urls = (re.search(r"http://[\w.:]+", line) for line in process.stdout)
            url = next((match[0] for match in urls if match), None)
            if url is not None:
                yield url
        finally:
            errors = _interrupt(process)
    assert url is not None, errors
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors


def _interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and give what was written to stderr."""
    # While wsgiref answers it catches everything, a signal too: let it come to an end.
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=30)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        raise
