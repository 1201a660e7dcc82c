"""Other collections, as far as a request may see them: labels, choices, and what points here.

A foreign key's value means little to people; the label of the row that it refers to does.  Whose
rows these are, and how far the request may see them, is for the collection that serves them to
say: it is found by its name (`wsgikit.places`, `wsgikit.reach`), and its own policy narrows it
(`ModelCollection.seen`), as if the request had gone there.

- A collection that says no, or that is wrapped in another application, stays closed.
- Where nothing is served under that name, `follow` of the model says what may be seen, as it does
  for filters and ``embed``.

Everything is read in the transaction of the page, and for each referenced table once: the labels
of a whole page are one statement.

It reads `wsgikit.places`, `wsgikit.reach` and `wsgikit.url_for`, and writes `wsgikit.private` where
what is shown depends on who asks.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import field as made_of
from typing import Any
from urllib.parse import urlencode
from wsgiref.types import WSGIEnvironment

from webob import Request, exc

from wsgikit.model import Field, ModelError, Page, Row, to_text
from wsgikit.model.describing import filter_name, quoted, searched
from wsgikit.model.fields import NONFINITE, Unfit
from wsgikit.model.selection import KIND_OPERATORS
from wsgikit.model_collection import links
from wsgikit.model_collection.pages import form_text
from wsgikit.query import And, Comparison, Condition, Or, Query, QueryError, Sort

#: Rows of a select; where there are more, people search.
MAX_CHOICES = 100

#: Collections that point to a row whose rows are counted; further ones are only linked to.
MAX_COUNTED = 20

#: Values that are looked up at once: no page of a model has more rows by default.
MAX_LOOKUP = 1000

logger = logging.getLogger("wsgikit")


@dataclass(frozen=True)
class Seen:
    """A collection, as far as a request may see it.

    Attributes:
        title: What pages call it.
        model: The narrowed model.
        url: `url(row=None, noun=None)`, as for templates.
        actions: What there is.
        app: The collection itself.
    """

    title: str
    model: Any
    url: Callable[..., str | None]
    actions: frozenset[str]
    app: Any


@contextmanager
def snapshot(model: Any) -> Iterator[Any]:
    """Give a model whose verbs all read the same moment, where it has transactions."""
    if not hasattr(model, "transaction"):
        yield model
        return
    with model.transaction(read_only=True) as store:
        yield store


def bound(store: Any, other: Any) -> Any:
    """Give another model in the transaction of this one; as it is, if it is of another store."""
    bind = getattr(store, "bind", None)
    try:
        return other if bind is None else bind(other)
    except ValueError:
        return other


# -- finding collections -------------------------------------------------------------------


def places(request: Request) -> Mapping[str, str]:
    """Give the URLs of what is served by name."""
    return dict(request.environ.get("wsgikit.places", tuple)())


def reached(request: Request, url: str) -> tuple[Any, WSGIEnvironment] | None:
    """Give what is at a URL, and the environ that it would get; `None` if nobody can know."""
    reach = request.environ.get("wsgikit.reach")
    try:
        found: tuple[Any, WSGIEnvironment] | None
        found = None if reach is None else reach(request.environ, url)
    except Exception:
        # A view that cannot be imported is shown when somebody goes there.
        logger.exception("what is at %s cannot be found out", url)
        return None
    return found


def seen_at(request: Request, url: str) -> Seen | None:
    """Give the collection at a URL; `None` if there is none, or not for this request."""
    found = reached(request, url)
    if found is None or not hasattr(found[0], "seen"):
        return None
    app, environ = found
    try:
        seen: Seen = app.seen(Request(environ))
    except exc.HTTPException:
        return None
    finally:
        if app.policy is not None or "wsgikit.private" in environ:
            request.environ["wsgikit.private"] = True
    return seen


@dataclass(eq=False)
class Target:
    """The rows that a foreign key refers to.

    Attributes:
        model: Their narrowed model, in the transaction of the page.
        field: The field there that the key's values are found in.
        seen: The collection that serves them; `None` where none does.
        known: The rows that were read, by the type and the value of that field.
    """

    model: Any
    field: Field
    seen: Seen | None
    known: dict[tuple[type, Any], Row] = made_of(default_factory=dict)
    #: Whether all rows are known; `None` if that is not known either.
    complete: bool | None = None

    @property
    def label(self) -> str | None:
        """The name of the field that people know its rows by."""
        label = getattr(self.model, "label", None)
        return label if any(f.name == label for f in self.model.fields) else None

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of a row."""
        label = self.label
        names = (*self.model.key, self.field.name, *([] if label is None else [label]))
        return tuple(dict.fromkeys(names))

    def text(self, row: Row) -> str | None:
        """Give what people know a row by; `None` if it has no label."""
        value = None if self.label is None else row[self.label]
        return to_text(value) or None

    def url(self, row: Row) -> str | None:
        """Give the URL of a row, where it is served."""
        if self.seen is None or "retrieve" not in self.seen.actions:
            return None
        return self.seen.url(row)


