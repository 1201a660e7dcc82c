"""Keys in URLs: the one text that names a row."""

import re
from collections.abc import Sequence
from typing import Any

from wsgikit.model.contract import NotFoundError
from wsgikit.model.fields import Field, Unfit, to_text

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
_TILDE = {byte: chr(byte) if byte in _UNRESERVED else f"~{byte:02X}" for byte in range(256)}
_TILDES = re.compile(r"(?:[A-Za-z0-9._-]|~[0-9A-F]{2})*")
#: Whole identifiers that would not survive in a URL, and what stands for them: the empty
#: text would be the collection's own URL, and RFC 3986 5.2.4 removes dot segments.
_SPECIAL = {"": "~", ".": "~2E", "..": "~2E~2E"}
_SPECIAL_BACK = {text: key for key, text in _SPECIAL.items()}


def encode_key(key: Sequence[Any]) -> str | None:
    """Write a key as the one text that names its row in a URL.

    The parts, in order, are joined by a comma and tilde-encoded: unreserved characters
    except `~` stay, every other byte of the UTF-8 form is `~XX`.

    Returns:
        Text of unreserved characters and commas; `None` if a part is null or not Unicode.
    """
    parts = []
    for value in key:
        text = to_text(value)
        if text is None:
            return None
        try:
            parts.append("".join([_TILDE[byte] for byte in text.encode()]))
        except UnicodeEncodeError:
            return None
    text = ",".join(parts)
    return _SPECIAL.get(text, text)


def decode_key(text: str, fields: Sequence[Field]) -> tuple[Any, ...]:
    """Read the text that `encode_key` wrote.

    Args:
        text: The `id` of a URL, percent-decoded.
        fields: The key's fields, in order.

    Raises:
        NotFoundError: If it is not exactly the text that names a possible row.  (A row has
            one URL: "007" does not name the row 7.)
    """
    parts = _SPECIAL_BACK.get(text, text).split(",")
    if len(parts) != len(fields):
        raise NotFoundError(text)
    try:
        key = tuple(field.read(_untilde(part)) for field, part in zip(fields, parts, strict=True))
    except (Unfit, UnicodeDecodeError) as error:
        raise NotFoundError(text) from error
    if encode_key(key) != text:
        raise NotFoundError(text)
    return key


def _untilde(part: str) -> str:
    if "~" not in part:
        return part
    if not _TILDES.fullmatch(part) and part not in _SPECIAL.values():
        raise Unfit("type", "is not tilde-encoded")
    return bytes(
        int(byte[1:], 16) if byte[0] == "~" else ord(byte) for byte in re.findall("~..|[^~]", part)
    ).decode()
