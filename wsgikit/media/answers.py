"""Answers: data rendered, streams begun and closed, the assets of renderers."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob import Request, Response
from webob.exc import HTTPException

from wsgikit.media.kinds import TOKEN, Asset, Headers, Media, MediaType, close, media_types
from wsgikit.media.negotiation import format_of, negotiate, query_pairs
from wsgikit.media.rows import rows_of

_HEADER_NAME = re.compile(TOKEN)
_UNSAFE_VALUE = re.compile(r"[\x00\r\n]|[^\x00-\xff]")


def respond(
    value: Any, request: Request, media: Media, status: int = 200, headers: Headers = ()
) -> Response:
    """Render *value* in the negotiated media type.

    What a renderer yields is streamed; its first chunk is made here, so that an error before it
    is raised and can still be answered. For HEAD nothing is rendered at all.

    Args:
        value: What the renderers take.
        status: One whose response has a body.
        headers: Added to those of the renderer, `Content-Type`, `Content-Length` and `Vary`;
            they win over the first two.

    Raises:
        HTTPBadRequest, HTTPNotAcceptable: As `negotiate()`.
        ValueError: A header has a line break, a NUL, or characters beyond Latin-1.
        Exception: Whatever the renderer raises before its first chunk.
    """
    media = media_types(media)
    offer = negotiate(request, media)
    assert offer.renderer is not None  # negotiate() offers nothing else
    own = getattr(offer.renderer, "headers", None)
    varies = sum(other.renderer is not None for other in media) > 1
    lines = _header_lines(offer.name, own(value, request) if own else (), headers, varies)
    if request.method == "HEAD":
        # RFC 9110, 9.3.2: what only rendering would tell, such as the length, may be left out.
        close(rows_of(value))
        return Response(status=status, headerlist=lines, app_iter=[])
    body = offer.renderer(value, request)
    if isinstance(body, bytes):
        lines.append(("Content-Length", str(len(body))))
        return Response(status=status, headerlist=lines, app_iter=[body])
    return Response(status=status, headerlist=lines, app_iter=_Stream(body))


def _header_lines(name: str, own: Headers, headers: Headers, varies: bool) -> list[tuple[str, str]]:
    lines = {"content-type": ("Content-Type", _with_charset(name))}
    lines |= {key.lower(): (key, value) for key, value in header_pairs(own)}
    vary = ["Accept"] if varies else []
    vary += [value for _, value in [lines.pop("vary", ("", ""))] if value]
    given = []
    for key, value in header_pairs(headers):
        if key.lower() == "vary":
            vary.append(value)
        elif key.lower() != "content-length":
            lines.pop(key.lower(), None)
            given.append((key, value))
    return [*lines.values(), *given, *([("Vary", ", ".join(vary))] if vary else [])]


def header_pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    for key, value in headers.items() if isinstance(headers, Mapping) else headers:
        if not is_header(key, value):
            raise ValueError(f"Not a header line: {key!r}: {value!r}. Percent-encode its value.")
        yield key, value


def is_header(name: str, value: str) -> bool:
    """Say whether a header line can be sent as it is: no line breaks, no NUL, Latin-1."""
    return bool(_HEADER_NAME.fullmatch(name)) and not _UNSAFE_VALUE.search(value)


def _with_charset(name: str) -> str:
    return f"{name}; charset=utf-8" if name.startswith("text/") and ";" not in name else name


def answer(result: Any, request: Request, media: Media | None = ()) -> WSGIApplication:
    """Turn what a view or a collection method returned into a WSGI application.

    Args:
        result: A WSGI application (returned as it is); text or bytes (HTML, UTF-8); an iterator
            of either (streamed, a chunk an item); with *media*: what its renderers take.

    Raises:
        HTTPException: From `respond()`, or what an iterator raises before its first chunk.
        TypeError: *result* is nothing of these.
    """
    if callable(result):
        app: WSGIApplication = result
        return app
    if isinstance(result, str | bytes):
        body = _chunk(result)
        length = ("Content-Length", str(len(body)))
        return Response(headerlist=[HTML_TYPE, length], app_iter=[body])
    if isinstance(result, Iterator):
        return Response(headerlist=[HTML_TYPE], app_iter=_Stream(result))
    media = media_types(media)
    if not media:
        raise TypeError(
            f"Cannot answer with {type(result).__name__}: return a response, text, bytes or an "
            "iterator of those, or give media types that render it (media=[JSON])."
        )
    return respond(result, request, media)


def without_body(app: WSGIApplication) -> WSGIApplication:
    """Answer HEAD with the headers of *app*, which is closed after its first chunk."""

    def headers_only(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(*args: Any) -> Callable[[bytes], object]:
            start_response(*args)
            return lambda _chunk: None

        chunks = app(environ, start)
        try:
            # A generator does not start the response before it is asked for a chunk.
            next(iter(chunks), None)
        finally:
            close(chunks)
        return []

    return headers_only


HTML_TYPE = ("Content-Type", "text/html; charset=utf-8")


class _Stream:
    """Chunks as bytes. The first is made at once, so that an early error is still an answer."""

    def __init__(self, source: Iterable[str | bytes]) -> None:
        self._source = source
        chunks = iter(source)
        try:
            first = [*islice(chunks, 1)]
        except BaseException:
            self.close()
            raise
        self._chunks = map(_chunk, chain(first, chunks))

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Close the source (PEP 3333), for the sake of what it holds open."""
        close(self._source)


def _chunk(chunk: str | bytes) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode("utf-8")
    if isinstance(chunk, bytes):
        return chunk
    raise TypeError(f"A stream yields text or bytes, not {type(chunk).__name__}.")


def asset(request: Request, media: Media) -> Response | None:
    """Answer `?format=css`, or another asset of a renderer in *media*; None when it is not one.

    With the asset's version as `v` the answer may be cached for ever, else it is revalidated.
    """
    try:
        wanted = format_of(request)
    except HTTPException:
        return None  # negotiate() is going to say what is wrong with the query string
    if not wanted or request.method not in ("GET", "HEAD"):
        return None
    found = _find_asset(wanted, media_types(media))
    if found is None:
        return None
    versions = [value for name, value in query_pairs(request.query_string) if name == "v"]
    return _serve(found, versions == [found.version])


def _find_asset(wanted: str, media: tuple[MediaType, ...]) -> Asset | None:
    assets: dict[str, Asset] = {}
    for offer in media:
        assets.update(getattr(offer.renderer, "assets", {}))
    if any(offer.format == wanted for offer in media):
        return None
    return assets.get(wanted)


def _serve(found: Asset, current: bool) -> Response:
    lines = [
        ("Content-Type", found.content_type),
        ("Content-Length", str(len(found.body))),
        ("Cache-Control", "public, max-age=31536000, immutable" if current else "no-cache"),
        ("ETag", f'"{found.version}"'),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(headerlist=lines, app_iter=[found.body], conditional_response=True)
