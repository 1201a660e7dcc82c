"""Turn data into representations, and bodies into data: what all media types share.

A media type is a name, a renderer and a parser.
A renderer is any callable `renderer(value, request)` that returns bytes, or an iterable of
bytes when the result can be large.
A parser is any callable `parser(request)` that returns a value, or raises `ParseError`.
For a body of many rows that value is `Rows`, which reads while it is consumed.

Use this module alone when an application of your own should answer in several formats::

    from webob.dec import wsgify
    from wsgikit.media import MediaType, respond

    def write_text(value, request):
        return f"{value}\\n".encode()

    media = [MediaType("text/plain", write_text)]

    @wsgify
    def app(request):
        return respond("Hello", request, media)

Wherever `media` is an argument, one `MediaType` or several may be given, the preferred one
first.

Which media type answers: `?format=json` in the query string wins, because a link must be able
to ask; then `Accept` decides (RFC 9110, 12.5.1); without either, or when `Accept` cannot be
read, the first media type answers.
At equal quality a type that `Accept` names beats one that only a wildcard covers, since clients
that send `application/json, text/plain, */*` want JSON.
An empty `format=` counts as absent, as plain HTML forms send every input.

Reads `wsgikit.parsed` and writes it (the parsed body, so that a body is read once), writes
`wsgi.input` and `CONTENT_LENGTH` (the body stays readable for whoever comes next), and gives
the renderer of a problem page an environ with `wsgikit.action` set to `problem`.
For renderers, `columns_of()` reads `wsgikit.columns` and `title_of()` reads `wsgikit.title`.

The pieces: `wsgikit.media.kinds` (what a media type is), `negotiation`, `bodies`, `answers`,
`problems`, and what the formats share, `values` and `rows`.  All their public names are here.
"""

from wsgikit.media.answers import answer, asset, is_header, respond, without_body
from wsgikit.media.bodies import (
    ACCEPT_HEADERS,
    MAX_BODY,
    MAX_LINE,
    MAX_STREAM,
    body_lines,
    body_stream,
    parse_body,
    parse_content_type,
    read_body,
)
from wsgikit.media.kinds import (
    CHUNK,
    Asset,
    Form,
    Headers,
    Media,
    MediaType,
    ParseError,
    Parser,
    Renderer,
    Rows,
    Upload,
    accepted,
    media_types,
)
from wsgikit.media.negotiation import MAX_FIELDS, negotiate
from wsgikit.media.problems import problem
from wsgikit.media.rows import columns_of, deliver, page_of, rows_of, title_of
from wsgikit.media.values import json_text, picture_type, to_text

__all__ = [
    "ACCEPT_HEADERS",
    "CHUNK",
    "MAX_BODY",
    "MAX_FIELDS",
    "MAX_LINE",
    "MAX_STREAM",
    "Asset",
    "Form",
    "Headers",
    "Media",
    "MediaType",
    "ParseError",
    "Parser",
    "Renderer",
    "Rows",
    "Upload",
    "accepted",
    "answer",
    "asset",
    "body_lines",
    "body_stream",
    "columns_of",
    "deliver",
    "is_header",
    "json_text",
    "media_types",
    "negotiate",
    "page_of",
    "parse_body",
    "parse_content_type",
    "picture_type",
    "problem",
    "read_body",
    "respond",
    "rows_of",
    "title_of",
    "to_text",
    "without_body",
]
