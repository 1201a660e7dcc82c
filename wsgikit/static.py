"""static(): the files of a directory, as a WSGI application.

Use it alone, or below a prefix of a dispatcher; it needs the standard library only.

    from wsgikit.dispatcher import Dispatcher
    from wsgikit.static import static

    app = Dispatcher()
    app.add("/static|", GET=static("static"))

A file is served as it is, with its type, a validator (``ETag``, ``Last-Modified``), answers to
conditional requests (RFC 9110, 13) and to a request for one range of its bytes (RFC 9110, 14);
of several ranges none is taken, which the RFC allows: the answer is the whole file.

What is served is what has a name: there are no lists of directories, no file or directory whose
name starts with a dot, no way out of the directory, by ``..`` or by a link, and nothing that is
no regular file.  Each of these is 404, as if it were not there.

The files belong to whoever runs the application.  Do not serve files that users have sent in
from the same host as pages: an HTML or SVG file can act as the one who looks at it.

Reads ``PATH_INFO``.
"""

import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from mimetypes import MimeTypes
from typing import BinaryIO, NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Bytes that are read, and sent, at once.
CHUNK = 2**16

_log = logging.getLogger(__name__)

# Python's own table, so that a file has the same type on every machine, and what it lacks.
_TYPES = MimeTypes()
for _ending, _kind in {
    ".avif": "image/avif",
    ".csv": "text/csv",
    ".ico": "image/x-icon",
    ".js": "text/javascript",  # RFC 9239; Python 3.11 has the former name
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".otf": "font/otf",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}.items():
    _TYPES.add_type(_kind, _ending)

# A compressed file is what is asked for: as a Content-Encoding it would be unpacked on the way.
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}

# A backslash separates names on Windows, and a colon names drives and streams.
_UNSAFE = re.compile(r"[\0\\]" if os.sep == "/" else r"[\0\\:]")
# Not to wait for a writer where a name is that of a pipe, and to follow no link: none is left
# in a real path, unless somebody has just put it there.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)

# RFC 9110 8.8.3, 5.6.7, 14.1.2. More digits than these, no file has bytes.
_ETAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_DATE = re.compile(
    "[A-Z][a-z]{2,8}, [0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{8} GMT"
    "|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [0-9]{4}"
)
_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")


def static(
    directory: str | os.PathLike[str],
    *,
    cache: str = "no-cache",
    not_found: WSGIApplication | None = None,
) -> WSGIApplication:
    """Make a WSGI application of the files below a directory.

    Args:
        directory: Where they are.  A relative path is looked up now, not with every request.
        cache: The value of ``Cache-Control``.  As it is, browsers ask each time whether the file
            has changed; ``"public, max-age=31536000, immutable"`` is for files whose names
            change with their content.
        not_found: The application that answers where there is no such file; 404 without it.

    Raises:
        NotADirectoryError: There is no such directory.
    """
    root = os.path.realpath(directory)
    if not os.path.isdir(root):
        raise NotADirectoryError(f"there is no directory {os.fspath(directory)!r} ({root})")
    missing = not_found or _missing

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            detail = "A file can only be read."
            return _refuse(environ, start_response, 405, detail, ("Allow", "GET, HEAD"))
        path = _find(root, environ.get("PATH_INFO", ""))
        file = None if path is None else _open(path)
        if path is None or file is None:
            return missing(environ, start_response)
        return _answer(environ, start_response, _File.of(file, path, cache))

    return app


# -- which file ------------------------------------------------------------------------------


def _find(root: str, path_info: str) -> str | None:
    """Return the real path of what is asked for; None where nobody may look."""
    try:
        # PEP 3333: raw bytes arrive as if they were Latin-1.
        start, *names = path_info.encode("latin-1").decode("utf-8").split("/")
    except UnicodeError:
        return None
    if start or not names or not all(_is_public(name) for name in names):
        return None
    found = os.path.realpath(os.path.join(root, *names))
    # A link may lead to another place in the directory, but neither out of it nor to what is
    # hidden there.
    inside = os.path.join(root, "")
    if not found.startswith(inside):
        return None
    return found if all(map(_is_public, found[len(inside) :].split(os.sep))) else None


