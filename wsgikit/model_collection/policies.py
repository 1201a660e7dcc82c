"""Policies: what a request may touch of a model.

A policy narrows its own collection; other collections of the same dispatcher, whose foreign keys
lead there, see no more of it (`following`, `relations`).  What is served nowhere has no policy.
"""

import logging
from collections.abc import Callable
from typing import Any
from wsgiref.types import StartResponse

from webob import Request, exc

from wsgikit.model import Model

#: A policy gives what a request may touch of a model; `None`, or an exception, means nothing.
Policy = Callable[[Request, Any], Model | None]

logger = logging.getLogger("wsgikit")


def narrowed(policy: Policy | None, request: Request, model: Any, title: str) -> Any:
    """Give a model as far as a policy lets a request see it.

    Raises:
        HTTPForbidden: If the policy says no, or fails.
    """
    if policy is None:
        return model
    try:
        narrower = policy(request, model)
    except exc.HTTPException:
        raise
    except Exception as error:
        logger.exception("the policy of %s failed", title)
        raise exc.HTTPForbidden("This is not for you.") from error
    if narrower is None:
        raise exc.HTTPForbidden("This is not for you.")
    return narrower


def private(start_response: StartResponse) -> StartResponse:
    """Forbid caches to keep an answer that depends on who asked (RFC 9111 5.2.2)."""

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        if not any(name.lower() == "cache-control" for name, _value in headers):
            headers = [*headers, ("Cache-Control", "private, no-store")]
        return start_response(status, headers, exc_info)

    return start
