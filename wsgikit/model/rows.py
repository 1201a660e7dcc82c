"""Whole rows: checked, completed for a replacement, and digested to a version."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from wsgikit.model.contract import FieldError, Row, ValidationError, Values
from wsgikit.model.fields import DEFAULT, REQUIRED, Exact, Field, Text, Unfit, to_text


def clean(fields: Iterable[Field], values: Values, *, current: Row | None = None) -> Row:
    """Check the values of a row, and convert them to what is stored.

    Args:
        fields: The fields of the model; the order of the errors.
        values: What a client sent, by field name.
        current: The stored row when it is to be changed; `None` for a new row.

    Returns:
        The values to write.  For a change, those only that differ from *current*: a value
        that came out and goes back in is never written, even if it would not pass today.

    Raises:
        ValidationError: With every mistake, one entry per field.
    """
    errors: list[FieldError] = []
    result: Row = {}
    known = {field.name: field for field in fields}
    for name in values:
        if name not in known:
            errors.append(FieldError(name, "unknown", "There is no such field."))
    for field in known.values():
        try:
            if field.name in values:
                _clean_value(field, values[field.name], current, result)
            elif current is None and field.required:
                raise Unfit("required", REQUIRED)
        except Unfit as unfit:
            errors.append(FieldError(field.name, unfit.code, unfit.detail))
    if errors:
        raise ValidationError(errors)
    return result


def _clean_value(field: Field, value: Any, current: Row | None, result: Row) -> None:
    if current is not None and value is not DEFAULT and field.same(current[field.name], value):
        return
    if current is None and field.has_default and _is_left_empty(value):
        return
    if not field.writable:
        raise Unfit("read_only", "Cannot be set.")
    if value is DEFAULT:
        result[field.name] = DEFAULT
        return
    value = field.check(value)
    # Other spellings of the stored value ("+7", "2026-01-01 00:00") change nothing either.
    if current is None or not _identical(current[field.name], value):
        result[field.name] = value


def _is_left_empty(value: Any) -> bool:
    return isinstance(value, Text) and not isinstance(value, Exact) and not value


def _identical(stored: Any, value: Any) -> bool:
    return type(stored) is type(value) and to_text(stored) == to_text(value)


def replacement(fields: Iterable[Field], values: Values) -> Row:
    """Complete the values of a replacement (PUT): fields not given take their defaults.

    Raises:
        ValidationError: For a field that has no default and may not be null.
    """
    result = dict(values)
    errors = []
    for field in fields:
        if field.name in values or not field.writable:
            continue
        if field.has_default:
            result[field.name] = DEFAULT
        elif field.nullable:
            result[field.name] = None
        else:
            errors.append(FieldError(field.name, "required", REQUIRED))
    if errors:
        raise ValidationError(_with_other_errors(fields, values, errors))
    return result


def _with_other_errors(
    fields: Iterable[Field], values: Values, errors: list[FieldError]
) -> list[FieldError]:
    """Add what is wrong with the given values, so that a client hears of everything at once."""
    absent = {error.field for error in errors}
    try:
        clean([field for field in fields if field.name not in absent], values)
    except ValidationError as error:
        errors = [*error.errors, *errors]
    return errors


def version_of(row: Row) -> str:
    """Digest a row, so that any change of a value gives another text.

    Returns:
        22 URL-safe characters.
    """
    # The type is part of it: the text "1" and the number 1 are different rows.
    state = repr([(name, type(value).__name__, to_text(value)) for name, value in row.items()])
    digest = hashlib.blake2b(state.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def immutable(field: Field) -> Field:
    """Give the same field for rows that exist: a key is set once."""
    return replace(field, writable=False)