class Relations:
    """What the foreign keys of one page refer to.

    Args:
        request: The request for the page.
        model: The narrowed model of the page, in the page's transaction.
    """

    def __init__(self, request: Request, model: Any) -> None:
        self._request = request
        self._model = model
        self._places: Mapping[str, str] | None = None
        self._targets: dict[Any, Target | None] = {}

    # -- targets -------------------------------------------------------------------------

    def target(self, field: Field) -> Target | None:
        """Give what a foreign key refers to; `None` if that cannot be seen."""
        if field.references is None:
            return None
        name = field.references.model
        if self._places is None:
            self._places = places(self._request)
        # What is followed depends on the column; what is served under a name does not.
        served = name in self._places
        key = (name, field.references.field, None if served else field.name)
        if key not in self._targets:
            self._targets[key] = self._find(field, served)
        return self._targets[key]

    def _find(self, field: Field, served: bool) -> Target | None:
        assert field.references is not None  # see target
        places = self._places or {}
        seen = seen_at(self._request, places[field.references.model]) if served else None
        if seen is not None:
            model = bound(self._model, seen.model)
        else:
            follow = getattr(self._model, "follow", None)
            model = None if served or follow is None else follow(field.name)
        there = {f.name: f for f in getattr(model, "fields", ())}.get(field.references.field)
        if there is None or "in" not in KIND_OPERATORS[there.kind]:
            return None
        return Target(model, there, seen)

    # -- labels --------------------------------------------------------------------------

    def learn(self, values: Iterable[tuple[Field, Any]], *, choose: Iterable[Field] = ()) -> None:
        """Read the rows that foreign keys refer to, each referenced table once.

        Args:
            values: The fields and their values.
            choose: Fields for which all rows are wanted, if there are few.
        """
        choosing = [target for field in choose if (target := self.target(field))]
        keys: dict[int, dict[tuple[type, Any], Any]] = {}
        for field, value in values:
            target = self.target(field)
            if target is not None and _can_be_found(target.field, value):
                keys.setdefault(id(target), {})[type(value), value] = value
        for target in filter(None, self._targets.values()):
            wanted = list(keys.get(id(target), {}).values())
            _read(target, wanted, choose=target in choosing)

    def row(self, field: Field, value: Any) -> Row | None:
        """Give the row that a value refers to, if it was learned."""
        target = self.target(field)
        if target is None or isinstance(value, dict | list):
            return None
        return target.known.get((type(value), value))

    def label_of(self, field: Field, value: Any) -> str | None:
        """Give what people know the row by that a value refers to."""
        row, target = self.row(field, value), self.target(field)
        return None if row is None or target is None else target.text(row)

    def reference(self, field: Field, value: Any) -> str | None:
        """Give the URL of the row that a value refers to, if the request may see it."""
        target = self.target(field)
        if target is None or target.seen is None:
            # What answers there is not known here; it decides when somebody goes there.
            return links.reference_url(self._request, field, value)
        row = self.row(field, value)
        return None if row is None else target.url(row)

    # -- choices -------------------------------------------------------------------------

    def options(self, field: Field) -> Sequence[dict[str, Any]] | None:
        """Give what a foreign key may be; `None` if that is too much, or not known."""
        target = self.target(field)
        if target is None or not target.complete:
            return None
        return _options(target, target.known.values())

    def choices(
        self, fields: Iterable[Field], texts: Mapping[str, str | None]
    ) -> dict[str, dict[str, Any]]:
        """Give what the foreign keys of a form may be, by the fields' names.

        Args:
            fields: Those of the form.
            texts: What their controls show: it stays possible, whatever it is.
        """
        asked = [f for f in fields if f.writable and self.target(f) is not None]
        values = [(f, _value_of(f, texts.get(f.name))) for f in asked]
        self.learn(values, choose=asked)
        return {field.name: self._choice(field, texts.get(field.name)) for field in asked}

    def _choice(self, field: Field, text: str | None) -> dict[str, Any]:
        target = self.target(field)
        assert target is not None  # see choices
        row = self.row(field, _value_of(field, text))
        known = target.known.values() if target.complete else [row] if row is not None else []
        options = [*_options(target, known)]
        if text and text not in [option["value"] for option in options]:
            options.append({"value": text, "text": text})
        return {"options": options, "more": not target.complete, **self.search(field)}

    def search(self, field: Field) -> dict[str, Any]:
        """Say where the rows that a foreign key may name are looked for, and by which columns."""
        target = self.target(field)
        if target is None:
            return {}
        seen = target.seen
        return {
            "search_url": seen.url() if seen is not None and "list" in seen.actions else None,
            "value_field": target.field.name,
            "label_field": target.label,
            "searchable": bool(searched(target.model)),
        }


