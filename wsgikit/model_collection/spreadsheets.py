"""CSV as spreadsheets save it, made ready to be read as rows of a model.

`wsgikit.media.csv` reads RFC 4180, so that what was exported comes back as it was.  A file that
somebody saved from a spreadsheet differs in ways that say what they mean:

- "Unicode text" is UTF-16;
- where numbers have a decimal comma, semicolons separate the cells, and there `01.05.2026` is a
  date; tabs separate the cells of text that was pasted;
- empty lines follow the last row;
- people name columns as they see them: by the label, or with blanks around.

Nothing is guessed that could mean two things: `1.234` has groups of digits only if there is a
decimal comma in the file, and dates with slashes are no dates.
"""

import csv
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from wsgikit.media import ParseError
from wsgikit.model import Field, FieldError

#: What may separate cells; the first one where nothing tells.
SEPARATORS = ",;\t|"

_NUMBER = re.compile(r"(-?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+))(?:,([0-9]+))?")
_NUMBERS = frozenset({"integer", "float", "decimal"})
_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})(?: ([0-9]{1,2}):([0-9:]+))?")

Row = Mapping[str, Any]


def in_utf8(data: bytes) -> bytes:
    """Give a file in UTF-8.

    Raises:
        ParseError: It is in something else, which could not be told from yet another encoding.
    """
    wide = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "This is not UTF-8. A spreadsheet can be saved as CSV UTF-8."
        raise ParseError(f"Line {line}: {hint}") from error
    return text.encode() if wide else data


def separator_of(data: bytes, fields: Iterable[Field]) -> str:
    """Tell what separates the cells: that which finds the most columns in the header."""
    head = data.partition(b"\n")[0].removeprefix(BOM_UTF8).decode()
    known = {name for field in fields for name in _names(field)}

    def found(mark: str) -> tuple[int, int]:
        cells = next(csv.reader([head], delimiter=mark), [])
        return len(known.intersection(map(_bare, cells))), len(cells)

    return max(SEPARATORS, key=found)


def without_empty_end(data: bytes, separator: str) -> bytes:
    """Drop empty lines at the end; where there is one column, they are rows."""
    several = separator.encode() in data.partition(b"\n")[0]
    return data.rstrip(b"\r\n") if several else data


def has_decimal_comma(rows: Iterable[Row], fields: Sequence[Field]) -> bool:
    """Tell whether there is a number with a comma; of rows up to one that cannot be read."""
    numbers = {field.name for field in fields if field.kind in _NUMBERS}
    try:
        for row in fitted(rows, fields):
            texts = [text for name, text in row.items() if text and name in numbers]
            if any((found := _NUMBER.fullmatch(text.strip())) and found[2] for text in texts):
                return True
    except ParseError:
        pass  # whoever reads the rows is told
    return False


def fitted(
    rows: Iterable[Row], fields: Sequence[Field], *, dates: bool = False, comma: bool = False
) -> Iterator[Row]:
    """Give rows with the names of the fields, and values as these are read.

    Args:
        rows: Those of a file.
        fields: Those of the model.
        dates: Whether dates are written with dots.
        comma: Whether the decimal sign is a comma.
    """
    rows = iter(rows)
    for first in islice(rows, 1):
        named = _spelled([*first], fields)
        by_kind = dict.fromkeys(("date", "datetime"), _moment) if dates else {}
        by_kind |= dict.fromkeys(_NUMBERS, _number) if comma else {}
        read = {field.name: by_kind.get(field.kind, _same) for field in fields}
        plan = [(name, named[name], read.get(named[name], _same)) for name in first]
        for row in chain([first], rows):
            yield {field: read(row[name]) for name, field, read in plan}


def mistakes(names: Iterable[str], fields: Sequence[Field], *, all_new: bool) -> list[FieldError]:
    """List what is wrong with the columns of a file, once rather than for each row.

    Args:
        names: Those of the file.
        fields: Those of the model.
        all_new: Whether each row has to have what is required.
    """
    names, known = set(names), {field.name for field in fields}
    found = [FieldError(n, "unknown", "There is no such column.") for n in sorted(names - known)]
    missing = [f.name for f in fields if all_new and f.required and f.name not in names]
    return found + [FieldError(n, "required", "The file has no such column.") for n in missing]


def _names(field: Field) -> set[str]:
    return {_bare(field.name), _bare(field.label)}


def _bare(name: str) -> str:
    return name.strip().casefold()


def _spelled(names: Sequence[str], fields: Sequence[Field]) -> dict[str, str]:
    """Give the field that each column of a file is meant for; no two share one."""
    exact = {field.name for field in fields}.intersection(names)
    spelled = {}
    for name in names:
        able = [f.name for f in fields if f.name not in exact and _bare(name) in _names(f)]
        spelled[name] = able[0] if len(able) == 1 and name not in exact else name
    taken = [*spelled.values()]
    return {n: field if taken.count(field) == 1 else n for n, field in spelled.items()}


def _same(text: Any) -> Any:
    return text


def _number(text: Any) -> Any:
    found = text and _NUMBER.fullmatch(text.strip())
    if not found:
        return text
    whole = found[1].replace(".", "")
    return type(text)(f"{whole}.{found[2]}" if found[2] else whole)


def _moment(text: Any) -> Any:
    found = text and _DAY.fullmatch(text.strip())
    if not found:
        return text
    day, month, year, hour, rest = found.groups()
    clock = f"T{hour:0>2}:{rest}" if hour else ""
    return type(text)(f"{year}-{month:0>2}-{day:0>2}{clock}")
