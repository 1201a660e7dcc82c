"""Three WSGI wrappers that make any application safer: against other sites, with headers, in size.

Use them around any WSGI application, ours or not; they import nothing but the standard library.

    from wsgikit.security import CrossOriginProtection, MaxBody, SecurityHeaders

    def hello(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello"]

    app = SecurityHeaders(CrossOriginProtection(MaxBody(hello)))

`CrossOriginProtection` refuses what another site's page makes a browser send (403).
`SecurityHeaders` adds the response headers that switch on a browser's own defences.
`MaxBody` refuses request bodies that are too large (413).

Collections that take forms apply the rule of `CrossOriginProtection` by themselves.
No environ keys of ours are read or written; `MaxBody` replaces ``wsgi.input``.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# RFC 9110 9.2.1: the methods that ask for nothing but an answer.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

#: Pages may load styles, scripts and images from their own site only, send forms only to it,
#: and stand in nobody's frame.  ``data:`` images are what style sheets draw their icons with.
DEFAULT_CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; connect-src 'self'"
)

#: What `SecurityHeaders` adds besides the Content-Security-Policy.
DEFAULT_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

#: 1 MiB, the default of nginx (``client_max_body_size``); Apache's is 1 GiB.
DEFAULT_MAX_BODY = 1024 * 1024

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@]+", re.IGNORECASE)
# RFC 9110 5.5: visible characters, spaces and tabs; never a line break.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PIECE = 64 * 1024

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class CrossOriginProtection:
    """Refuse unsafe requests that another site's page made a browser send: CSRF, without tokens.

    Browsers say where a request comes from.  A request with another method than GET, HEAD,
    OPTIONS or TRACE passes

    - when ``Sec-Fetch-Site`` is ``same-origin`` or ``none`` (typed in, or a bookmark);
    - where that header is absent: when ``Origin`` names the ``Host`` that was asked;
    - where both are absent: it does not come from a browser's page;
    - when ``Origin`` is one of *trusted_origins*.

    Everything else, ``same-site`` too, is answered 403.

    Args:
        app: The application to protect.
        trusted_origins: Other sites that may send forms here, as browsers write them:
            ``"https://forms.example.com"``, with neither path nor trailing slash.

    Raises:
        ValueError: If a trusted origin is not written that way.

    Source: W3C Fetch Metadata Request Headers, section 2.3; RFC 6454 section 7.
    """

    def __init__(self, app: WSGIApplication, trusted_origins: Iterable[str] = ()) -> None:
        self.app = app
        self.trusted_origins = frozenset(map(_checked_origin, _several(trusted_origins)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in SAFE_METHODS or self._is_welcome(environ):
            return self.app(environ, start_response)
        return _refuse(
            environ,
            start_response,
            "403 Forbidden",
            "The browser says that this request was made by a page of another site. "
            "Send it from a page of this site.",
        )

    def _is_welcome(self, environ: WSGIEnvironment) -> bool:
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin.lower() in self.trusted_origins:
            return True
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site is not None:
            return site in ("same-origin", "none")
        return origin is None or _is_own_origin(origin, environ)


class SecurityHeaders:
    """Add the headers that switch on a browser's defences; what the application sets itself stays.

    Args:
        app: The application whose responses get the headers.
        csp: The Content-Security-Policy; None leaves it out.
        headers: More headers, or other values for those of `DEFAULT_HEADERS`; the value None
            leaves a header out: ``{"X-Frame-Options": None, "Permissions-Policy": "camera=()"}``.

    Raises:
        ValueError: If a name or value cannot stand in a header.
    """

    def __init__(
        self,
        app: WSGIApplication,
        csp: str | None = DEFAULT_CSP,
        headers: Mapping[str, str | None] | None = None,
    ) -> None:
        self.app = app
        chosen: dict[str, tuple[str, str | None]] = {}
        for name, value in [
            ("Content-Security-Policy", csp),
            *DEFAULT_HEADERS.items(),
            *(headers or {}).items(),
        ]:
            chosen[name.lower()] = (name, value)
        self._headers = [_checked_header(n, v) for n, v in chosen.values() if v is not None]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            present = {name.lower() for name, _ in headers}
            added = [pair for pair in self._headers if pair[0].lower() not in present]
            return start_response(status, [*headers, *added], exc_info)

        return self.app(environ, start)


class BodyTooLarge(Exception):
    """Reading went past the limit of `MaxBody`; let it pass, and `MaxBody` answers 413."""


class MaxBody:
    """Answer 413 to a request whose body is larger than *limit*, and never read further than that.

    The announced length is looked at first, and what the application reads is counted, for a
    body may come without a length (chunked).  Beyond the limit, which one byte more must be read
    to know, reading raises `BodyTooLarge`; it becomes a 413 if the response has not begun.
    A ``Content-Length`` that is not a number is answered 400.

    Args:
        app: The application to protect.
        limit: The largest body that is let through, in bytes.

    Source: RFC 9110 section 15.5.14; RFC 9112 section 6.3.
    """

    def __init__(self, app: WSGIApplication, limit: int = DEFAULT_MAX_BODY) -> None:
        if limit < 0:
            raise ValueError(f"limit is a number of bytes, not {limit}")
        self.app = app
        self.limit = limit

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        announced = environ.get("CONTENT_LENGTH") or None
        if announced and not (announced.isascii() and announced.isdigit()):
            detail = "The Content-Length header is not a number of bytes."
            return _refuse(environ, start_response, "400 Bad Request", detail)
        # More than 18 digits is too large for any disk, and int() refuses more than 4,300.
        if announced and (len(announced) > 18 or int(announced) > self.limit):
            return self._refuse(environ, start_response)
        if _has_body(environ):
            return self._count(environ, start_response)
        return self.app(environ, start_response)

    def _count(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = _CountedInput(environ["wsgi.input"], self.limit)
        # WebOb would rewind the input that it finds, which this one cannot do.
        environ["webob.is_body_seekable"] = False

        begun = False

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            nonlocal begun
            begun = True
            return start_response(status, headers, exc_info)

        def refuse() -> Iterable[bytes]:
            return self._refuse(environ, start_response, sys.exc_info() if begun else None)

        try:
            return _Answer(self.app(environ, start), refuse)
        except BodyTooLarge:
            return refuse()

    def _refuse(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        exc_info: ExcInfo | None = None,
    ) -> Iterable[bytes]:
        detail = f"The request body is larger than {self.limit} bytes, the most that is taken here."
        return _refuse(environ, start_response, "413 Content Too Large", detail, exc_info)


class _Answer:
    """An application's answer; reading too far while it is produced becomes a refusal."""

    def __init__(self, chunks: Iterable[bytes], refuse: Callable[[], Iterable[bytes]]) -> None:
        self._close = getattr(chunks, "close", None)
        self._chunks = iter(chunks)
        self._refuse = refuse

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BodyTooLarge:
            self._chunks = iter(self._refuse())
            return next(self._chunks)

    def close(self) -> None:
        if self._close is not None:
            self._close()


