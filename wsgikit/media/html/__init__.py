"""Pages for people: `HTML()`, from Genshi templates that a project overrides one by one.

Use it alone to render templates from a WSGI application; with a collection, every action has
a page without any template of your own.

    from webob import Request
    from wsgikit.media.html import HTMLRenderer

    render = HTMLRenderer("templates")
    page = render({"id": 7, "name": "Ada <Lovelace>"}, Request.blank("/people/7"))
    assert b"<dd dir=\"auto\">Ada &lt;Lovelace&gt;</dd>" in page

The template is `<action>.html`, the action being `environ["wsgikit.action"]`: looked up in the
directories given, then among the built-in ones, and `default.html` where there is none.
Its variables are those of `environ["wsgikit.context"]`, or else the keys of the value, and the
helpers that `Helpers` lists.  `wsgikit.url` and `wsgikit.url_for` are read to make links.

Everything is escaped.  What Genshi leaves open is closed here: Python blocks and expressions in
`script` and `style` are refused when a template is loaded, and a link whose scheme can run code
(`javascript:`) loses its target.

The parts: `loading` (templates), `languages` and `messages` (texts, numbers and dates),
`describing` and `helpers` (what a template sees), `values` and `controls` (what becomes of a
cell), and `serializing`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from genshi.template import Context
from webob import Request, Response
from webob.exc import HTTPException, HTTPMethodNotAllowed

from wsgikit.media import Asset, MediaType, asset, problem, respond
from wsgikit.media.forms import FormParser
from wsgikit.media.html.controls import control
from wsgikit.media.html.describing import DEFAULTS, variables
from wsgikit.media.html.helpers import HELPERS, Helpers, Told
from wsgikit.media.html.languages import BUILT_IN, Languages
from wsgikit.media.html.loading import Templates
from wsgikit.media.html.serializing import serialize

__all__ = [
    "BUILT_IN",
    "HTML",
    "HTMLRenderer",
    "Helpers",
    "Told",
    "assets",
    "control",
    "page",
    "serialize",
]

#: Included by pages, and no pages themselves.
PARTS = frozenset({"layout", "field", "search", "table", "pager", "import", "default"})


def HTML(
    *directories: str | os.PathLike[str], languages: str | Sequence[str] | None = None
) -> MediaType:
    """Make the media type `text/html` with templates from *directories* and forms to parse.

    Args:
        directories: See `HTMLRenderer`.
        languages: See `HTMLRenderer`.
    """
    return MediaType("text/html", HTMLRenderer(*directories, languages=languages), FormParser())


class HTMLRenderer:
    """Renders a value with the template of the action that returned it.

    Args:
        directories: Where a project's templates are, in order; they need not exist yet.  A file
            is read again when it changes, and a new one is noticed.
        languages: The one language of the pages, such as `"de"`; or those on offer, the first
            for whoever wants none of them; by default all that there are texts in, as the
            request's `Accept-Language` says.

    In a template, `<xi:include href="wsgikit/list.html"/>` is the built-in one, whatever the
    directories hold.
    """

    def __init__(
        self,
        *directories: str | os.PathLike[str],
        languages: str | Sequence[str] | None = None,
    ) -> None:
        self.assets: Mapping[str, Asset] = assets()
        self._directories = [Path(directory).absolute() for directory in directories]
        self._languages = Languages(languages, self._directories)
        self._templates: dict[str, Templates] = {}

    def __call__(self, value: Any, request: Request) -> bytes:
        """Render a page, as UTF-8."""
        action = request.environ.get("wsgikit.action", "default")
        described = action != "problem" and "wsgikit.context" in request.environ
        language = self._languages.of(request)
        templates = self._templates.get(language.tag)
        if templates is None:
            made = Templates(self._directories, language)
            templates = self._templates.setdefault(language.tag, made)
        # A value of a view that happens to be called "home" is not what home.html shows.
        page = "default" if action == "home" and not described else action
        template = templates.load(self._name_of(page, templates))
        own = Path(template.filepath).parent != BUILT_IN
        context = Context()
        helpers = Helpers(request, self.assets, value, action, context, language)
        context.frames[0].update(
            {**DEFAULTS, **variables(value, request, action, own)}
            | dict(context.frames[0])
            | {name: getattr(helpers, name) for name in HELPERS}
        )
        text = serialize(template.generate(context))
        # NUL and lone surrogates have no place in HTML: a parser would replace or drop them.
        return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace")

    def headers(self, value: Any, request: Request) -> Sequence[tuple[str, str]]:
        """Give the headers that tell the language, and that it was chosen."""
        found = [("Content-Language", self._languages.of(request).tag)]
        return [*found, ("Vary", "Accept-Language")] if self._languages.vary else found

    def _name_of(self, action: str, templates: Templates) -> str:
        if action.isidentifier() and action not in PARTS:
            name = f"{action}.html"
            if templates.has(name):
                return name
        return "default.html"


def page(template: str | os.PathLike[str], *directories: str | os.PathLike[str]) -> WSGIApplication:
    """Make a WSGI application that shows one template.

    ``app.add("/about/", page("templates/about.html"))``: its variables are those of the URI
    template, and it can call the helpers.  It has an ETag, by which it is sent once, or in parts.

    Args:
        template: The file.
        directories: Where else its includes are looked for, after the directory that it is in.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = Path(template).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"there is no template {os.fspath(template)!r} ({path})")
    kind = MediaType("text/html", _PageRenderer(path, *directories))

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgikit.action"] = path.stem
        return _show_page(Request(environ), kind)(environ, start_response)

    return app


class _PageRenderer(HTMLRenderer):
    """Renders whatever it gets with one template, but for problems."""

    def __init__(self, path: Path, *directories: str | os.PathLike[str]) -> None:
        super().__init__(path.parent, *directories)
        self._page = path.name

    def _name_of(self, action: str, templates: Templates) -> str:
        return super()._name_of(action, templates) if action == "problem" else self._page


def _show_page(request: Request, kind: MediaType) -> Response:
    if request.method not in ("GET", "HEAD"):
        headers = [("Allow", "GET, HEAD")]
        error = HTTPMethodNotAllowed("That method is not for this page.", headers=headers)
        return problem(request, error, kind)
    try:
        found = asset(request, kind)
        if found is None:
            found = respond(dict(request.urlvars), request, kind)
            if request.method == "GET":  # for HEAD nothing was rendered
                found.etag = sha256(found.body).hexdigest()[:22]  # 88 bits
                found.conditional_response = True
        return found
    except HTTPException as error:
        return problem(request, error, kind)


@cache
def assets() -> Mapping[str, Asset]:
    """Read the style sheet (Pico, and our own rules) and the script."""
    names = ("pico.classless.min.css", "style.css")
    style = b"\n".join((BUILT_IN / name).read_bytes() for name in names)
    script = (BUILT_IN / "script.js").read_bytes()
    return {"css": _asset("text/css", style), "js": _asset("text/javascript", script)}


def _asset(name: str, body: bytes) -> Asset:
    return Asset(f"{name}; charset=utf-8", body, sha256(body).hexdigest()[:16])
