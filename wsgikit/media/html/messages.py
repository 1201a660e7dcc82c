"""Texts that other parts make in English, and how they are said in another language.

Models, queries and collections know nothing of languages: what they say is for programs, too.
A text that remembers what it was made of has a `template`, with gaps as `str.format` has them,
and the `values` that fill them.  Of any other the template is found by its form, among `TEXTS`.
"""

import re
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from wsgikit.media.html.languages import Language


def translate(language: Language, text: Any) -> str:
    """Translate a text that code made."""
    template = getattr(text, "template", None)
    if isinstance(template, str):
        values = {name: _spoken(language, value) for name, value in text.values.items()}
        return language.texts.gettext(template).format(**values)
    text = str(text)
    translated = language.texts.gettext(text) if text else text
    if translated != text or not language.is_translated:
        return translated
    template, found = _recognise(text)
    values = {name: _part(language, name, value) for name, value in found.items()}
    return language.texts.gettext(template).format(**values) if template else text


def _part(language: Language, name: str, value: str) -> str:
    return translate(language, value) if name in ("what", "unit") else value


def _spoken(language: Language, value: Any) -> Any:
    if type(value) in (int, Decimal):
        return language.number(value)
    if isinstance(value, date | time):
        return language.moment(value)
    return translate(language, value) if hasattr(value, "template") else value


@lru_cache(maxsize=1000)
def _recognise(text: str) -> tuple[str, dict[str, str]]:
    """Find the template of a text, and what fills its gaps."""
    for template, form in _forms():
        match = form.fullmatch(text)
        if match:
            return template, match.groupdict()
    return "", {}


@lru_cache(maxsize=1)
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    """Compile the templates with gaps; the most telling ones first."""
    gapped = [text for text in TEXTS if GAP.search(text)]
    gapped.sort(key=lambda text: len(GAP.sub("", text)), reverse=True)
    return [(text, re.compile(_pattern(text), re.DOTALL)) for text in gapped]


def _pattern(template: str) -> str:
    pieces = GAP.split(template)
    # Every second piece is the name of a gap.
    return "".join(
        f"(?P<{piece}>{_NUMBERS.get(piece, '.*?')})" if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    )


#: A gap of a template, and what fills those that are for a number.
GAP = re.compile(r"\{([a-z_]+)\}")
_NUMBERS = dict.fromkeys(("count", "length", "line", "most", "least"), r"-?[\d,.]+")

