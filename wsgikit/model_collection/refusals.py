"""What a model refused, as an HTTP error with the members of a problem (RFC 9457)."""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from webob import exc

from wsgikit.media import ParseError
from wsgikit.model import (
    ConflictError,
    DeniedError,
    FieldError,
    LimitError,
    ModelError,
    NotFoundError,
    UnavailableError,
    ValidationError,
)
from wsgikit.model_collection.idempotency import KeyReuseError
from wsgikit.model_collection.patches import PatchConflict, PatchError
from wsgikit.model_collection.preconditions import TagError
from wsgikit.model_collection.preferences import PreferenceError
from wsgikit.model_collection.selecting import CHANGED, ChangedError
from wsgikit.query import QueryError

logger = logging.getLogger("wsgikit")

Refusal = tuple[exc.WSGIHTTPException, Mapping[str, Any]]


def refusal_of(error: Exception) -> Refusal:
    """Give the HTTP error for what a model refused, and the further members of the problem."""
    for kind, make in _REFUSALS:
        if isinstance(error, kind):
            return make(error)
    return _failure(error)


def _invalid(error: Any) -> Refusal:
    detail = "Some values cannot be stored." if error.errors else str(error)
    return exc.HTTPUnprocessableEntity(detail), {"errors": listed(error.errors)}


def _conflict(error: Any) -> Refusal:
    detail = " ".join(dict.fromkeys(e.detail for e in error.errors))
    return exc.HTTPConflict(detail), {"errors": listed(error.errors)}


def _bad_query(error: Any) -> Refusal:
    where = {"parameter": error.parameter, "detail": error.detail}
    return exc.HTTPBadRequest(str(error)), {"errors": [where]} if error.parameter else {}


def _failure(error: Exception) -> Refusal:
    """Answer that the store failed; what happened is in the log, under an id."""
    id = secrets.token_hex(6)
    known = isinstance(error, UnavailableError)
    # A database that is away needs no traceback a request.
    logger.error("%s: %s (%s)", id, error, error.__cause__, exc_info=None if known else error)
    if isinstance(error, UnavailableError):
        away = exc.HTTPServiceUnavailable(str(error))
        away.headers["Retry-After"] = str(error.retry_after)
        return away, {"id": id}
    return exc.HTTPInternalServerError("The store failed; the log knows more."), {"id": id}


#: Sorted so that the first kind that fits is the right one.
_REFUSALS: tuple[tuple[type[Exception], Callable[[Any], Refusal]], ...] = (
    (ValidationError, _invalid),
    (ConflictError, _conflict),
    (QueryError, _bad_query),
    (NotFoundError, lambda error: (exc.HTTPNotFound("There is no such row."), {})),
    (DeniedError, lambda error: (exc.HTTPForbidden(str(error)), {})),
    (ChangedError, lambda error: (exc.HTTPPreconditionFailed(CHANGED), {})),
    (LimitError, lambda error: (exc.HTTPBadRequest(str(error)), {})),
    (PatchConflict, lambda error: (exc.HTTPConflict(str(error)), {})),
    (PatchError, lambda error: (exc.HTTPBadRequest(str(error)), {})),
    (TagError, lambda error: (exc.HTTPBadRequest(str(error)), {})),
    (PreferenceError, lambda error: (exc.HTTPBadRequest(str(error)), {})),
    (KeyReuseError, lambda error: (exc.HTTPUnprocessableEntity(str(error)), {})),
    (ParseError, lambda error: (exc.HTTPBadRequest(str(error)), {})),
)

#: What `refusal_of` has an answer for.
REFUSED: tuple[type[Exception], ...] = (ModelError, *(kind for kind, _make in _REFUSALS))


def listed(errors: Iterable[FieldError]) -> Sequence[dict[str, str]]:
    """Spell errors as members of a problem; the pointer is RFC 6901's."""
    return [{"pointer": _pointer(e), "code": e.code, "detail": e.detail} for e in errors]


def _pointer(error: FieldError) -> str:
    row = "" if error.row is None else f"/{error.row}"
    field = error.field.replace("~", "~0").replace("/", "~1")
    return f"{row}/{field}" if field else row
