"""wsgikit.model.schema and describing: what is described is what is taken, and what is shown."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from sqlalchemy.pool import StaticPool

from wsgikit.media.json import decode, encode
from wsgikit.model import (
    KINDS,
    Field,
    MemoryModel,
    Reference,
    Text,
    Unfit,
    ValidationError,
    clean,
    describe_model,
    encode_key,
    resolve,
    to_text,
)
from wsgikit.model.describing import filter_name, query_parameters
from wsgikit.model.schema import (
    bulk_patch_schema,
    control_name,
    create_schema,
    form_schema,
    id_schema,
    json_patch_schema,
    listed_schema,
    patch_schema,
    read_schema,
    replace_schema,
    row_document,
    row_schema,
    write_schema,
)
from wsgikit.model_collection.patches import apply_patch
from wsgikit.query import QueryError, parse_query
from wsgikit.sql import TableModel


def validator(schema: Any) -> Validator:
    """Check a schema, and give what compares values with it; formats count."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def fits(schema: Any, value: Any) -> bool:
    return bool(_validator(json.dumps(schema)).is_valid(value))


@cache
def _validator(schema: str) -> Validator:
    return validator(json.loads(schema))


# -- what is written -------------------------------------------------------------------------

#: Fields of every kind, with and without limits.
FIELDS = [
    Field("f"),
    Field("f", length=3, nul=False, nullable=False),
    Field("f", "integer"),
    Field("f", "integer", minimum=-5, maximum=300, nullable=False),
    Field("f", "integer", minimum=-(2**63), maximum=2**63 - 1),
    Field("f", "integer", minimum=0, maximum=2**64 - 1),
    Field("f", "float"),
    Field("f", "float", minimum=0, nonfinite=frozenset({"NaN", "Infinity"})),
    Field("f", "decimal"),
    Field("f", "decimal", precision=4, scale=2, nullable=False),
    Field("f", "decimal", precision=2, scale=2, nonfinite=frozenset({"NaN"})),
    Field("f", "decimal", precision=3, scale=0),
    Field("f", "decimal", precision=2, scale=-1),
    Field("f", "decimal", scale=3),
    Field("f", "boolean"),
    Field("f", "date"),
    Field("f", "datetime"),
    Field("f", "datetime", timezone=True),
    Field("f", "time"),
    Field("f", "time", timezone=True),
    Field("f", "interval"),
    Field("f", "interval", minimum=-719162, maximum=2932896),
    Field("f", "uuid"),
    Field("f", "binary"),
    Field("f", "binary", length=3),
    Field("f", "binary", length=4),
    Field("f", "binary", length=5, nullable=False),
    Field("f", "enum", choices=("red", "dark blue")),
    Field("f", "json"),
    Field("f", "json", nullable=False),
    Field("f", "array"),
    Field("f", "array", items=Field("item", "integer", minimum=0)),
    Field("f", "other"),
]

#: Values that are right for some kind, or nearly so.
NEAR = [
    None, True, False, 0, 1, -1, 5, -5, 300, 301, 2**31, 2**63, -(2**63), 2**64, 1.0, 1.5, 0.25,
    0.125, 99.99, 100.0, 1e20, -0.5, "", "a", "abc", "abcd", "a\0", "1", "1.5", "+1.50", ".5", "5.",
    "-0.005", "0.10", "0.00010", "150", "0990", "1000", "1050.0",
    "99.99", "100", "007.250", ".", "-", "NaN", "Infinity", "-Infinity", "true",
    "2026-02-28", "2026-02-29", "2024-02-29", "0000-01-01", "9999-12-31", "2026-1-1", "20260101",
    "2026-02-28T12:30", "2026-02-28 12:30:00", "2026-02-28T12:30:00.123456", "2026-02-28T24:00:00",
    "2026-02-28T12:30:00Z", "2026-02-28T12:30:00+02:00", "2026-02-28T12:30:00.1234567", "12:30",
    "12:30:00", "12:30:00.5", "12:30:60", "24:00", "12:30:00Z", "12:30:00-05:30", "12:30:00+25:00",
    "P1D", "-P1DT2H3M4.5S", "PT0S", "P", "PT", "P1M", "PT5", "P1DT", "PT1H30M", "PT1.1234567S",
    "12345678-1234-5678-1234-567812345678", "12345678-1234-5678-1234-56781234567G",
    "12345678123456781234567812345678", "AAAA", "AAA=", "AA==", "A===", "AAAAAAA=", "AAAAAA==",
    "AAAAAAAA", "AAAA AAA", "AAAA=", "AAAA==", "red", "dark blue", "blue", [], [1],
    [1, None], ["a"], [-1], [[1]], {}, {"a": [None]},
]  # fmt: skip

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)
texts_like_values = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,5}\.?[0-9]{0,6}", fullmatch=True),
    st.from_regex(r"-?P(\d{1,2}[DHMS])?(T(\d{1,2}(\.\d)?[HMS])*)?", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9+/]{0,9}={0,2}", fullmatch=True),
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.times().map(str),
    st.uuids().map(str),
)


