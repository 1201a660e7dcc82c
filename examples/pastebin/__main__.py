"""Serve the pastebin until Ctrl-C, with its pastes in pastebin.db."""

from argparse import ArgumentParser

from sqlalchemy import create_engine

from examples.pastebin import make_app
from wsgikit.server import serve

if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m examples.pastebin", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="the port (default: %(default)s)")
    options = parser.parse_args()
    serve(make_app(create_engine("sqlite:///pastebin.db")), port=options.port)
