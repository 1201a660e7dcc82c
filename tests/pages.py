"""What the tests of pages share: a media type that keeps what a template would see."""

from collections.abc import Mapping
from typing import Any

from webob import Request, Response

from tests.cities import Client, mounted
from wsgikit.media import MediaType
from wsgikit.media.csv import CSV
from wsgikit.media.forms import FormParser
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model_collection import ModelCollection

#: As a browser sends it.
HTML_FIRST = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


class Pages:
    """Asks as a browser does, and keeps what the template of the answer sees.

    Attributes:
        seen: The variables of the last page.
        action: Its action, which is the name of its template.
    """

    def __init__(self) -> None:
        self.media = [MediaType("text/html", self._render, FormParser()), JSON, CSV, NDJSON]
        self.seen: Mapping[str, Any] = {}
        self.action = ""
        self.ask: Client

    def _render(self, value: Any, request: Request) -> bytes:
        self.seen = request.environ.get("wsgikit.context", {})
        self.action = request.environ["wsgikit.action"]
        return b"A page."

    def mount(self, *collections: tuple[str, Any], **options: Any) -> "Pages":
        """Serve models, all with the same options, at their names."""
        made = ((name, ModelCollection(m, media=self.media, **options)) for name, m in collections)
        self.ask = mounted(*made)
        return self

    def __call__(self, path: str) -> Mapping[str, Any]:
        """Give what the page at a path sees."""
        response = self.ask("GET", path, Accept=HTML_FIRST)
        assert response.status_int == 200, response.text
        assert response.content_type == "text/html"
        return self.seen

    def post(self, path: str, form: Any, **headers: str) -> Response:
        """Send a form."""
        self.seen = {}
        return self.ask("POST", path, form=form, Accept=HTML_FIRST, **headers)