def is_taken(field: Field, value: Any) -> bool:
    try:
        field.check(value)
    except Unfit:
        return False
    return True


def is_told_elsewhere(field: Field, value: Any) -> bool:
    """Whether a value is an exception that the module's documentation names."""
    if field.kind == "decimal":
        return isinstance(value, str) and "e" in value.lower()
    if field.kind == "integer":  # a float of that size may stand for any of several numbers
        return isinstance(value, float) and abs(value) >= 2**53
    # RFC 3339 has the full time only, and JSON Schema's formats are its; both are read.
    if field.kind in ("datetime", "time") and field.timezone and isinstance(value, str):
        return is_taken(field, value) and value.count(":") < 3
    return False


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.kind}")
def test_a_value_fits_the_schema_if_it_is_taken_and_only_then(field: Field) -> None:
    schema = write_schema(field)
    for value in NEAR:
        if not is_told_elsewhere(field, value):
            assert (value, fits(schema, value)) == (value, is_taken(field, value))


@given(st.sampled_from(FIELDS), json_values | texts_like_values)
def test_any_value_fits_the_schema_if_it_is_taken_and_only_then(field: Field, value: Any) -> None:
    assume(not is_told_elsewhere(field, value))
    assume(not (field.kind == "float" and isinstance(value, int) and abs(value) > 10**300))
    # In Python, $ matches before a line break at the end as well.
    assume(not (isinstance(value, str) and value.endswith("\n")))
    # Python's jsonschema divides floats: 0.07 is no multiple of 0.01 for it.
    assume(not (field.kind == "decimal" and isinstance(value, float)))
    assert fits(write_schema(field), value) == is_taken(field, value)


def test_every_kind_is_described() -> None:
    assert {field.kind for field in FIELDS} == set(KINDS)


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        (Field("size", "integer", minimum=0, maximum=9), {"type": ["integer", "null"],
         "minimum": 0, "maximum": 9, "format": "int32"}),
        (Field("size", "integer", minimum=0), {"type": ["integer", "null"], "minimum": 0}),
        (Field("size", "decimal", precision=6, scale=2, nullable=False), {"anyOf": [
            {"type": "string", "format": "decimal", "maxLength": 4300,
             "pattern": r"^[+-]?(?:0*[0-9]{1,4}(?:\.[0-9]{0,2}0*)?|\.(?:[0-9]{1,2}0*|0+))$"},
            {"type": "number", "multipleOf": 0.01,
             "exclusiveMinimum": -10000, "exclusiveMaximum": 10000}]}),
        (Field("size", "enum", choices=("S", "M")), {"type": ["string", "null"],
         "enum": ["S", "M", None]}),
        (Field("size", hint="In cm.", references=Reference("sizes", "id")), {
            "type": ["string", "null"], "description": "In cm. Refers to sizes by its id."}),
        (Field("size", "date", default=date(2026, 5, 1), nullable=False), {"type": "string",
         "format": "date", "pattern": write_schema(Field("d", "date"))["pattern"],
         "default": "2026-05-01"}),
        (Field("size", "interval", default=timedelta(hours=1)), {"type": ["string", "null"],
         "pattern": write_schema(Field("d", "interval"))["pattern"], "default": "PT1H"}),
    ],
)  # fmt: skip
def test_a_field_is_described_with_its_limits(field: Field, schema: Any) -> None:
    assert write_schema(field) == {"title": "Size", **schema}


