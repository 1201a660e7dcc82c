"""Problems: HTTP errors as RFC 9457 has them, for programs and for people."""

import logging
from html import escape
from json import dumps
from typing import Any

from webob import Request, Response
from webob.exc import HTTPClientError, HTTPException

from wsgikit.media.answers import HTML_TYPE, header_pairs, is_header
from wsgikit.media.kinds import Media, MediaType, media_types
from wsgikit.media.negotiation import choose, format_of

_log = logging.getLogger("wsgikit.media")


def problem(
    request: Request, error: HTTPException, media: Media | None = (), **members: Any
) -> Response:
    """Describe an HTTP error: RFC 9457 JSON for programs, a page for people.

    People are those whose `Accept` prefers HTML, or who asked for `?format=html`; also all who
    do not say, where HTML is all there is. The page is made by the HTML renderer in *media*
    (its `problem.html`), or by a minimal one.

    Args:
        error: Its status, headers and detail (else explanation) are kept. Neither is HTML.
        members: Further members of the problem, such as `errors`.

    Never raises, so it can stand in an `except` clause.
    """
    source = error.wsgi_response
    title = getattr(error, "title", "") or source.status.partition(" ")[2]
    core = {"type": "about:blank", "title": str(title), "status": source.status_int}
    document = {**core, "detail": _detail(error) or str(title), **members}
    own, body = _represent(request, document, media_types(media))
    vary = ["Accept", *filter(None, [own.pop("Vary", "")]), *source.headers.getall("Vary")]
    lines = [*own.items(), ("Content-Length", str(len(body)))]
    lines += [
        (key, value)
        for key, value in source.headerlist
        if key.lower() not in ("content-type", "content-length", "vary") and is_header(key, value)
    ]
    lines.append(("Vary", ", ".join(vary)))
    return Response(status=source.status, headerlist=lines, app_iter=[body])


def _detail(error: HTTPException) -> str:
    explanation = getattr(error, "explanation", "")
    # What WebOb says of every client error that has no explanation explains nothing.
    if explanation == HTTPClientError.explanation:
        explanation = ""
    return str(getattr(error, "detail", "") or explanation)


def _represent(
    request: Request, document: dict[str, Any], media: tuple[MediaType, ...]
) -> tuple[dict[str, str], bytes]:
    pages = [offer for offer in media if offer.renderer and offer.format == "html"]
    others = [offer for offer in media if offer.renderer and offer.format != "html"]
    if not _wants_page(request, bool(pages and not others)):
        return {"Content-Type": "application/problem+json"}, _problem_json(document)
    try:
        for page in pages:
            return _problem_page(request, document, page)
    except Exception:
        _log.exception("The page for a problem could not be rendered: %s", document["title"])
    return dict([HTML_TYPE]), _minimal_page(document)


def _wants_page(request: Request, page_first: bool) -> bool:
    try:
        wanted = format_of(request)
    except HTTPException:
        wanted = ""
    if wanted in ("html", "json"):
        return wanted == "html"
    names = ["application/problem+json", "application/json"]
    names.insert(0 if page_first else 2, "text/html")
    return choose(request.environ.get("HTTP_ACCEPT", ""), tuple(names)) == "text/html"


def _problem_json(document: dict[str, Any]) -> bytes:
    try:
        text = dumps(document, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError):
        _log.exception("The members of a problem cannot be written as JSON.")
        core = {name: document[name] for name in ("type", "title", "status", "detail")}
        text = dumps(core, default=str)
    # A lone surrogate cannot be UTF-8; escaped as \udXXX it is JSON.
    return text.encode("utf-8", "backslashreplace")


def _problem_page(
    request: Request, document: dict[str, Any], page: MediaType
) -> tuple[dict[str, str], bytes]:
    environ = {**request.environ, "wsgikit.action": "problem"}
    # The template variables of the action that failed are none of the problem's.
    environ.pop("wsgikit.context", None)
    assert page.renderer is not None  # _represent() takes no other
    asked = Request(environ)
    body = page.renderer(document, asked)
    headers = getattr(page.renderer, "headers", lambda value, request: ())
    own = dict([HTML_TYPE, *header_pairs(headers(document, asked))])
    return own, body if isinstance(body, bytes) else b"".join(body)


def _minimal_page(document: dict[str, Any]) -> bytes:
    heading = escape(f"{document['status']} {document['title']}")
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n</head>\n<body>\n<main>\n"
        f"<h1>{heading}</h1>\n<p>{escape(str(document['detail']))}</p>\n"
        f"</main>\n</body>\n</html>\n"
    )
    return page.encode("utf-8", "replace")
