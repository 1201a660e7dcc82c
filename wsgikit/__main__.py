"""``python -m wsgikit`` is the ``wsgikit`` command."""

import sys

from wsgikit.cli import main

if __name__ == "__main__":
    sys.exit(main())