#: What the catalogues know besides the texts of templates.
TEXTS = (
    *("characters", "bytes"),
    # What a collection is.
    "table",
    "view",
    "collection",
    "It is a view.",
    "It is read-only.",
    "It has no primary key.",
    "The server was started for reading only.",
    "The type of its primary key cannot tell rows apart exactly.",
    # Breadcrumbs, filters, and what they ask.
    *("Home", "New", "Edit", "Delete", "Import", "Selected rows", "Some columns"),
    *("any", "yes", "no", "empty", "not empty"),
    *("contains", "from", "to", "is", "is empty"),
    "Search: {words}",
    "{column} is {value}",
    "{column} is not {value}",
    "{column} is one of {value}",
    "{column} is none of {value}",
    "{column} contains {value}",
    "{column} begins with {value}",
    "{column} ends with {value}",
    "{column} is empty",
    "{column} is not empty",
    # What became of it.
    *("Created.", "Saved.", "Deleted."),
    "{count} rows were deleted.",
    "One row was deleted.",
    "{count} rows were changed.",
    "One row was changed.",
    "{count} rows were imported.",
    "One row was imported.",
    "No row was imported: all of them are there already.",
    # What is wrong with a value.
    "A value is required.",
    "An earlier row has the same key.",
    "Another row has this key.",
    "Another row has this value already.",
    "Cannot be set.",
    "Give a value.",
    "Has a character that cannot be stored.",
    "Has too large an exponent.",
    "Is {value} here, and nothing else.",
    "Is no column that can be set in many rows.",
    "Is not a value that the database can store here.",
    "Is not the key in the URL.",
    "Is outside of what the database can store.",
    "Is too large a number.",
    "Is too small a number.",
    "Is too long a duration.",
    "Is too long for the database.",
    "Must be a date and time such as {example}, not {value}.",
    "Must be a date such as 2026-02-28, not {value}.",
    'Must be a decimal number such as "12.50", not {value}.',
    "Must be a duration such as P1DT2H30M, not {value}.",
    "Must be a finite number.",
    "Must be a number, not {value}.",
    "Must be a time such as 12:30:00, not {value}.",
    "Must be a UUID, not {value}.",
    "Must be a whole number, not {value}.",
    "Must be an array, not {value}.",
    "Must be at least {least} days.",
    "Must be at least {least}.",
    "Must be at most {most}.",
    "Must be bytes in base64 (RFC 4648, section 4).",
    "Must be bytes in base64, not {value}.",
    "Must be JSON.",
    "Must be JSON text of at most {most} levels.",
    "Must be less than {most} days.",
    "Must be one of {choices}.",
    "Must be text, not {value}.",
    "Must be text or a number, not {value}.",
    "Must be true or false, not {value}.",
    "Must have a UTC offset, such as +00:00 at the end.",
    "Must have at most {most} {unit}, not {length}.",
    "Must have at most {most} decimal places.",
    "Must have at most {most} digits.",
    "Must have at most {most} digits before the point.",
    "Must have no UTC offset: a local time is stored.",
    "Other rows refer to at least one of these.",
    "Other rows refer to this one.",
    "The row would be outside of what you may see.",
    "The row would have another URL: this key is not spelled as it is stored.",
    "The value breaks a rule of the database.",
    "There is no such date or time as {text}.",
    "There is no such field.",
    "There is no such row to refer to.",
    # What is wrong with a form, or a file.
    "A quote stands in a cell that is not in quotes.",
    "A CR stands alone; lines end with CRLF or LF.",
    "An id is no file.",
    "Choose a file.",
    "Choose one file.",
    "Change the rows that are there",
    "Leave the rows that are there as they are",
    "Refuse the file",
    "Line {line}: {what}",
    "{count} cell, where the header has {columns}.",
    "{count} cells, where the header has {columns}.",
    "No row matches, so nothing was done.",
    "No row was chosen, so nothing was done.",
    "One of these rows has a key that no URL can spell.",
    "Some values cannot be stored.",
    "Something follows the quote at the end of a cell.",
    "The body is empty; CSV with a header line was expected.",
    "The CSV has no header line, which names the columns.",
    "The file has more than {most} MB.",
    "The file has no rows.",
    "The file has no such column.",
    "The file is empty.",
    "The file is no list of rows.",
    "The name of the file must end with one of: {ends}.",
    "The quotes that begin here are never closed.",
    "There is no such column.",
    "This is not UTF-8. A spreadsheet can be saved as CSV UTF-8.",
    "These rows have changed in the meantime; nothing was done yet.",
    # What a query asks in vain.
    "Belongs to a list with another filter or order.",
    "Has a character that cannot be searched for.",
    "Has an empty name.",
    "Has more than {most} values.",
    "Has more than {most} words.",
    "Is given more than once; give it once.",
    "Is not one that this collection gave.",
    "Must be 1 (up to a bound) or exact, not {value}.",
    "Must be a whole number of at least 1, or all, not {value}.",
    "Must be names of columns, separated by commas.",
    "Must not be null; ask for nulls with __isnull.",
    "Names a column twice.",
    "Only a list takes a query.",
    "The column {column} does not lead to other rows here.",
    "The query string has a % that is not followed by two hex digits.",
    "The query string is not UTF-8.",
    "The {kind} column {column} has no order. These have: {columns}.",
    "The {kind} column {column} has no {operator}. It has: {operators}.",
    "There are no columns to search here.",
    "There is no column {name}.",
    "There is no column {name}. There are: {columns}.",
    "A query has at most {most} values.",
    "A value of the filter does not suit its column.",
    "All rows at once can be had with: {formats}.",
    "Follows more than {most} foreign keys.",
    "Has a character that does not exist.",
    "Has a double quote out of place; double it inside quotes.",
    "Is no name of a parameter.",
    "Must name each column once: -created,name for example.",
    "There is no format {name}. There are: {formats}.",
    "{name} is no column that leads to other rows here.",
    # Why something was not done, and the titles of such pages.
    "Here, many rows cannot be written at once.",
    "Others change this row all the time; nothing was saved.",
    "Others were changing the same; nothing was changed.",
    "Choose the file again.",
    "Somebody else changed this row in the meantime; nothing was saved.",
    "Somebody else deleted this row in the meantime. Save to store what you typed as a new one.",
    "That method is not for this URL.",
    "The browser says that this request was made by a page of another site. "
    "Send it from a page of this site.",
    "The connection was lost while saving: it may or may not be saved.",
    "The connection was lost; nothing was changed.",
    "All database connections are busy.",
    "The database file is not there.",
    "The database did not store every row; nothing was changed.",
    "The database would store it under another key than the one given.",
    "The key is not unique in the database; nothing was changed.",
    "The keys do not name these rows exactly; nothing was changed.",
    "The row was changed in the meantime.",
    "The store failed; the log knows more.",
    "There is no {variable} {text}.",
    "The database cannot be reached, or has no such table.",
    "The database cannot be reached.",
    "The database does not allow this.",
    "The database failed.",
    "The database is busy; nothing was changed.",
    "The database took too long; nothing was changed.",
    "There is no file.",
    "There is no such row.",
    "There is nothing at this URL.",
    "There is such a row already; nothing was saved.",
    "This is not for you.",
    "This would change more than {most} rows; nothing was changed.",
    "Too many long answers are on their way; try again later.",
    *("Bad Request", "Unauthorized", "Forbidden", "Not Found", "Method Not Allowed"),
    *("Not Acceptable", "Conflict", "Precondition Failed", "Request Entity Too Large"),
    *("Unsupported Media Type", "Unprocessable Entity", "Precondition Required"),
    *("Internal Server Error", "Service Unavailable"),
)