@pytest.mark.parametrize("value", ["1" * 16, "0.1234567890123456", "1234567.123456789"])
def test_few_digits_are_described_of_texts(value: str) -> None:
    field = Field("f", "decimal", digits=15)
    assert not is_taken(field, value)
    assert not fits(write_schema(field), value)
    assert fits(write_schema(field), value[:15])
    narrow = Field("f", "decimal", digits=15, precision=15, scale=2)
    assert "?!" not in write_schema(narrow)["anyOf"][0]["pattern"]


# -- what is read ----------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.kind}")
def test_what_was_stored_is_shown_as_described(field: Field) -> None:
    for value in NEAR:
        if is_taken(field, value):
            assert fits(read_schema(field), decode(encode(field.check(value))))


KIND_TYPES = {
    "text": sa.String(5), "integer": sa.Integer(), "float": sa.Float(), "decimal": sa.Numeric(5, 2),
    "boolean": sa.Boolean(), "date": sa.Date(), "datetime": sa.DateTime(), "time": sa.Time(),
    "interval": sa.Interval(), "uuid": sa.Uuid(), "binary": sa.LargeBinary(),
    "enum": sa.Enum("a", "b"), "json": sa.JSON(),
}  # fmt: skip

cells = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from(["2026-02-30", "2026-02-28", "12:30:00", "[1", '{"a": 1}', "0" * 32, "a"])
)


@pytest.fixture(scope="module")
def anything() -> Iterator[TableModel]:
    """A table with a column of each kind, in SQLite, which keeps anything in any of them."""
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    columns = [sa.Column(name, type_) for name, type_ in KIND_TYPES.items()]
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
    table.create(engine)
    yield TableModel(table, engine)
    engine.dispose()


@settings(deadline=None)
@given(row=st.dictionaries(st.sampled_from(sorted(KIND_TYPES)), cells, min_size=1))
@example(row={"boolean": 2, "date": b"x", "uuid": 1.5, "enum": "c"})
def test_whatever_is_in_a_cell_is_shown_as_described(
    anything: TableModel, row: dict[str, Any]
) -> None:
    with anything.engine.begin() as connection:
        names = ", ".join(f'"{name}"' for name in row)
        connection.exec_driver_sql("DELETE FROM t")
        insert = f"INSERT INTO t (id, {names}) VALUES (1{', ?' * len(row)})"
        connection.exec_driver_sql(insert, tuple(row.values()))
    shown = decode(encode(anything.retrieve(1)))
    schema = row_schema(anything.fields)
    assert fits(schema, shown), list(validator(schema).iter_errors(shown))


def test_misfits_are_an_alternative_that_says_so() -> None:
    schema = read_schema(Field("n", "integer", nullable=False, misfits=("string", "number")))
    assert schema["anyOf"][0] == {"type": "integer"}
    assert schema["anyOf"][1]["type"] == ["string", "number"]
    assert "as it is" in schema["anyOf"][1]["description"]
    assert read_schema(Field("t", misfits=("string",))) == read_schema(Field("t"))
    one = read_schema(Field("t", misfits=("number",)))
    assert one["anyOf"][1]["type"] == "number"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("P2932896DT23H59M59.999999S", True),
        ("P2932897D", False),
        ("-P719162D", True),
        ("-P719162DT0.000001S", False),
        ("P99999DT999999H99999999M999999999S", True),
        ("-P99999DT999999H99999999M999999999S", True),
    ],
)
def test_an_interval_is_bound_by_what_the_store_can_hold(
    anything: TableModel, text: str, taken: bool
) -> None:
    (field,) = [field for field in anything.fields if field.name == "interval"]
    assert is_taken(field, text) is taken
    assert fits(read_schema(field), text)
    if fits(write_schema(field), text):
        assert taken
        anything.table.create(anything.engine, checkfirst=True)  # its engine may be a new one
        stored = anything.create({"interval": text})
        assert decode(encode(stored))["interval"] == to_text(field.check(text))


