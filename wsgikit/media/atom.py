"""Render rows as Atom, so that feed readers can follow a collection.

Use it with any application of your own through `respond()`::

    from datetime import UTC, datetime
    from webob import Request
    from wsgikit.media import respond
    from wsgikit.media.atom import Atom

    rows = [{"id": 1, "name": "Ada", "updated": datetime(2026, 5, 1, tzinfo=UTC)}]
    feed = respond(rows, Request.blank("/people/"), Atom)
    assert "<updated>2026-05-01T00:00:00Z</updated>" in feed.text

A list, an iterator or a page becomes a feed with an entry for each row (RFC 4287), and a page's
links are those of a paged feed (RFC 5005).  One mapping becomes an entry document.
What an iterator gives is streamed entry by entry.

What an entry is made of:

- `id`: the absolute URL of the row; where it has none, a `urn:uuid:` made of its content
- `title`: the label column, else what the row's URL ends with, else the first column
- `updated`: the column given, else the first of `UPDATED` and then of `PUBLISHED` that there is,
  else 1970-01-01T00:00:00Z, for a reader must not take each row for new at each look.  Times
  without an offset are taken as UTC
- `published`: the first of `PUBLISHED` that there is
- `content`: the columns that are not NULL, as a list in HTML

A feed is updated when the newest of its entries is; a stream cannot tell, and has the time above.
The author of all is the title of the collection, unless one is given.
Characters that XML cannot hold are written as escapes, such as `\\\\x00`.

`Atom` is the media type made of it.
Reads `wsgikit.title` (else the last part of the path is the title), `wsgikit.columns` (for their
labels), `wsgikit.label` (the name of the label column) and `wsgikit.link` (called with a row,
gives its path or None); where that is not there, `wsgikit.url` for rows with an `id`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from html import escape
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit
from uuid import NAMESPACE_URL, uuid5

from webob import Request

from wsgikit.media import (
    MediaType,
    columns_of,
    deliver,
    json_text,
    page_of,
    rows_of,
    title_of,
    to_text,
)

#: Names of columns that say when a row was changed, ...
UPDATED = (
    *("updated", "updated_at", "updated_on", "modified", "modified_at", "modified_on"),
    *("last_updated", "last_update", "last_modified", "changed", "changed_at", "changed_on"),
)
#: ... and when it was made.
PUBLISHED = (
    *("published", "published_at", "published_on", "created", "created_at", "created_on"),
    *("date", "datetime", "timestamp"),
)

#: What a row is dated that says nothing about it.
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
#: Parameters that do not say which rows there are: no part of what a feed is.
_VIEW = frozenset({"format", "fields", "embed", "limit", "cursor", "count"})
#: What RFC 5005, 3 calls the links of a page.
_RELATIONS = (("next", "next"), ("previous", "prev"))

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_NAMESPACE = ' xmlns="http://www.w3.org/2005/Atom"'
#: XML 1.0, 2.2: not even a reference can stand for these.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: RFC 3986, 3.3: what stands in a path as it is.
_PATH = "/:@!$&'()*+,;=~"


class AtomRenderer:
    """Render rows as an Atom feed, and one row as an entry document.

    Args:
        author: The name of who made it all; by default the collection's title.
        updated: The column that says when a row was changed.
        base: Scheme and host of all ids and links, such as `https://example.org`, for what is
            reached under several names; by default those of the request.
    """

    def __init__(
        self, *, author: str | None = None, updated: str | None = None, base: str | None = None
    ) -> None:
        self._author = author
        self._updated = (*UPDATED, *PUBLISHED) if updated is None else (updated,)
        self._base = base

    def headers(self, value: Any, request: Request) -> dict[str, str]:
        """Return the type with its parameter (RFC 5023, 12.1)."""
        kind = "entry" if rows_of(value) is None else "feed"
        return {"Content-Type": f"application/atom+xml; type={kind}"}

    def __call__(self, value: Any, request: Request) -> bytes | Iterator[bytes]:
        """Return a feed or an entry, or yield a feed in chunks.

        Raises:
            TypeError: There is something else than rows, or than values that have a text.
        """
        here = _Here(request, self._base)
        rows = rows_of(value)
        if rows is None:
            url = _url_of_row(_checked(value), here) or here.url(_VIEW)
            return f"{_XML}{self._entry(value, url, here, alone=True)}".encode()
        parts = self._feed(rows, page_of(value), here)
        return deliver((part.encode() for part in parts), rows)

    def _feed(
        self, rows: Iterable[Any], page: Mapping[str, Any] | None, here: "_Here"
    ) -> Iterator[str]:
        known = rows if isinstance(rows, list | tuple) else ()
        newest = max((self._moment(_checked(row)) for row in known), default=_UNKNOWN)
        feed = here.url(_VIEW)
        yield f"{_XML}<feed{_NAMESPACE}>\n"
        yield _element("id", feed) + _element("title", here.title)
        yield _element("updated", _rfc3339(newest)) + self._author_of(here)
        yield "".join(_link(relation, url) for relation, url in _page_links(page, here))
        for row in rows:
            yield self._entry(_checked(row), _url_of_row(row, here), here, feed=feed)
        yield "</feed>\n"

    def _entry(
        self,
        row: Mapping[Any, Any],
        url: str | None,
        here: "_Here",
        *,
        feed: str = "",
        alone: bool = False,
    ) -> str:
        published = _moment(row, PUBLISHED)
        parts = [
            f"<entry{_NAMESPACE if alone else ''}>\n",
            _element("id", url or f"urn:uuid:{uuid5(NAMESPACE_URL, feed + json_text(row))}"),
            _element("title", _name(row, url, here)),
            _element("updated", _rfc3339(self._moment(row))),
            _element("published", _rfc3339(published)) if published else "",
            self._author_of(here) if alone else "",
            _link("alternate", url) + _link("self", _as_atom(url)) if url else "",
            _element("content", _html(row, here), ' type="html"'),
            "</entry>\n",
        ]
        return "".join(parts)

    def _author_of(self, here: "_Here") -> str:
        return f"<author>{_element('name', self._author or here.title)}</author>\n"

    def _moment(self, row: Mapping[Any, Any]) -> datetime:
        return _moment(row, self._updated) or _UNKNOWN


class _Here:
    """Where and about what a request asks."""

    def __init__(self, request: Request, base: str | None) -> None:
        environ = request.environ
        self.request = request
        self.environ = environ
        self.title = title_of(request) or "Collection"
        # PEP 3333: the bytes of the URL arrive as if they were Latin-1.
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
        self.path = (base or request.host_url).rstrip("/") + quote(path, safe=_PATH)
        query = environ.get("QUERY_STRING", "").encode("latin-1").decode("utf-8", "replace")
        self.query = parse_qsl(query, keep_blank_values=True)

    def url(self, without: Iterable[str], **extra: str) -> str:
        """Give the URL that was asked for, without some parameters and with others."""
        kept = [(name, value) for name, value in self.query if name not in without]
        query = urlencode([*kept, *extra.items()])
        return f"{self.path}?{query}" if query else self.path

    def absolute(self, url: str) -> str:
        return urljoin(self.path, url)


def _page_links(page: Mapping[str, Any] | None, here: _Here) -> Iterator[tuple[str, str]]:
    yield "alternate", here.url({"format"})
    yield "self", here.url({"format"}, format="atom")
    if page is not None:
        yield "first", here.url({"format", "cursor"}, format="atom")
        for relation, name in _RELATIONS:
            if page.get(name):
                yield relation, _as_atom(here.absolute(page[name]))


def _as_atom(url: str) -> str:
    query = urlsplit(url).query
    if any(name == "format" for name, _value in parse_qsl(query)):
        return url
    return f"{url}{'&' if query else '?'}format=atom"


def _checked(row: Any) -> Mapping[Any, Any]:
    if isinstance(row, Mapping):
        return row
    raise TypeError(
        f"Atom is made of rows: a mapping, a list of mappings or a page, not {type(row).__name__}."
    )


def _url_of_row(row: Mapping[Any, Any], here: _Here) -> str | None:
    link = here.environ.get("wsgikit.link", lambda row: _plain_link(row, here))
    # Something else than a row, such as {"count": 3}, has no key to make a link of.
    if columns_of(here.request) != columns_of(here.request, row):
        return None
    path: str | None = link(row)
    return None if path is None else here.absolute(path)


def _plain_link(row: Mapping[Any, Any], here: _Here) -> str | None:
    key = row.get("id")
    if not isinstance(key, int | str):
        return None
    try:
        return str(here.environ["wsgikit.url"](id=str(key), noun=None))
    except (LookupError, ValueError):
        return None


def _name(row: Mapping[Any, Any], url: str | None, here: _Here) -> str:
    label = to_text(row.get(here.environ.get("wsgikit.label")))
    if label:
        return label
    if url:
        return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    return to_text(next(iter(row.values()), None)) or ""


def _html(row: Mapping[Any, Any], here: _Here) -> str:
    columns = columns_of(here.request, row)
    labels = {column.name: column.label for column in columns} or {name: name for name in row}
    texts = [(str(label), _shown(row[name])) for name, label in labels.items()]
    cells = [f"<dt>{escape(label)}</dt><dd>{escape(t)}</dd>" for label, t in texts if t is not None]
    return f"<dl>{''.join(cells)}</dl>"


def _shown(value: Any) -> str | None:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    return to_text(value)


# -- times -----------------------------------------------------------------------------------


def _moment(row: Mapping[Any, Any], names: Iterable[str]) -> datetime | None:
    """Return the first of some columns that holds a date or a time, in UTC."""
    values = {str(name).lower(): value for name, value in row.items()}
    found = (_utc(values.get(name.lower())) for name in names)
    return next((moment for moment in found if moment is not None), None)


def _utc(value: Any) -> datetime | None:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or one at the end of all time
        return None


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# -- XML -------------------------------------------------------------------------------------


def _element(name: str, text: str, attributes: str = "") -> str:
    return f"<{name}{attributes}>{_xml(text)}</{name}>\n"


def _link(relation: str, url: str) -> str:
    return f'<link rel="{relation}" href="{_xml(url)}"/>\n'


def _xml(text: str) -> str:
    text = _NO_XML.sub(lambda odd: odd[0].encode("unicode_escape").decode(), text)
    # XML 1.0, 2.11: a CR that is no reference is read as LF.
    return escape(text).replace("\r", "&#13;")


Atom = MediaType("application/atom+xml", AtomRenderer())
