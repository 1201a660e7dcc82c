"""Serve Twooter for one person at a desk."""

import os

from examples.twooter import make_app
from wsgikit.server import run

if __name__ == "__main__":
    run(make_app(), port=int(os.environ.get("PORT", "8080")), reload=False)
