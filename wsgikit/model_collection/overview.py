"""What the home page tells of a collection: how large it is, what it is, and what is found in it.

`wsgikit.home.Home` asks each collection that it lists, by `ModelCollection.summarize` and
`ModelCollection.look_for`.  Plain dicts cross the border, and each is as narrow as the policy of
the collection wants it for the request.
"""

import logging
from typing import Any
from urllib.parse import urlencode

from wsgikit.model import ModelError
from wsgikit.model.describing import searched
from wsgikit.model_collection import pages
from wsgikit.model_collection.relations import Seen, counted, snapshot
from wsgikit.query import Query, QueryError

#: Rows of a search in all collections.
MAX_FOUND = 5

logger = logging.getLogger("wsgikit")


def summarize(seen: Seen) -> dict[str, Any]:
    """Tell what a collection is.

    Returns:
        `count` (a dict of `n` and `exact`, up to a bound; `None` if it cannot be known), `kind`
        (a word such as ``table`` or ``view``), `read_only` (why nothing can be written; empty if
        it can) and `searchable`.
    """
    model = seen.model
    why = getattr(model, "read_only", False)
    return {
        "count": counted_rows(model),
        "kind": str(getattr(model, "kind", "collection")),
        "read_only": why if isinstance(why, str) else "read-only" if why else "",
        "searchable": bool(searched(model)),
    }


def counted_rows(model: Any) -> dict[str, Any] | None:
    """Count the rows of a model for a template, up to a bound; `None` if that cannot be done."""
    try:
        return counted(model.list(Query(limit=1, fields=tuple(model.key), count="bounded")))
    except ModelError:
        logger.exception("%s cannot be counted", getattr(model, "name", model))
        return None


def look_for(seen: Seen, words: str) -> dict[str, Any] | None:
    """Give the first rows in which all words occur; `None` if there are none.

    Returns:
        `url` (of the list of all of them), `rows` (dicts of `text` and `url`) and `count` (of
        the rows; more than these are not looked for).
    """
    model = seen.model
    if not searched(model):
        return None
    try:
        with snapshot(model) as store:
            page = store.list(Query(limit=MAX_FOUND, search=words))
    except QueryError:
        return None  # too many words, or a character that nothing has
    except ModelError:
        logger.exception("%s cannot be searched", getattr(model, "name", model))
        return None
    if not page.data:
        return None
    rows = [{"text": pages.heading_of(model, row), "url": seen.url(row)} for row in page.data]
    url = f"{seen.url()}?{urlencode({'q': words})}"
    return {"url": url, "rows": rows, "count": {"n": len(rows), "exact": page.next is None}}