def _can_be_found(field: Field, value: Any) -> bool:
    if value is None or isinstance(value, dict | list) or "in" not in KIND_OPERATORS[field.kind]:
        return False
    return field.holds(value) and to_text(value) not in NONFINITE


def _read(target: Target, values: Sequence[Any], *, choose: bool) -> None:
    """Read rows of these keys; and all, where they are wanted and few."""
    try:
        missing: Sequence[Any] = _unknown(target, values)
        if choose and target.complete is None:
            missing = _glance(target, missing)
        while missing and not target.complete:
            some, missing = missing[:MAX_LOOKUP], missing[MAX_LOOKUP:]
            query = Query(limit=len(some), filter=_among(target, some), fields=target.columns)
            for rows in pages_of(target.model, query):
                _keep(target, rows)
    except (QueryError, ModelError):
        # The page is of another table, and can do without these.
        logger.exception("the rows that %s refers to cannot be read", target.field.name)


def _unknown(target: Target, values: Iterable[Any]) -> Sequence[Any]:
    return [value for value in values if (type(value), value) not in target.known]


def _glance(target: Target, values: Sequence[Any]) -> Sequence[Any]:
    """Read all rows, if they are few, or a sign that they are not; give what is still missing."""
    query = Query(limit=MAX_CHOICES, fields=target.columns)
    glance = getattr(target.model, "glance", None)
    if glance is None or len(values) > MAX_LOOKUP:
        page = target.model.list(query)
        target.complete = page.next is None
        _keep(target, page.data)
        return _unknown(target, values)
    rows, target.complete = glance(replace(query, filter=_among(target, values)))
    _keep(target, rows)
    return ()


def _among(target: Target, values: Sequence[Any]) -> Comparison | Or:
    """Give the condition for the rows of some values; for none, if there are none."""
    name = target.field.name
    return Comparison(name, "in", tuple(values), name, texts=False) if values else Or()


def pages_of(model: Any, query: Query) -> Iterator[Sequence[Row]]:
    """Give the rows of a query, page by page."""
    while True:
        page = model.list(query)
        yield page.data
        if page.next is None:
            return
        query = replace(query, cursor=page.next)


def _keep(target: Target, rows: Iterable[Row]) -> None:
    name = target.field.name
    for row in rows:
        target.known[type(row[name]), row[name]] = row


def _options(target: Target, rows: Iterable[Row]) -> Sequence[dict[str, Any]]:
    """Spell rows for a select, in the order of their labels; no two look the same."""
    name = target.field.name
    pairs = [(form_text(row[name]) or "", target.text(row)) for row in rows]
    times = Counter(text for _value, text in pairs)
    options = [
        {"value": value, "text": f"{text} ({value})" if times[text] > 1 else text}
        if text is not None
        else {"value": value, "text": value}
        for value, text in pairs
    ]
    return sorted(options, key=lambda option: str(option["text"]).casefold())


def _value_of(field: Field, text: str | None) -> Any:
    try:
        return None if not text else field.read(text)
    except Unfit:
        return None


# -- what points here ----------------------------------------------------------------------


def backlinks(
    request: Request, app: Any, store: Any, rows: Sequence[Row]
) -> Sequence[dict[str, Any]]:
    """Find the collections whose rows point to a row, or to some rows.

    Args:
        request: The request for the page.
        app: The collection of the rows.
        store: Its narrowed model, in the page's transaction.
        rows: The rows, few enough for their keys to stand in a URL.

    Returns:
        Dicts of `title`, `field_label`, `url` (of the list of those rows) and `count` (a dict of
        `n` and `exact`, up to a bound; `None` if that is too much to count).
    """
    found: list[dict[str, Any]] = []
    for seen, field in _referring(request, app, store):
        values = [row.get(field.references.field) for row in rows if field.references]
        values = [value for value in values if _can_be_found(field, value)]
        if not values:
            continue
        few = len(found) < MAX_COUNTED
        count = _count(bound(store, seen.model), field, values) if few else None
        url = f"{seen.url()}?{urlencode(_filter(field, [to_text(v) or '' for v in values]))}"
        found.append({"title": seen.title, "field_label": field.label, "url": url, "count": count})
    return found


