"""Which media type answers: by `?format=`, else by `Accept`."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

from webob import Request
from webob.acceptparse import create_accept_header
from webob.exc import HTTPBadRequest, HTTPNotAcceptable

from wsgikit.media.kinds import TOKEN, Media, MediaType, media_types

#: Parameters of a query string, and fields of a form. What Django allows, too.
MAX_FIELDS = 1000

_JSON = "application/json"
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: All that is sent is UTF-8, so a media range that asks for that asks for nothing.
_UTF_8 = re.compile(r';[ \t]*charset="?utf-?8"?(?=[ \t]*(?:[,;]|\Z))', re.IGNORECASE)
_MEDIA_PARAMETER = re.compile(
    rf';[ \t]*(?!q=)(?:{TOKEN})=(?:{TOKEN}|"(?:[^"\\]|\\.)*+")', re.IGNORECASE
)


def negotiate(request: Request, media: Media) -> MediaType:
    """Choose the media type to answer with: by `?format=`, else by `Accept`.

    Of those that are wanted alike, it is JSON for a body of JSON, else the first.

    Raises:
        HTTPBadRequest: The query string cannot be read, or has several `format`.
        HTTPNotAcceptable: Nothing on offer is wanted; the answer names what is.
        ValueError: No media type in *media* has a renderer.
    """
    offers = {offer.name: offer for offer in media_types(media) if offer.renderer is not None}
    if not offers:
        raise ValueError("No media type with a renderer was given; give one, such as JSON.")
    wanted = format_of(request)
    if wanted:
        return _by_format(wanted, offers)
    name = choose(request.environ.get("HTTP_ACCEPT", ""), _preferred(offers, request))
    if name is None:
        raise HTTPNotAcceptable(f"None of the wanted media types is here: {', '.join(offers)}.")
    return offers[name]


def _preferred(names: Iterable[str], request: Request) -> tuple[str, ...]:
    """Put JSON first for who sent it: most programs that do so do not say that they want it."""
    sent = (request.environ.get("CONTENT_TYPE") or "").partition(";")[0].strip(" \t").lower()
    if sent != _JSON or request.method in ("GET", "HEAD"):
        return tuple(names)
    return tuple(sorted(names, key=lambda name: name != _JSON))


def _by_format(wanted: str, offers: Mapping[str, MediaType]) -> MediaType:
    for offer in offers.values():
        if offer.format == wanted:
            return offer
    known = ", ".join(offer.format for offer in offers.values())
    raise HTTPNotAcceptable(f"There is no format {wanted[:50]!r} here: {known}.")


# A few dozen headers cover all browsers and libraries; parsing one costs more than a dispatch.
@lru_cache(maxsize=256)
def choose(accept: str, names: tuple[str, ...]) -> str | None:
    """Return the name that an `Accept` header likes best, None when it wants none of them."""
    header = create_accept_header(_UTF_8.sub("", accept).strip(" \t") or None)
    offers = header.acceptable_offers(names)
    if not offers:
        # RFC 9110, 12.5.1 lets us disregard what cannot be had: here, parameters such as those
        # of text/csv;header=present. The names are still respected.
        header = create_accept_header(_MEDIA_PARAMETER.sub("", accept).strip(" \t") or None)
        offers = header.acceptable_offers(names)
    if not offers:
        return None
    named = {wanted.partition(";")[0].lower() for wanted, *_ in header.parsed or ()}
    best: str = max(offers, key=lambda offer: (offer[1], offer[0].lower() in named))[0]
    return best


def format_of(request: Request) -> str:
    """Return the value of `?format=`, empty when there is none."""
    query = request.environ.get("QUERY_STRING", "")
    # An encoded name (%66ormat) is the same name, so only these two prove its absence.
    if "format" not in query and "%" not in query:
        return ""
    values = [value for name, value in query_pairs(query) if name == "format"]
    if len(values) > 1:
        raise HTTPBadRequest("The parameter format is given more than once; give it once.")
    return values[0] if values else ""


def query_pairs(query: str) -> list[tuple[str, str]]:
    if BROKEN_ESCAPE.search(query):
        raise HTTPBadRequest("The query string has a % that is not followed by two hex digits.")
    try:
        # PEP 3333: raw bytes arrive as if they were Latin-1.
        text = query.encode("latin-1").decode("utf-8")
        return parse_qsl(text, True, errors="strict", separator="&", max_num_fields=MAX_FIELDS)
    except UnicodeError as error:
        raise HTTPBadRequest("The query string is not UTF-8.") from error
    except ValueError as error:
        raise HTTPBadRequest(f"The query string has over {MAX_FIELDS} parameters.") from error