class _CountedInput:
    """A ``wsgi.input`` that can be read up to a limit; one more byte raises `BodyTooLarge`."""

    def __init__(self, source: Any, limit: int) -> None:
        self._source = source
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        return self._counted(self._source.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._counted(self._source.readline, size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _counted(self, read: Callable[[int], bytes], size: int) -> bytes:
        most = self._left + 1
        data = read(most if size < 0 else min(size, most))
        self._left -= len(data)
        if self._left < 0:
            self._left = -1  # from now on not a single byte more is read
            raise BodyTooLarge("the request body is larger than the limit")
        return data


def _has_body(environ: WSGIEnvironment) -> bool:
    """Tell whether there may be something to read; a GET without a header saying so has nothing."""
    return (
        environ["REQUEST_METHOD"] not in SAFE_METHODS
        or bool(environ.get("CONTENT_LENGTH"))
        or "HTTP_TRANSFER_ENCODING" in environ
    )


def _is_own_origin(origin: str, environ: WSGIEnvironment) -> bool:
    """Tell whether *origin* names the host that the request was sent to.

    The scheme is not compared: behind a proxy that speaks TLS it is often not known here.
    """
    scheme, separator, host = origin.lower().partition("://")
    own = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    port = _DEFAULT_PORTS.get(scheme, "")
    return bool(separator) and host.removesuffix(port) == own.lower().removesuffix(port) != ""


def _several(origins: Iterable[str]) -> Iterable[str]:
    if isinstance(origins, str):
        raise TypeError(f"trusted_origins is a list of origins; write [{origins!r}]")
    return origins


def _checked_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"{origin!r} is not an origin: write scheme and host, 'https://forms.example.com'"
        )
    return origin.lower()


def _checked_header(name: str, value: str) -> tuple[str, str]:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{name!r}: {value!r} cannot be a header: it needs a name, and one line")
    return name, value


def _refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: str,
    detail: str,
    exc_info: ExcInfo | None = None,
) -> Iterable[bytes]:
    """Answer *status* with *detail*: one line of text for a browser, else a problem (RFC 9457)."""
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        kind, body = "text/plain; charset=utf-8", f"{status}\n\n{detail}\n".encode()
    else:
        title = status.partition(" ")[2]
        problem = {"type": "about:blank", "title": title, "status": int(status[:3])}
        kind, body = "application/problem+json", json.dumps({**problem, "detail": detail}).encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(status, headers, exc_info)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
