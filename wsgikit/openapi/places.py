"""Where the applications of a dispatcher are, as paths of OpenAPI.

URI templates are more than OpenAPI has: an optional part makes two paths of one template, and
the noun of a collection one for each noun.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from wsgikit.uri import PatternError, URIPattern

_log = logging.getLogger(__name__)

#: The methods that OpenAPI describes, and what we describe of them: HEAD and OPTIONS are
#: answered everywhere.
METHODS = ("GET", "QUERY", "POST", "PUT", "PATCH", "DELETE")

#: The ranges of variables that are not just text.
_RANGES: Mapping[str, Mapping[str, str]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
}

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^}]*)\}")


class Target(NamedTuple):
    """What a request can be for.

    Attributes:
        path: Its path, as OpenAPI writes it.
        variables: The names in it.
        method: The HTTP method.
        action: The name of what is called; None if that is not known.
        has_id: Whether it is for a member of a collection.
        noun: The noun of a collection, if there is one.
    """

    path: str
    variables: Sequence[str]
    method: str
    action: str | None = None
    has_id: bool = False
    noun: str | None = None


@dataclass(frozen=True)
class Site:
    """An application, and the templates that lead to it.

    Attributes:
        app: The application.
        name: The name of its route, or of its view; empty if it has none.
        prefix: Where it is mounted, as RFC 6570 writes it.
        pattern: The template of its own.
        values: What stands for some of the variables.
        methods: Those that get there; empty for all.
    """

    app: Any
    name: str
    prefix: str
    pattern: URIPattern
    values: Mapping[str, str]
    methods: tuple[str, ...]

    def targets(self) -> Iterator[Target]:
        """Find all that can be asked of the application, as far as that can be known."""
        found = getattr(self.app, "targets", None)
        targets = self._of_view() if found is None else self._of_collection(found)
        for target in targets:
            if target.method in METHODS and target.method in (self.methods or METHODS):
                yield target

    def _of_collection(
        self, found: Mapping[tuple[bool, str | None], Mapping[str, str]]
    ) -> Iterator[Target]:
        for (has_id, noun), methods in found.items():
            nouns = {} if noun is None else {"noun": noun}
            needed = {*nouns, *(["id"] if has_id else [])}
            if not needed <= {*self.pattern.variables}:
                continue
            try:
                path, names = self.path({"id"} if has_id else set(), **nouns)
            except PatternError:  # no such noun fits the template
                continue
            if has_id == ("id" in names):
                for method, action in methods.items():
                    yield Target(path, names, method, action, has_id, noun)

    def _of_view(self) -> Iterator[Target]:
        every = {*self.pattern.variables, *map(str, range(self.pattern.positional))}
        for path, names in dict.fromkeys([self.path(set()), self.path(every)]):
            for method in self.methods or _methods(self.app):
                yield Target(path, names, method)

    def path(self, given: set[str], **values: str) -> tuple[str, tuple[str, ...]]:
        """Give the path with some optional parts, and the names of the variables in it.

        Raises:
            PatternError: A value does not fit.
        """
        own = {name: self.values[name] for name in self.values if name in self.pattern.variables}
        return to_path(self.prefix + self.pattern.publish(given, **own, **values))

    def schema(self, name: str) -> dict[str, Any]:
        """Describe a variable of the path, by its range."""
        return dict(_RANGES.get(self.pattern.ranges.get(name, ""), {"type": "string"}))

    @property
    def query(self) -> Sequence[str]:
        """The variables of the query, where the template has such."""
        found = _EXPRESSION.findall(self.pattern.published)
        return [name for mark, specs in found if mark in ("?", "&") for name in _names(specs)]


def find_sites(ways: Iterable[Sequence[Any]], skip: object = None) -> Iterator[Site]:
    """Find the applications that routes lead to.

    Args:
        ways: What `wsgikit.dispatcher.Dispatcher.walk()` gives.
        skip: An application to leave out.
    """
    for way in ways:
        route, prefix = way[-1], ""
        for mount in way[:-1]:
            prefix = (prefix + mount.pattern.publish()).rstrip("/")
        methods = _common(route.methods for route in way)
        # What is below an open end only the application there knows.
        if route.app is skip or methods == () or route.pattern.open_ended:
            continue
        for name, app, values in _apps(route):
            yield Site(app, name, prefix, route.pattern, values, methods or ())


def _common(limits: Iterable[Sequence[str]]) -> tuple[str, ...] | None:
    """Give the methods that get through all routes; None for every method."""
    given = [limit for limit in limits if limit]
    if not given:
        return None
    return tuple(method for method in given[-1] if all(method in limit for limit in given))


def _apps(route: Any) -> Iterator[tuple[str, Any, Mapping[str, str]]]:
    if not hasattr(route.app, "names"):
        yield route.name or "", route.app, {}
        return
    for name in route.app.names():
        try:
            app = route.app.view(name)
        except Exception:  # a view that cannot be imported cannot be described
            _log.exception("The view %s is left out of the description.", name)
            continue
        yield name, app, {"view": name}


def _methods(app: Any) -> Sequence[str]:
    """Give the methods of a class-based view; of a function they cannot be known."""
    if not hasattr(app, "media"):
        return ("GET",)
    found = [method for method in METHODS if callable(getattr(app, method.lower(), None))]
    return found or ("GET",)


def to_path(template: str) -> tuple[str, tuple[str, ...]]:
    """Write a URI template (RFC 6570) as a path of OpenAPI, which has plain variables only.

    Returns:
        The path, and the names of its variables.
    """
    names: list[str] = []

    def write(found: re.Match[str]) -> str:
        mark, inside = found[1], _names(found[2])
        if mark in ("?", "&", "#"):
            return ""
        names.extend(inside)
        if mark == ";":
            return "".join(f";{name}={{{name}}}" for name in inside)
        lead = mark if mark in ("/", ".") else ""
        return lead + (lead or ",").join(f"{{{name}}}" for name in inside)

    return _EXPRESSION.sub(write, template), tuple(names)


def _names(specs: str) -> Sequence[str]:
    return [spec.rstrip("*").partition(":")[0] for spec in specs.split(",")]
