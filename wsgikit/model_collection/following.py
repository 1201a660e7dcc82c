"""Foreign keys that a query follows: they lead to what the request may see of other collections.

``?embed=owner`` and ``?owner.name=Ada`` ask rows of another table.  Where a collection serves that
table, it says which of its rows and columns there are, as far as its own policy lets the request
see it (`relations.seen_at`).  So nobody learns more by the way of a foreign key than by going
there: one that says no, or that is wrapped in another application, is not followed to.

What is not served here is what the model's own `follow` says.

It reads `wsgikit.places` and `wsgikit.reach`, and writes `wsgikit.private` where what is found
depends on who asks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from webob import Request

from wsgikit.model import Field
from wsgikit.model.describing import embeddable
from wsgikit.model.selection import MAX_STEPS
from wsgikit.model_collection.relations import Seen, places, seen_at
from wsgikit.query import Query, comparisons


def led(request: Request, model: Any, query: Query) -> Any:
    """Give a model whose foreign keys, as far as a query follows them, lead to what may be seen.

    Args:
        request: Who asks.
        model: The narrowed model.
        query: What is asked; columns that there are not are for the model to refuse.
    """
    paths = [comparison.name for comparison in comparisons(query.filter)]
    if not query.embed and not any("." in path for path in paths):
        return model
    return _Leader(request).lead(model, paths, query.embed)


def led_everywhere(request: Request, model: Any) -> Any:
    """Do the same for all foreign keys, to describe what can be embedded."""
    return _Leader(request).lead(model, (), embeddable(model))


class _Leader:
    """Leads the foreign keys of one query, and asks each collection once."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._places = places(request)
        self._known: dict[str, Seen | None] = {}

    def lead(
        self, model: Any, paths: Iterable[str], columns: Iterable[str] = (), level: int = 0
    ) -> Any:
        """Give a model whose foreign keys lead to what may be seen.

        Args:
            model: The model that they begin at.
            paths: Columns, and paths of foreign keys to some.
            columns: The foreign keys that are followed besides.
            level: How many were followed before.
        """
        if not hasattr(model, "refer") or level == MAX_STEPS:
            return model
        fields = {field.name: field for field in model.fields}
        references = {}
        for name, rest in _steps(fields, paths, columns).items():
            own = model.follow(name)
            target = None if own is None else self._target(fields[name], own)
            if target is not None:
                target = self.lead(target, rest, level=level + 1)
            if target is not own:
                references[name] = target
        return model.refer(references) if references else model

    def _target(self, field: Field, own: Any) -> Any:
        """Give what may be seen of the rows that a foreign key leads to."""
        name = None if field.references is None else field.references.model
        if name is None or name not in self._places:
            return own
        if name not in self._known:
            self._known[name] = seen_at(self._request, self._places[name])
        seen = self._known[name]
        return None if seen is None else seen.model


def _steps(
    fields: Mapping[str, Field], paths: Iterable[str], columns: Iterable[str]
) -> Mapping[str, list[str]]:
    """Give the foreign keys that are followed first, and what is followed from there."""
    steps: dict[str, list[str]] = {name: [] for name in columns if name in fields}
    for path in paths:
        name, dot, rest = path.partition(".")
        if path not in fields and dot and name in fields:
            steps.setdefault(name, []).append(rest)
    return steps
