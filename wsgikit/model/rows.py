"""Whole rows: checked, completed for a replacement, and digested to a version."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from wsgikit.model.contract import FieldError, Row, ValidationError, Values
from wsgikit.model.fields import DEFAULT, REQUIRED, Exact, Field, Text, Unfit, to_text

UNKNOWN = "There is no such field."

#: What a conversion gives for a value that is not to be written.
_KEEP: Final = object()


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
    if current is None:
        fields = tuple(fields)
        filled = {field.name: field.default for field in fields if field.fixed}
        return filled | _convert(fields, values, _for_new_row, complete=True)

    def convert(field: Field, value: Any) -> Any:
        return _for_row(field, value, current[field.name])

    return _convert(fields, values, convert)


def clean_changes(fields: Iterable[Field], values: Values) -> Row:
    """Check the values that rows are to get, whatever is stored in them now.

    Args:
        fields: The fields of the model, as for rows that exist (see `immutable`).
        values: What a client sent, by field name; `DEFAULT` stays `DEFAULT`.

    Returns:
        All the given values, as they are stored.

    Raises:
        ValidationError: With every mistake, one entry per field.
    """
    return _convert(fields, values, _for_any_row)


def new_row(fields: Iterable[Field], given: Values) -> Row:
    """Give the row that is stored for what `clean` gave, with the fields' constant defaults.

    What the store makes itself (a number, the time) is `None` here.

    Raises:
        ValidationError: For a value that is missing although nothing makes it.
    """
    row = {}
    errors = []
    for field in fields:
        row[field.name] = value = _constant(field, given.get(field.name, DEFAULT))
        if value is None and not (field.nullable or field.has_default):
            errors.append(FieldError(field.name, "required", REQUIRED))
    if errors:
        raise ValidationError(errors)
    return row


def changed_row(fields: Iterable[Field], row: Row, changes: Values) -> Row:
    """Give a row as it is after what `clean` or `clean_changes` gave has been written."""
    return {
        f.name: _constant(f, changes[f.name]) if f.name in changes else row[f.name] for f in fields
    }


def _constant(field: Field, value: Any) -> Any:
    # A copy: values of JSON can be changed from outside.
    return deepcopy(field.default if value is DEFAULT else value)


def _convert(
    fields: Iterable[Field],
    values: Values,
    convert: Callable[[Field, Any], Any],
    *,
    complete: bool = False,
) -> Row:
    """Convert the given values, and gather the mistakes; `_KEEP` leaves a field out."""
    known = {field.name: field for field in fields}
    errors = [FieldError(name, "unknown", UNKNOWN) for name in values if name not in known]
    result: Row = {}
    for field in known.values():
        try:
            if field.name in values:
                value = convert(field, values[field.name])
                if value is not _KEEP:
                    result[field.name] = value
            elif complete and field.required:
                raise Unfit("required", REQUIRED)
        except Unfit as unfit:
            errors.append(FieldError(field.name, unfit.code, unfit.detail))
    if errors:
        raise ValidationError(errors)
    return result


def _for_new_row(field: Field, value: Any) -> Any:
    if field.has_default and _is_left_empty(value):
        return _KEEP
    return _for_any_row(field, value)


def _for_row(field: Field, value: Any, stored: Any) -> Any:
    if value is not DEFAULT and field.same(stored, value):
        return _KEEP
    value = _for_any_row(field, value)
    # Other spellings of the stored value ("+7", "2026-01-01 00:00") change nothing either.
    return _KEEP if _identical(stored, value) else value


def _for_any_row(field: Field, value: Any) -> Any:
    if field.fixed and value is not DEFAULT:
        if field.same(field.default, value):
            return field.default
        raise Unfit("read_only", f"Is {to_text(field.default)} here, and nothing else.")
    if not field.writable:
        raise Unfit("read_only", "Cannot be set.")
    return DEFAULT if value is DEFAULT else field.check(value)


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


def fixed(field: Field, value: Any) -> Field:
    """Give the same field where all rows have one value: new rows get it, and keep it.

    Raises:
        ValueError: If it is no value of this field.
    """
    if value is not None and not field.holds(value):
        raise ValueError(f"{field.name} cannot be {value!r}")
    return replace(
        field, writable=False, required=False, has_default=True, default=value, fixed=True
    )
