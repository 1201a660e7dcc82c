"""Flash messages: what just happened, told once on the page that comes next.

A form is answered with a redirect (303), and the page behind it says what became of it.  In
between, a cookie holds the code of the message and what it is about, and no text of anybody:

    from webob import Request, Response
    from wsgikit.model_collection import flashes

    response = Response(status=303, location="/people/7")
    flashes.say(response, Request.blank("/people/7"), "/people/", "saved", "7")
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    assert cookie == "wsgikit-flash=saved.7"
    assert flashes.heard(Request.blank("/people/7", headers={"Cookie": cookie})) == "Saved."

The cookie is for the collection's own path, is not readable by scripts, and is removed with the
page that shows it.  A page that shows it is not kept by any cache.

Writes `wsgikit.flash`: the header line that removes the cookie, once its message is shown.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import Request, Response

from wsgikit.model_collection.wording import Wording

NAME = "wsgikit-flash"

#: Codes, and what they say; `count` is a number of rows.
MESSAGES: Mapping[str, str] = {
    "created": "Created.",
    "saved": "Saved.",
    "deleted": "Deleted.",
    "deleted_many": "{count} rows were deleted.",
    "deleted_one": "One row was deleted.",
    "set_many": "{count} rows were changed.",
    "set_one": "One row was changed.",
    "chose_none": "No row was chosen, so nothing was done.",
    "imported_many": "{count} rows were imported.",
    "imported_one": "One row was imported.",
    "imported_none": "No row was imported: all of them are there already.",
}

#: A page that is not asked for within a minute is another story.
_SECONDS = 60

_COUNT = re.compile("[0-9]{1,12}", re.ASCII)
_VALUE = re.compile(r"([a-z_]+)\.([A-Za-z0-9._~%-]*)", re.ASCII)


def say(response: Response, request: Request, path: str, code: str, about: object = "") -> None:
    """Let the next page of a collection say something.

    Args:
        response: The redirect to that page.
        request: The request that it answers.
        path: The collection's URL.
        code: One of `MESSAGES`.
        about: The identifier of a row, or a number of rows.
    """
    value = f"{code}.{quote(str(about), safe='')}"
    response.headers.add("Set-Cookie", f"{NAME}={value}; Max-Age={_SECONDS}{_rest(request, path)}")


def say_count(response: Response, request: Request, path: str, code: str, count: int) -> None:
    """Let the next page tell of a number of rows: as `say`, with the code that suits it."""
    some = f"{code}_{'one' if count == 1 else 'many'}"
    say(response, request, path, some if count else f"{code}_none", count)


def _rest(request: Request, path: str) -> str:
    secure = "; Secure" if request.scheme == "https" else ""
    # A semicolon ends the attribute (RFC 6265 4.1.1); the path up to there is good enough.
    before, semicolon, _after = path.partition(";")
    path = before.rpartition("/")[0] + "/" if semicolon else path
    return f"; Path={path}; HttpOnly; SameSite=Lax{secure}"


def heard(request: Request) -> Wording | None:
    """Give what is to be said on a page; `None` if there is nothing that makes sense."""
    match = _VALUE.fullmatch(request.cookies.get(NAME, ""))
    template = None if match is None else MESSAGES.get(match[1])
    if match is None or template is None:
        return None
    if "{count}" not in template:
        return Wording(template)
    return Wording(template, count=int(match[2])) if _COUNT.fullmatch(match[2]) else None


def forget(request: Request, path: str) -> None:
    """Note that the message is shown: the answer to this request removes its cookie."""
    line = f"{NAME}=; Max-Age=0{_rest(request, path)}"
    request.environ["wsgikit.flash"] = ("Set-Cookie", line)


def forgetting(environ: WSGIEnvironment, start_response: StartResponse) -> StartResponse:
    """Remove the cookie with an answer that shows its message."""

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        line = environ.pop("wsgikit.flash", None)
        if line is not None:
            headers = [(n, v) for n, v in headers if n.lower() != "cache-control"]
            headers += [line, ("Cache-Control", "private, no-store")]
        return start_response(status, headers, exc_info)

    return start