def test_types_of_ones_own_may_be_shown_as_anything() -> None:
    class Upper(sa.TypeDecorator[Any]):
        impl = sa.String
        cache_ok = True

    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
                     sa.Column("own", Upper))  # fmt: skip
    schema = read_schema(TableModel(table, sa.create_engine("sqlite://")).fields[1])
    assert all(fits(schema, value) for value in (None, 1, "a", True, [], {}))


def test_a_key_of_sqlite_may_be_null() -> None:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a TEXT PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE n (a INTEGER PRIMARY KEY)")
    for name, nulls in (("t", True), ("n", False)):
        model = TableModel(sa.Table(name, sa.MetaData(), autoload_with=engine), engine)
        assert fits(read_schema(model.fields[0]), None) is nulls
    engine.dispose()


# -- rows ------------------------------------------------------------------------------------

PEOPLE = (
    Field("id", "integer", nullable=False, has_default=True),
    Field("name", length=5, nullable=False, required=True),
    Field("age", "integer", minimum=0),
    Field("level", "integer", nullable=False, has_default=True),
    Field("extra", "json"),
    Field("photo", "binary", length=3),
    Field("double", "integer", writable=False),
    Field("_hidden"),
)
KEY = ("id",)


def is_clean(values: Any, current: Any = None) -> bool:
    try:
        clean(PEOPLE, values, current=current)
    except ValidationError:
        return False
    return True


SAMPLES = {
    "id": [1, None, "x"],
    "name": ["Ada", "Eve", None, "too long", 5],
    "age": [5, None, -1],
    "level": [2, None],
    "extra": [None, {"a": 1}, "x"],
    "photo": [None, "AAAA", "AAAAAA=="],
    "_hidden": ["x"],
    "unknown": [1],
}
some_values = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in SAMPLES.items()}
)


@given(some_values)
def test_a_new_row_fits_the_schema_if_it_is_taken_and_only_then(values: Any) -> None:
    assert fits(create_schema(PEOPLE, KEY), values) == is_clean(values)


@given(some_values)
def test_a_change_fits_the_schema_if_it_is_taken_and_only_then(values: Any) -> None:
    current = {field.name: None for field in PEOPLE} | {"id": 1, "name": "Old", "level": 1}
    changeable = [f for f in PEOPLE if f.name not in KEY]
    values.pop("id", None)
    assert fits(patch_schema(PEOPLE, KEY), values) == is_clean(values, current)
    required = {"name"} <= values.keys()
    assert fits(replace_schema(PEOPLE, KEY), values) == (required and is_clean(values, current))
    assert changeable


def test_what_cannot_be_set_is_marked_and_may_come_back() -> None:
    for schema in (replace_schema(PEOPLE, KEY), patch_schema(PEOPLE, KEY), row_schema(PEOPLE)):
        marked = {name for name, value in schema["properties"].items() if value.get("readOnly")}
        assert marked == ({"double"} if "age" in schema.get("required", ()) else {"id", "double"})
    assert "double" not in create_schema(PEOPLE, KEY)["properties"]
    assert replace_schema(PEOPLE, KEY)["required"] == ["name"]
    assert "required" not in patch_schema(PEOPLE, KEY)


@pytest.mark.parametrize(
    ("key", "required"),
    [
        (("n",), []),
        (("t",), ["t"]),
        (("n", "t"), ["n", "t"]),
        (("d",), []),
    ],
)
def test_a_key_that_nothing_counts_up_is_required(key: tuple[str, ...], required: Any) -> None:
    fields = (Field("n", "integer"), Field("t"), Field("d", has_default=True))
    assert create_schema(fields, key).get("required", []) == required


def test_a_row_of_a_list_may_have_some_fields_and_whole_rows_in_them() -> None:
    fields = (Field("id", "integer"), Field("author", "integer", references=Reference("a", "id")))
    schema = listed_schema(fields, ["author"])
    assert fits(schema, {"author": {"id": 1}})
    assert fits(schema, {"id": 1, "author": 5})
    assert not fits(schema, {"author": "x"})


