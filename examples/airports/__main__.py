"""Load the airports, if that is not done yet, and serve them until Ctrl-C."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from examples.airports import make_app
from wsgikit.server import ServerError, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status."""
    parser = ArgumentParser(prog="python -m examples.airports", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="the port (default: %(default)s)")
    parser.add_argument("--database", type=Path, help="the SQLite file (default: one in .cache)")
    options = parser.parse_args(arguments)
    try:
        from examples.airports import loading  # it needs airportsdata, which may be missing
    except ModuleNotFoundError as error:
        if error.name != "airportsdata":
            raise
        return _complain("the airports are in a package: pip install airportsdata")
    path = options.database or loading.default_path()
    try:
        if not loading.load(path, show_progress):
            print(f"The airports are in {path} already.")
        serve(make_app(loading.connect(path)), options.host, options.port)
    except (ServerError, OSError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def show_progress(loaded: int, total: int) -> None:
    """Say how many airports are loaded: in one line on a terminal, else now and then."""
    text = f"Loading {loaded:,} of {total:,} airports"
    if sys.stdout.isatty():
        print(f"\r{text}", end="" if loaded < total else "\n", flush=True)
    elif loaded % 10_000 == 0 or loaded == total:
        print(text, flush=True)


def _complain(message: str) -> int:
    print(f"airports: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
