"""Nested collections: the rows of one parent, such as the comments of a blog post.

A variable of the URL names the parent, and a column of the rows refers to it.  The model is
narrowed to the rows of that parent (`restrict(values=…)`), so that nothing else here has to know:
what is listed, changed, counted or exported are its rows, and what is stored is given to it.

The parent must be there.  It is looked for where it is served by name, as far as the request may
see it; else by `follow` of the model.

It reads `wsgikit.places` and `wsgikit.reach`, and writes `wsgikit.above` for the breadcrumbs and
`wsgikit.private` where the parents' collection has a policy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import Request, exc

from wsgikit.model import Field, NotFoundError, Row, decode_key, encode_key, to_text
from wsgikit.model_collection import links, pages
from wsgikit.model_collection.overview import counted_rows
from wsgikit.model_collection.policies import private
from wsgikit.model_collection.relations import Seen, bound, places, seen_at

#: From the variables of a URL to the columns that hold their values.
Within = Mapping[str, str]


def require_columns(model: Any, within: Within) -> None:
    """Hold the option against a model.

    Raises:
        ValueError: If the model has no such column, or cannot be narrowed.
    """
    names = [field.name for field in model.fields]
    for column in within.values():
        if column not in names:
            raise ValueError(f"within: there is no column {column!r}; there are {names}")
    if within and not hasattr(model, "restrict"):
        raise ValueError("within: this model has no restrict(values=…) to narrow it with")


class Unplaced:
    """A model whose parent is not known, for descriptions: its columns are filled in."""

    def __init__(self, model: Any, within: Within) -> None:
        self._model = model
        self._columns = {*within.values()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def fields(self) -> Sequence[Field]:
        """Those of the model; the parent's key cannot be set."""
        return tuple(filled(f) if f.name in self._columns else f for f in self._model.fields)


def filled(field: Field) -> Field:
    """Give the same field where every new row gets a value, whichever that is."""
    return replace(field, writable=False, required=False, has_default=True)


def placed(request: Request, model: Any, own: Any, within: Within) -> Any:
    """Give a model of the rows of the parents that a URL names.

    Args:
        request: The request.
        model: The model, as far as the policy lets the request see it.
        own: The model itself: a column that is hidden from a request leads there all the same.
        within: From variables to columns.

    Raises:
        HTTPNotFound: If there is no such parent, or the request may not see it.
        HTTPForbidden: If the policy of the parents' collection says no.
    """
    fields = {field.name: field for field in own.fields}
    values: dict[str, Any] = {}
    above: list[tuple[Seen | None, Row]] = []
    for variable, column in within.items():
        try:
            # Spelled as it is in the URL of the parent itself.
            text = to_text(request.urlvars.get(variable)) or ""
            (values[column],) = decode_key(text, [fields[column]])
            above.extend(_parents(request, (model, own), fields[column], values[column]))
        except NotFoundError:
            raise exc.HTTPNotFound(f"There is no {variable} {text!r}.") from None
    request.environ["wsgikit.above"] = above
    return model.restrict(values=values)


def _parents(
    request: Request, models: Sequence[Any], field: Field, value: Any
) -> Iterator[tuple[Seen | None, Row]]:
    """Give the parent of a value, if it is known where these are.

    Raises:
        NotFoundError: If there is none.
    """
    seen = _seen(request, field)
    if seen is not None:
        yield seen, seen.model.retrieve(value)
        return
    follows = (getattr(model, "follow", None) for model in models)
    targets = (follow(field.name) for follow in follows if follow is not None)
    for target in targets:
        if target is not None:
            yield None, target.retrieve(value)
            return


def _seen(request: Request, field: Field) -> Seen | None:
    """Give the collection that serves the parents by name, as far as the request may see it.

    Raises:
        HTTPForbidden: If its policy says no.
    """
    if field.references is None:
        return None
    url = places(request).get(field.references.model)
    reach = request.environ.get("wsgikit.reach")
    found = None if url is None or reach is None else reach(request.environ, url)
    if found is None or not hasattr(found[0], "seen"):
        return None
    if getattr(found[0], "policy", None) is not None:
        request.environ["wsgikit.private"] = True
    seen: Seen = found[0].seen(Request(found[1]))
    return seen if seen.model.key == (field.references.field,) else None


def private_like_parents(environ: WSGIEnvironment, start_response: StartResponse) -> StartResponse:
    """Forbid caches to keep an answer that depends on who asked, by the policy of the parents."""

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        known = private(start_response) if "wsgikit.private" in environ else start_response
        return known(status, headers, exc_info)

    return start


def crumbs_above(request: Request) -> Sequence[pages.Crumb]:
    """Give the way from the home page to a nested collection: its parents, where served."""
    return [
        crumb
        for seen, row in request.environ.get("wsgikit.above", ())
        if seen is not None
        for crumb in (
            {"text": seen.title, "href": seen.url()},
            {"text": pages.heading_of(seen.model, row), "href": seen.url(row)},
        )
    ]


def below(
    request: Request, nested: Mapping[str, str], store: Any, row: Row
) -> Iterator[Mapping[str, Any]]:
    """Find the collections that are nested in a row, as far as the request may see them.

    Args:
        request: The request for the row's page.
        nested: From the names of their routes to the variables that name the row.
        store: The row's model, in the page's transaction.
        row: The row.

    Returns:
        What `wsgikit.model_collection.relations.backlinks` gives of others.
    """
    for name, variable in nested.items():
        url = _url_below(request, name, variable, [row[part] for part in store.key])
        seen = None if url is None else seen_at(request, url)
        if seen is not None and "list" in seen.actions:
            column = seen.app.within[variable]
            label = next((f.label for f in seen.model.fields if f.name == column), "")
            count = counted_rows(bound(store, seen.model))
            yield {"title": seen.title, "field_label": label, "url": url, "count": count}


def _url_below(request: Request, name: str, variable: str, key: Sequence[Any]) -> str | None:
    """Give the URL of a collection that is nested in the row of a key."""
    around = {n: v for n, v in request.urlvars.items() if n not in ("id", "noun")}
    # Spelled as in the row's own URL; as a number, where the template wants one.
    for value in (encode_key(key), key[0]):
        if isinstance(value, str | int):
            url = links.named_url(request, name, **around, **{variable: value})
            if url is not None:
                return url
    return None