def test_many_rows_get_whole_values() -> None:
    schema = bulk_patch_schema((*PEOPLE, Field("must", "json", nullable=False)), KEY)
    assert fits(schema, {"extra": [1], "must": 5, "age": None})
    for values in ({"extra": {"a": 1}}, {"must": None}, {"id": 1}, {"double": 1}):
        assert not fits(schema, values)


def test_a_row_is_a_document_of_its_own() -> None:
    model = MemoryModel(PEOPLE)
    document = row_document(model, "http://localhost/people/;schema", "People")
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == "http://localhost/people/;schema"
    assert document["title"] == "People"
    assert document["required"] == [field.name for field in PEOPLE]
    validator(document)


# -- ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "value", "taken"),
    [
        (["integer"], 7, True),
        (["text"], "abc", True),
        (["text"], "", True),
        (["text"], "é/ü", True),
        (["text"], "𝄞€é", True),
        (["text"], "abcd", False),
        (["text", "integer"], ("a,b", -7), True),
        (["text", "integer"], ("abcd", 1), False),
        (["uuid", "text"], ("12345678-1234-5678-1234-567812345678", "."), True),
    ],
)
def test_the_id_of_a_new_row_is_described_by_its_key(
    kinds: list[str], value: Any, taken: bool
) -> None:
    key = [Field(f"f{n}", kind, length=3, nullable=False) for n, kind in enumerate(kinds)]
    id = encode_key(value if isinstance(value, tuple) else (value,))
    assert id is not None
    shown: Any = int(id) if kinds == ["integer"] else id
    assert fits(id_schema(key, new=True), shown) is taken
    assert fits(id_schema(key), shown)


def test_an_id_says_what_its_parts_are() -> None:
    assert id_schema([Field("a"), Field("b")]) == {
        "type": "string",
        "description": "The parts of the key, with commas: a, b.",
    }
    assert "{1," not in id_schema([Field("a", length=5000)], new=True)["pattern"]


# -- forms and patches -----------------------------------------------------------------------


def as_form(values: Any) -> Any:
    return {name: Text(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("values", "right"),
    [
        ({"name": "Ada"}, True),
        ({"name": ""}, False),
        ({"name": "Ada", "age": ""}, True),
        ({"name": "Ada", "level": ""}, True),
        ({"name": "Ada", "extra": ""}, True),
        ({"name": "Ada", "extra": '{"a": 1}'}, True),
        ({"name": "Ada", "_hidden": "x"}, True),
        ({"name": "too long"}, False),
        ({"age": "5"}, False),
    ],
)
def test_a_form_is_described_by_its_controls(values: Any, right: bool) -> None:
    sent = {control_name(name): value for name, value in values.items()}
    assert fits(form_schema(PEOPLE, KEY, new=True), sent) is right
    assert is_clean(as_form(values)) is right


def test_a_form_that_changes_a_row_says_of_which_version_it_is() -> None:
    schema = form_schema(PEOPLE, KEY, new=False)
    assert list(schema["properties"]) == [
        "name", "age", "level", "extra", "photo", "__hidden", "_version",
    ]  # fmt: skip
    assert schema["required"] == ["name"]
    assert not fits(schema, {"name": "Ada", "level": ""})
    other = form_schema(
        [Field("tags", "array", items=Field("tag")), Field("any", "other")], new=True
    )
    assert other["properties"]["tags"]["anyOf"][0]["contentSchema"]["items"]["type"] == [
        "string", "null",
    ]  # fmt: skip
    assert other["properties"]["any"] == {"title": "Any", "type": "string"}
    assert "items" not in form_schema([Field("tags", "array")], new=True)["properties"]["tags"]


PATCHED = {"id": 1, "name": "Ada", "age": 5, "level": 1, "extra": {"a.b": [1]}, "photo": None,
           "double": 2, "_hidden": None}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        ({"op": "replace", "path": "/name", "value": "Eve"}, True),
        ({"op": "add", "path": "/age", "value": None}, True),
        ({"op": "remove", "path": "/age"}, True),
        ({"op": "remove", "path": "/name"}, False),
        ({"op": "replace", "path": "/name", "value": 5}, False),
        ({"op": "test", "path": "/id", "value": 1}, True),
        ({"op": "replace", "path": "/extra/a.b/0", "value": 2}, True),
        ({"op": "remove", "path": "/extra/a.b"}, True),
        ({"op": "add", "path": "/unknown", "value": 1}, False),
        ({"op": "replace", "path": "/double", "value": 1}, False),
    ],
)
def test_a_json_patch_is_described_by_its_operations(operation: Any, right: bool) -> None:
    assert fits(json_patch_schema(PEOPLE, KEY), [operation]) is right
    after = apply_patch(PATCHED, [operation])
    changed = {n: after.get(n) for n in {*PATCHED, *after} if after.get(n) != PATCHED.get(n)}
    assert is_clean(changed, PATCHED) is right