def _filter(field: Field, texts: Sequence[str]) -> dict[str, str]:
    """Spell the filter of a list for some values."""
    if len(texts) > 1:
        return {f"{field.name}__in": ",".join(map(quoted, texts))}
    # An empty value means no filter, unless the operator is spelled out.
    name = filter_name(field.name, "eq") if texts[0] else f"{field.name}__eq"
    return {name: texts[0]}


def _referring(request: Request, app: Any, store: Any) -> Iterator[tuple[Seen, Field]]:
    """Give the collections that refer to rows of a collection, and by which field."""
    known = places(request)
    ways = {name: reached(request, url) for name, url in known.items()}
    apps = {name: found[0] for name, found in ways.items() if found is not None}
    names = {name for name, other in apps.items() if other is app}
    names |= {str(getattr(store, "name", ""))} - apps.keys()
    met = set()
    for name, other in apps.items():
        fields = getattr(getattr(other, "model", None), "fields", ())
        # Whether the request may see them is not asked in vain.
        if id(other) in met or not any(_refers(field, names) for field in fields):
            continue
        met.add(id(other))
        seen = seen_at(request, known[name])
        if seen is None or "list" not in seen.actions or seen.url() is None:
            continue
        yield from ((seen, field) for field in seen.model.fields if _refers(field, names))


def _refers(field: Field, names: Iterable[str]) -> bool:
    return field.references is not None and field.references.model in names


def _count(model: Any, field: Field, values: Sequence[Any]) -> dict[str, Any] | None:
    operator = "eq" if len(values) == 1 else "in"
    same = Comparison(field.name, operator, tuple(values), field.name, texts=False)
    query = Query(limit=1, fields=model.key or (field.name,), count="bounded")
    try:
        if not _is_found_fast(model, field, query):
            return None
        page = model.list(replace(query, filter=same))
    except (QueryError, ModelError):
        # Perhaps it is kept elsewhere; the page is of another table, and can do without.
        logger.exception("the rows of a collection that point here cannot be counted")
        return None
    return counted(page)


def _is_found_fast(model: Any, field: Field, query: Query) -> bool:
    """Say whether rows are counted without reading a large table."""
    is_indexed = getattr(model, "is_indexed", None)
    return is_indexed is None or is_indexed(field.name) or model.list(query).count_exact


def counted(page: Page) -> dict[str, Any] | None:
    """Give the count of a page for a template; `None` from a model that does not count."""
    return None if page.count is None else {"n": page.count, "exact": page.count_exact}


# -- neighbours ----------------------------------------------------------------------------


def neighbours(store: Any, row: Row) -> dict[str, Row | None]:
    """Give the rows before and after a row in the order of their keys (`prev`, `next`).

    Both are `None` where the keys are of a kind that a filter cannot compare.
    """
    fields = {field.name: field for field in store.fields}
    key = [fields[name] for name in store.key]
    if not all("gt" in KIND_OPERATORS[f.kind] and _can_be_found(f, row[f.name]) for f in key):
        return {"prev": None, "next": None}
    return {"prev": _next(store, key, row, "lt"), "next": _next(store, key, row, "gt")}


def _next(store: Any, key: Sequence[Field], row: Row, operator: str) -> Row | None:
    order = tuple(Sort(field.name, descending=operator == "lt") for field in key)
    query = Query(limit=1, filter=_beyond(key, row, operator), sort=order, fields=store.key)
    page = store.list(query)
    return page.data[0] if page.data else None


def _beyond(key: Sequence[Field], row: Row, operator: str) -> Condition:
    """Compare keys as a whole: the first part decides, unless it is the same."""

    def part(field: Field, operator: str) -> Comparison:
        return Comparison(field.name, operator, (row[field.name],), field.name, texts=False)

    first, *rest = key
    decided = part(first, operator)
    if not rest:
        return decided
    return Or((decided, And((part(first, "eq"), _beyond(rest, row, operator)))))
