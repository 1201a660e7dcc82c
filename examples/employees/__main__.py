"""A project wired by hand: two tables, and a page of its own, in a ``dispatcher.py``.

Run it with ``python examples/employees``, then open the address that it prints.  It is what
``wsgikit createproject`` makes, but for the views that are found by name, so in this directory
``wsgikit createdb`` and ``wsgikit run`` do the same, and start anew when a file changes.

Read ``dispatcher.py`` first, then ``models/`` and ``dbconfig.py``.
"""

import sys

from dbconfig import engine, metadata
from dispatcher import app

from wsgikit.server import serve

if __name__ == "__main__":
    metadata.create_all(engine)
    serve(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