def test_pointers_into_json_are_patterns_of_any_name() -> None:
    schema = json_patch_schema([Field("a+b/~", "json")])
    assert fits(schema, [{"op": "remove", "path": "/a+b~1~0/x"}])
    assert not fits(schema, [{"op": "remove", "path": "/aab~1~0/x"}])


# -- queries ---------------------------------------------------------------------------------


def of_every_kind() -> MemoryModel:
    fields = [Field("id", "integer", has_default=True)]
    fields += [Field(kind, kind, choices=("a", "b c")) for kind in KINDS]
    fields += [Field("limit", "integer"), Field("and"), Field("a__lt"), Field("a,b"), Field("-c")]
    return MemoryModel(fields, name="all")


EVERY_KIND = of_every_kind()
CONDITIONS = describe_model(EVERY_KIND)["schemas"]["conditions"]["properties"]


def parameters(model: Any) -> dict[str, Any]:
    return {each["name"]: each for each in query_parameters(model, ["json"])}


@pytest.mark.parametrize(
    ("name", "operator", "parameter"),
    [
        ("age", "eq", "age"),
        ("age", "gte", "age__gte"),
        ("limit", "eq", "limit__eq"),
        ("a__lt", "eq", "a__lt__eq"),
        ("a__x", "eq", "a__x"),
    ],
)
def test_a_filter_is_named_so_that_it_is_one(name: str, operator: str, parameter: str) -> None:
    assert filter_name(name, operator) == parameter
    (comparison,) = parse_query(f"{parameter}=1").filter.conditions  # type: ignore[union-attr]
    assert (comparison.name, comparison.operator) == (name, operator)


def test_every_parameter_that_is_described_is_known() -> None:
    model = of_every_kind()
    for name, parameter in parameters(model).items():
        if parameter.get("allowEmptyValue") and name != "format":
            resolve(parse_query(f"{name}="), model)
        elif name.endswith(("__ne", "__eq")) and "integer" in str(parameter["schema"]):
            resolve(parse_query(f"{name}=5"), model)


@given(data=st.data())
def test_a_value_of_a_filter_fits_if_it_is_taken_and_only_then(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted({*CONDITIONS} - {"and", "or", "not"})))
    value = data.draw(st.sampled_from(NEAR) | json_values)
    assume("decimal" not in name or not isinstance(value, float | str))
    assume(not (isinstance(value, int) and abs(value) > 10**300))
    assume(not (isinstance(value, float) and value.is_integer() and abs(value) >= 2**53))
    try:
        resolve(parse_query("", {name: value}), EVERY_KIND)
        taken = True
    except QueryError:
        taken = False
    schema = CONDITIONS[name]
    assert fits(schema, value) is taken


def test_conditions_hold_conditions() -> None:
    described = describe_model(of_every_kind())["schemas"]
    schema = {**described["query"], "$defs": {"conditions": described["conditions"]}}
    right = {"or": [{"text": "a"}, {"not": {"and": [{"integer__gt": 1}]}}], "sort": "-integer"}
    assert fits(schema, right)
    assert fits(schema, {"limit": 10, "sort": ["-integer", "text"], "count": 1, "fields": "text"})
    for wrong in (
        {"or": []},
        {"not": {}},
        {"or": [{"sort": "text"}]},
        {"unknown": 1},
        {"sort": ["text", "-text"]},
        {"sort": ["json"]},
        {"limit": 0},
        {"format": "json"},
    ):
        assert not fits(schema, wrong)


