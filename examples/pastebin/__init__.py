"""A pastebin: one table, and templates that show it in another way than the built-in ones.

Run it with ``python -m examples.pastebin`` from the checkout (``pip install pygments`` first), then
open the address that it prints.  The same URLs speak JSON, and ``/1;raw`` is the code alone:

    curl -H 'Content-Type: application/json' -d '{"code": "print(1)"}' http://127.0.0.1:8000/
    curl 'http://127.0.0.1:8000/1;raw'

What to look at: the list is the form, too (``templates/list.html``); the code is highlighted by a
function that templates get (`Pages`), with a style sheet that is served beside wsgikit's own, so
no page needs a style of its own and the strict Content-Security-Policy holds.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from genshi.core import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from webob import Request, Response

from wsgikit.dispatcher import Dispatcher
from wsgikit.media import Asset, MediaType
from wsgikit.media.forms import FormParser
from wsgikit.media.html import HTMLRenderer
from wsgikit.media.json import JSON
from wsgikit.model import decode_key
from wsgikit.model_collection import ModelCollection
from wsgikit.security import SecurityHeaders
from wsgikit.sql import TableModel

#: What the menu offers, and what Pygments calls it.
LANGUAGES = {
    "Plain text": "text",
    "Bash": "bash",
    "C": "c",
    "C++": "cpp",
    "CSS": "css",
    "Diff": "diff",
    "Go": "go",
    "Haskell": "haskell",
    "HTML": "html",
    "Java": "java",
    "JavaScript": "javascript",
    "JSON": "json",
    "Python": "python",
    "Ruby": "ruby",
    "Rust": "rust",
    "SQL": "sql",
    "TOML": "toml",
    "YAML": "yaml",
}

metadata = sa.MetaData()
table = sa.Table(
    "bin",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # Every view of a paste highlights it anew: the limit is on the time that takes, too.
    sa.Column("code", sa.Text(100_000), nullable=False),
    sa.Column(
        "language",
        sa.Enum(*LANGUAGES, native_enum=False, length=40),
        nullable=False,
        default="Plain text",
    ),
    sa.Column("filename", sa.String(100)),
)

formatter = HtmlFormatter(cssclass="code", linenos="inline", wrapcode=True)
dark = HtmlFormatter(cssclass="code", style="github-dark")


def show_code(row: dict[str, Any]) -> Markup:
    """Highlight the code of a row; Pygments escapes it."""
    lexer = get_lexer_by_name(LANGUAGES.get(row["language"], "text"), stripnl=False)
    return Markup(highlight(row["code"], lexer, formatter))


def style_sheet() -> Asset:
    """Return the colours of the code, and what else the pages need."""
    extra = Path(__file__).with_name("pastebin.css").read_text(encoding="utf-8")
    light_colours, dark_colours = formatter.get_style_defs(), dark.get_style_defs()
    text = f"{extra}\n{light_colours}\n@media (prefers-color-scheme: dark) {{\n{dark_colours}\n}}\n"
    body = text.encode()
    return Asset("text/css; charset=utf-8", body, sha256(body).hexdigest()[:16])


class Pages(HTMLRenderer):
    """Pages from the templates here, which can also call ``show_code(row)``."""

    def __init__(self) -> None:
        super().__init__(Path(__file__).with_name("templates"))
        self.assets = {**self.assets, "code": style_sheet()}

    def __call__(self, value: Any, request: Request) -> bytes:
        request.environ.setdefault("wsgikit.context", {})["show_code"] = show_code
        return super().__call__(value, request)


class Pastebin(ModelCollection):
    """Pastes can be made and read; nobody can change them."""

    update = patch = delete = None
    get_new_form = get_edit_form = get_delete_form = None

    def get_raw(self, request: Request, id: str) -> Response:
        """Answer the code alone."""
        row = self.model.retrieve(decode_key(id, self.model.fields[:1]))
        return Response(row["code"], content_type="text/plain", charset="utf-8")


def make_app(engine: sa.Engine) -> SecurityHeaders:
    """Return the application; it makes the table if there is none."""
    metadata.create_all(engine)
    html = MediaType("text/html", Pages(), FormParser())
    app = Dispatcher()
    pastes = Pastebin(
        TableModel(table, engine, label="filename"), media=[html, JSON], title="Pastes"
    )
    app.add("/[{id:digits}][;{noun}]", pastes)
    return SecurityHeaders(app)