def _is_public(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not _UNSAFE.search(name)


def _open(path: str) -> BinaryIO | None:
    try:
        file = open(  # noqa: SIM115  whoever sends it closes it
            path, "rb", opener=lambda path, flags: os.open(path, flags | _FLAGS)
        )
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            _log.warning("A static file cannot be read: %s", error)
        return None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


class _File(NamedTuple):
    """An open file, and what its headers are made of."""

    file: BinaryIO
    size: int
    #: Whole seconds, as in headers.
    modified: int
    etag: str
    headers: list[tuple[str, str]]

    @classmethod
    def of(cls, file: BinaryIO, path: str, cache: str) -> "_File":
        found = os.fstat(file.fileno())
        # Where all files have the same time, as from a reproducible build, the time of the
        # change of the directory's entry tells them apart.
        etag = f'"{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{found.st_size:x}"'
        # RFC 9110 8.8.2.1: never in the future.
        modified = int(min(found.st_mtime, time.time()))
        headers = [
            ("Content-Type", content_type(os.path.basename(path))),
            ("Last-Modified", formatdate(modified, usegmt=True)),
            ("ETag", etag),
            ("Cache-Control", cache),
            ("Accept-Ranges", "bytes"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        return cls(file, found.st_size, modified, etag, headers)


def content_type(name: str) -> str:
    """Return the media type of a file of this name; texts are taken to be UTF-8."""
    # The slash keeps a colon from being read as the end of a URL's scheme.
    kind, coding = _TYPES.guess_type(f"./{name}", strict=False)
    if coding is not None:
        kind = _COMPRESSED.get(coding)
    kind = kind or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


# -- what of it ------------------------------------------------------------------------------


def _answer(
    environ: WSGIEnvironment, start_response: StartResponse, found: _File
) -> Iterable[bytes]:
    status, first, stop = _choose(environ, found)
    if status in (200, 206):
        headers = [*found.headers, ("Content-Length", str(stop - first))]
        if status == 206:
            headers.append(("Content-Range", f"bytes {first}-{stop - 1}/{found.size}"))
        start_response(_line(status), headers)
        if environ["REQUEST_METHOD"] == "GET":
            return _Bytes(found.file, first, stop)
    found.file.close()
    if status == 304:
        # RFC 9110 15.4.5: the rest is known to the client.
        kept = [line for line in found.headers if line[0] in ("ETag", "Cache-Control")]
        start_response(_line(status), kept)
    if status == 412:
        return _refuse(environ, start_response, status, "The file is not that version now.")
    if status == 416:
        size = ("Content-Range", f"bytes */{found.size}")
        return _refuse(environ, start_response, status, f"It has {found.size} bytes.", size)
    return []


def _choose(environ: WSGIEnvironment, found: _File) -> tuple[int, int, int]:
    """Return the status, and which bytes: from the first, up to before the last number.

    In the order of RFC 9110 13.2.2.
    """
    whole = (200, 0, found.size)
    if not _is_wanted_version(environ, found):
        return (412, 0, 0)
    if _is_known(environ, found):
        return (304, 0, 0)
    # RFC 9110 14.2: ranges are of GET only.
    if environ["REQUEST_METHOD"] != "GET" or not _is_same_version(environ, found):
        return whole
    return _read_range(environ.get("HTTP_RANGE", ""), found.size) or whole


def _is_wanted_version(environ: WSGIEnvironment, found: _File) -> bool:
    """RFC 9110 13.1.1 and 13.1.4, which matter to who goes on with a download."""
    tags = environ.get("HTTP_IF_MATCH")
    if tags is not None:
        return tags.strip() == "*" or ("", found.etag) in _ETAG.findall(tags)
    date = _read_date(environ.get("HTTP_IF_UNMODIFIED_SINCE", ""))
    return date is None or found.modified <= date


def _is_known(environ: WSGIEnvironment, found: _File) -> bool:
    """RFC 9110 13.1.2 and 13.1.3: whether the client has this version."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return tags.strip() == "*" or found.etag in (tag for _, tag in _ETAG.findall(tags))
    date = _read_date(environ.get("HTTP_IF_MODIFIED_SINCE", ""))
    return date is not None and found.modified <= date


def _is_same_version(environ: WSGIEnvironment, found: _File) -> bool:
    """RFC 9110 13.1.5: whether a range is of the version that the client has begun to read."""
    wanted = environ.get("HTTP_IF_RANGE")
    return wanted is None or wanted in (found.etag, formatdate(found.modified, usegmt=True))


def _read_range(header: str, size: int) -> tuple[int, int, int] | None:
    """Read a Range (RFC 9110 14.2); None where there is none to be taken."""
    unit, _, ranges = header.partition("=")
    # RFC 9110 5.6.1: a list may have empty elements.
    wanted = [text for part in ranges.split(",") if (text := part.strip(" \t"))]
    if unit.strip(" \t").lower() != "bytes" or len(wanted) != 1:
        return None
    match = _RANGE.fullmatch(wanted[0])
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(size - int(suffix), 0), size
        # Of an empty file there are no last bytes that could be named.
        return (206, start, stop) if start < stop else None if int(suffix) else (416, 0, 0)
    start, stop = int(first), min(int(last) + 1 if last else size, size)
    if last and int(last) < start:
        return None
    return (206, start, stop) if start < size else (416, 0, 0)


def _read_date(text: str) -> int | None:
    """Read an HTTP date, in seconds since 1970; None where it is none (RFC 9110 5.6.7)."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return int(parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


class _Bytes:
    """The bytes of a file from one position to another; the file is closed with it.

    Never more than were announced, should the file have grown.
    """

    def __init__(self, file: BinaryIO, first: int, stop: int) -> None:
        file.seek(first)
        self._file = file
        self._left = stop - first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        chunk = self._file.read(min(CHUNK, self._left))
        if not chunk:
            # Not a shorter answer: the client would wait for the rest, or take it for the whole.
            raise OSError(f"{self._left} bytes of a static file are gone: {self._file.name}")
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Close the file (PEP 3333)."""
        self._file.close()


# -- what else -------------------------------------------------------------------------------


def _missing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _refuse(environ, start_response, 404, "There is no such file.")


def _refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: int,
    detail: str,
    *headers: tuple[str, str],
) -> Iterable[bytes]:
    """Answer with one line of text for a browser, else with a problem (RFC 9457)."""
    line = _line(status)
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        kind, body = "text/plain; charset=utf-8", f"{line}\n\n{detail}\n".encode()
    else:
        problem = {"type": "about:blank", "title": line[4:], "status": status, "detail": detail}
        kind, body = "application/problem+json", json.dumps(problem).encode()
    lines = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Vary", "Accept")]
    start_response(line, [*lines, *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