def test_words_are_described_as_far_as_they_have_a_meaning() -> None:
    model = MemoryModel([Field("data", "json")], key=("data",))
    plain = parameters(model)
    assert not {"q", "sort", "embed"} & {*describe_model(model)["schemas"]["query"]["properties"]}
    assert set(plain) == {"data__isnull", "fields", "limit", "cursor", "count", "format"}

    class Searched(MemoryModel):
        search = ("name", "hidden")

        def follow(self, name: str) -> Any:
            return self

    fields = [Field("id", "integer"), Field("name"), Field("up", references=Reference("m", "id"))]
    found = parameters(Searched(fields))
    assert "in one of: name" in found["q"]["description"]
    assert found["embed"]["schema"]["items"] == {"enum": ["up"]}
    document = describe_model(Searched(fields))["schemas"]["query"]
    assert fits({"$defs": {"conditions": {}}, **document}, {"q": "a", "embed": ["up"]})


def test_names_with_commas_are_quoted_and_odd_ones_are_left_out() -> None:
    found = parameters(of_every_kind())
    sorts = found["sort"]["schema"]["items"]["enum"]
    assert {'"a,b"', '"-a,b"'} <= set(sorts)
    assert "-c" not in found["fields"]["schema"]["items"]["enum"]
    assert "json" not in sorts
    assert [name for name in found if name.startswith("-c")][:2] == ["-c", "-c__ne"]
    assert not any(p.startswith("__") for p in parameters(MemoryModel([Field("")], key=("",))))


def test_a_list_is_separated_by_commas() -> None:
    found = parameters(of_every_kind())["text__in"]
    assert (found["style"], found["explode"]) == ("form", False)
    assert found["schema"]["items"]["pattern"] == '^[^",]*$'


# -- all of it -------------------------------------------------------------------------------


def test_a_model_is_described_as_plain_data() -> None:
    model = MemoryModel(PEOPLE, name="people")
    described = describe_model(model, title="Staff", actions={"list", "create"}, formats=["json"])
    assert json.loads(json.dumps(described)) == described
    assert {name: described[name] for name in ("title", "name", "key", "actions", "formats")} == {
        "title": "Staff", "name": "people", "key": ["id"], "actions": ["create", "list"],
        "formats": ["json"],
    }  # fmt: skip
    assert described["files"] == ["photo"]
    assert described["embed"] == []
    assert "required" not in described["schemas"]["patch-form"]
    assert describe_model(model)["title"] == "people"


def test_bounds_that_a_column_says_are_told_and_kept() -> None:
    info = {"minimum": 0, "maximum": 120}
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("age", sa.Integer, info=info),
        sa.Column("size", sa.Float, info={"minimum": 0}),
    )
    model = TableModel(table, sa.create_engine("sqlite://"))
    _id, age, size = model.fields
    assert (age.minimum, age.maximum, age.width) == (0, 120, (-(2**63), 2**63 - 1))
    assert size.nonfinite == {"Infinity"}
    assert age.read("500") == 500  # what may not be stored may still be asked for
    with pytest.raises(Unfit):
        age.check(121)
    with pytest.raises(Unfit):
        age.read(str(2**63))
    assert size.read("-1") == -1.0
    assert size.unlimited.minimum is None
    assert parameters(model)["age__lt"]["schema"]["maximum"] == 2**63 - 1


@pytest.mark.parametrize(
    ("text", "number"), [("5.0", 5), ("-7.", -7), ("+3.000", 3), ("5.1", None)]
)
def test_a_text_may_be_a_whole_number_with_a_point(text: str, number: int | None) -> None:
    field = Field("n", "integer")
    if number is None:
        with pytest.raises(Unfit):
            field.check(Text(text))
    else:
        assert field.check(Text(text)) == number
