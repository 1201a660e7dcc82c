"""OpenAPI: the description of a dispatcher that machines can rely on.

Use it where programs are written against your collections, or tests generated from them:

    from webob import Request
    from wsgikit.dispatcher import Dispatcher
    from wsgikit.media.json import JSON
    from wsgikit.model import Field, MemoryModel
    from wsgikit.model_collection import ModelCollection
    from wsgikit.openapi import OpenAPI

    people = MemoryModel([Field("id", "integer"), Field("name")], name="people")
    app = Dispatcher()
    app.add("/people/[{id:key}][;{noun}]", ModelCollection(people, media=[JSON]))
    app.add("/openapi.json", OpenAPI(app, title="Staff"), name="openapi")
    document = Request.blank("/openapi.json").get_response(app).json
    assert sorted(document["paths"]) == ["/people/", "/people/;schema", "/people/{id}"]

Nothing is kept by hand: the templates of the routes become paths, what a collection says of
itself (`ModelCollection.describe()`) becomes schemas and parameters, and its options the headers
and statuses.  Of plain collections and views it says what can be known.

The document is OpenAPI 3.1, which has no method QUERY: that operation stands in ``x-query``.
With ``?openapi=3.2`` it is OpenAPI 3.2, which has.

An application takes part by what it has: ``targets`` (a collection), ``describe()`` and
``policy`` (a model collection), ``media``, ``names()`` and ``view()`` (views by name).  Where a
policy decides what somebody may see, that is also what is described to them.

Reads ``wsgikit.url_for``, through the dispatcher, to know where that is mounted.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import Request, Response
from webob.exc import HTTPBadRequest, HTTPException, HTTPMethodNotAllowed, HTTPNoContent

from wsgikit.media import MediaType, negotiate, problem, respond
from wsgikit.openapi.components import SCHEMAS, Node, used
from wsgikit.openapi.operations import Served, model_operation, plain_operation
from wsgikit.openapi.places import METHODS, Site, Target, find_sites

#: The versions of OpenAPI that can be asked for, and what the document says of them.
VERSIONS: Mapping[str, str] = {"3.1": "3.1.1", "3.2": "3.2.0"}

#: Gives what a model collection says of itself; None if nothing of it may be seen.
Describe = Callable[[Any], Mapping[str, Any] | None]


class OpenAPI:
    """A WSGI application that answers the description of a dispatcher.

    Args:
        dispatcher: Whatever can be walked, as a `wsgikit.dispatcher.Dispatcher` can.
        title: The title of the API.
        version: The version of the API, which is your own.
        description: What people should know of it; may be CommonMark.

    It is described at the first request, so that routes can be added until then.
    """

    def __init__(
        self, dispatcher: Any, *, title: str = "API", version: str = "1", description: str = ""
    ) -> None:
        self.dispatcher = dispatcher
        info = {"title": title, "version": version, "description": description}
        self.info = {name: text for name, text in info.items() if text or name != "description"}
        self._prepared: dict[str, bytes] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self._answer(request)
        except HTTPException as error:
            response = problem(request, error)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            allow = {"Allow": "GET, HEAD, OPTIONS"}
            if request.method == "OPTIONS":
                return HTTPNoContent(headers=allow)
            raise HTTPMethodNotAllowed(headers=allow)
        negotiate(request, _MEDIA)  # which refuses a query that cannot be read
        body = self._head(request) + self._rest(request)
        digest = hashlib.blake2b(body, digest_size=15).digest()
        headers = {"ETag": f'"{base64.urlsafe_b64encode(digest).decode("ascii")}"'}
        if self._private:
            headers["Cache-Control"] = "private, no-store"
        response = respond(body, request, _MEDIA, headers=headers)
        response.conditional_response = True
        return response

    @cached_property
    def _sites(self) -> Sequence[Site]:
        return tuple(find_sites(self.dispatcher.walk(), skip=self))

    @cached_property
    def _private(self) -> bool:
        """Whether the description depends on who asks."""
        return any(getattr(site.app, "policy", None) is not None for site in self._sites)

    def _head(self, request: Request) -> bytes:
        """Write the members that depend on where the dispatcher is mounted."""
        url = self.dispatcher.mounted_at(request.environ) or "/"
        head = {"openapi": VERSIONS[_wanted(request)], "servers": [{"url": url}]}
        return _write(head)[:-1] + b","

    def _rest(self, request: Request) -> bytes:
        """Write the other members: once, unless they depend on who asks."""
        wanted = _wanted(request)
        if self._private:
            return self._write_rest(wanted, lambda app: _for_request(app, request))
        if wanted not in self._prepared:
            self._prepared[wanted] = self._write_rest(wanted, lambda app: app.describe())
        return self._prepared[wanted]

    def _write_rest(self, wanted: str, described: Describe) -> bytes:
        document = describe(self._sites, openapi=wanted, described=described)
        return _write({"info": self.info, **document})[1:]


def _wanted(request: Request) -> str:
    """Give the version of OpenAPI that is asked for.

    Raises:
        HTTPBadRequest: If there is none of that name.
    """
    wanted = request.GET.get("openapi") or "3.1"
    if wanted not in VERSIONS:
        raise HTTPBadRequest(f"The parameter openapi is one of {', '.join(VERSIONS)}.")
    return str(wanted)


def _for_request(app: Any, request: Request) -> Mapping[str, Any] | None:
    try:
        described: Mapping[str, Any] = app.describe(request)
    except HTTPException:  # the policy says no
        return None
    return described


def _write(value: Any) -> bytes:
    # A lone surrogate cannot be UTF-8; escaped as \udXXX it is JSON.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _render(value: Any, request: Request) -> bytes:
    return bytes(value)


_MEDIA = (MediaType("application/openapi+json", _render), MediaType("application/json", _render))


# -- the document --------------------------------------------------------------------------


def describe(
    sites: Iterable[Site],
    *,
    openapi: str = "3.1",
    described: Describe = lambda app: app.describe(),
) -> Node:
    """Describe applications as the paths and components of an OpenAPI document.

    Args:
        sites: What `wsgikit.openapi.places.find_sites()` gives.
        openapi: The version of OpenAPI, one of `VERSIONS`.
        described: Asks a model collection for its description.
    """
    book = _Book("query" if openapi != "3.1" else "x-query")
    for site in sites:
        if not hasattr(site.app, "describe"):
            for target in site.targets():
                function = getattr(site.app, target.action or target.method.lower(), site.app)
                book.add(site, target, plain_operation(site.app, function, target.method), None)
        elif (served := book.served(site, described)) is not None:
            for target in site.targets():
                book.add(site, target, model_operation(served, target, site.app), served)
    document: Node = {"paths": {path: _in_order(item) for path, item in book.paths.items()}}
    components = used(document, book.schemas)
    return {**document, **({"components": components} if components else {})}


def _in_order(item: Node) -> Node:
    order = ["parameters", *(method.lower() for method in METHODS)]
    order.insert(order.index("query"), "x-query")
    return {name: item[name] for name in order if name in item}


class _Book:
    """A document while it is written."""

    def __init__(self, query: str) -> None:
        self.paths: Node = {}
        self.schemas: Node = {}
        self._query = query
        #: Paths by their shape: OpenAPI takes those that differ in names only for the same.
        self._shapes: dict[str, str] = {}
        self._ids: set[str] = set()

    def served(self, site: Site, described: Describe) -> Served | None:
        """Describe a model collection, and take over its schemas."""
        found = described(site.app)
        if found is None:
            return None
        base = _plain(site.name or str(found["name"]) or "collection")
        taken = {*SCHEMAS, *self.schemas}
        candidates = (Served.of(site.app, found, name) for name in _candidates(base))
        served = next(each for each in candidates if not taken & each.schemas().keys())
        self.schemas.update(served.schemas())
        return served

    def add(
        self, site: Site, target: Target, operation: Node | None, served: Served | None
    ) -> None:
        """Take an operation to its path; of two for the same request, the first counts."""
        if operation is None:
            return
        shape = re.sub(r"\{[^}]*\}", "{}", target.path)
        path = self._shapes.setdefault(shape, target.path)
        item = self.paths.setdefault(path, {})
        method = self._query if target.method == "QUERY" else target.method.lower()
        if method in item:
            return
        if target.variables and path == target.path:
            item.setdefault("parameters", _path_parameters(site, target, served))
        queries = [{"name": n, "in": "query", "schema": {"type": "string"}} for n in site.query]
        parameters = [*queries, *_renamed(operation.pop("parameters", []), target, path)]
        id = _unique(self._id(site, target, served), self._ids)
        rest = {"parameters": parameters} if parameters else {}
        item[method] = {"operationId": id, **operation, **rest}

    def _id(self, site: Site, target: Target, served: Served | None) -> str:
        name = served.base if served else _plain(site.name or target.path.strip("/") or "root")
        return f"{target.action or target.method.lower()}_{name}"


def _renamed(parameters: Sequence[Node], target: Target, path: str) -> Sequence[Node]:
    """Give parameters with the names that the variables of a path have."""
    names = dict(zip(target.variables, re.findall(r"\{([^}]*)\}", path), strict=True))
    return [{**p, "name": names[p["name"]]} if p.get("in") == "path" else p for p in parameters]


def _path_parameters(site: Site, target: Target, served: Served | None) -> Sequence[Node]:
    """Describe the variables of a path; the id by the model's key."""
    parameters = []
    for name in target.variables:
        schema = site.schema(name)
        if name == "id" and served is not None:
            schema = {**served.described["id"]}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    return parameters


def _plain(name: str) -> str:
    """Make a name of a component or an operation: letters, digits and a few more."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def _unique(name: str, taken: set[str]) -> str:
    found = next(candidate for candidate in _candidates(name) if candidate not in taken)
    taken.add(found)
    return found


def _candidates(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))
