"""The contract between a collection and a store: `Model`, `Field`, `Page` and the errors.

Use it alone to write a model of your own: anything with these six verbs (list, retrieve,
create, update, delete, stream) can be served by a
`wsgikit.model_collection.ModelCollection`.  `MemoryModel` is the worked example.

    from wsgikit.model import Field, MemoryModel

    people = MemoryModel([Field("id", "integer", required=False), Field("name", length=80)])
    ada = people.create({"name": "Ada"})
    assert people.retrieve(ada["id"]) == {"id": 1, "name": "Ada"}

Values travel as plain Python objects: a row is a dict from field name to `str`, `int`,
`float`, `Decimal`, `bool`, `date`, `time`, `datetime`, `timedelta`, `UUID`, `bytes`, a
dict or list (JSON), or `None`.
What a client sends comes in as JSON spells it (`Field.check` converts it), or as `Text`,
which is what forms send and still needs reading by the field's kind.
`clean` does this for a whole row and reports every mistake at once.
Nothing here knows SQL or WSGI.

The parts, whose public names are all here:

- `fields`: the kinds of values, their limits, and how they are read and written;
- `rows`: whole rows, checked and completed; versions;
- `keys`: the one text that names a row in a URL;
- `contract`: the verbs, and the errors that they raise;
- `selection`: a query, held against a model's fields;
- `choosing`: filters, order and pages in Python, for a store that is no SQL database;
- `paging`: pages, and the cursors between them;
- `memory`: the model in a dict;
- `retrying`: doing again what others made the store undo;
- `describing`: a model as plain data, for descriptions;
- `schema`: its rows as JSON Schema.
"""

from wsgikit.model.choosing import chosen, page_of, stream_of
from wsgikit.model.contract import (
    MAX_ERRORS,
    ConflictError,
    DeniedError,
    FieldError,
    LimitError,
    Model,
    ModelError,
    NotFoundError,
    Page,
    RefusedError,
    RetryError,
    Row,
    Store,
    StoreError,
    UnavailableError,
    ValidationError,
    Values,
    VersionError,
    Written,
)
from wsgikit.model.describing import describe_model
from wsgikit.model.fields import (
    DEFAULT,
    KINDS,
    MAX_DEPTH,
    MAX_DIGITS,
    NONFINITE,
    READERS,
    REQUIRED,
    WRITERS,
    Exact,
    Field,
    Reference,
    Text,
    Unfit,
    read_json,
    to_text,
    write_float,
    write_interval,
)
from wsgikit.model.keys import decode_key, encode_key
from wsgikit.model.memory import MemoryModel
from wsgikit.model.paging import COUNT_BOUND, foreign_cursor, make_page, read_position
from wsgikit.model.retrying import repeat
from wsgikit.model.rows import (
    changed_row,
    clean,
    clean_changes,
    fixed,
    immutable,
    new_row,
    replacement,
    version_of,
)
from wsgikit.model.selection import (
    KIND_OPERATORS,
    SORTABLE,
    Selection,
    is_empty_filter,
    resolve,
    whole_order,
)

__all__ = [
    "COUNT_BOUND",
    "DEFAULT",
    "KINDS",
    "KIND_OPERATORS",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_ERRORS",
    "NONFINITE",
    "READERS",
    "REQUIRED",
    "SORTABLE",
    "WRITERS",
    "ConflictError",
    "DeniedError",
    "Exact",
    "Field",
    "FieldError",
    "LimitError",
    "MemoryModel",
    "Model",
    "ModelError",
    "NotFoundError",
    "Page",
    "Reference",
    "RefusedError",
    "RetryError",
    "Row",
    "Selection",
    "Store",
    "StoreError",
    "Text",
    "UnavailableError",
    "Unfit",
    "ValidationError",
    "Values",
    "VersionError",
    "Written",
    "changed_row",
    "chosen",
    "clean",
    "clean_changes",
    "decode_key",
    "describe_model",
    "encode_key",
    "fixed",
    "foreign_cursor",
    "immutable",
    "is_empty_filter",
    "make_page",
    "new_row",
    "page_of",
    "read_json",
    "read_position",
    "repeat",
    "replacement",
    "resolve",
    "stream_of",
    "to_text",
    "version_of",
    "whole_order",
    "write_float",
    "write_interval",
]
