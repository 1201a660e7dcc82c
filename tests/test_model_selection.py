"""Queries held against a model's fields, and rows chosen by them in Python."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgikit.model import (
    KINDS,
    Field,
    MemoryModel,
    NotFoundError,
    Page,
    Row,
    chosen,
    page_of,
    resolve,
    stream_of,
    whole_order,
)
from wsgikit.model.choosing import matcher, ordered, rank
from wsgikit.model.selection import (
    KIND_OPERATORS,
    MAX_STEPS,
    SORTABLE,
    All,
    Order,
    Part,
    Selection,
    Some,
    Step,
    Test,
    is_empty_filter,
)
from wsgikit.query import (
    OPERATORS,
    And,
    Comparison,
    Not,
    Or,
    Query,
    QueryError,
    Sort,
    parse_query,
)


class Things:
    """The least that `resolve` and `page_of` want of a model."""

    def __init__(self, fields: Iterable[Field], key: tuple[str, ...] = ("id",)) -> None:
        self.fields = tuple(fields)
        self.key = key


ID = Field("id", "integer")
NAME = Field("name")
SIZE = Field("size", "integer")
COLOR = Field("color", "enum", choices=("blue", "red"))
ACTIVE = Field("active", "boolean")
DOC = Field("doc", "json")
BOSS = Field("boss", "integer")
FIELDS = (ID, NAME, SIZE, COLOR, ACTIVE, DOC, BOSS)
THINGS = MemoryModel(FIELDS, name="things", search=["name", "color"])
THINGS.references["boss"] = THINGS
TO_BOSS = Step(BOSS, THINGS)


def condition(text: str = "", document: dict[str, Any] | None = None, model: Any = THINGS) -> Part:
    return resolve(parse_query(text, document), model).condition


# -- resolving -------------------------------------------------------------------------------


def test_nothing_asked_is_everything() -> None:
    names = tuple(field.name for field in FIELDS)
    assert resolve(Query(), THINGS) == Selection(All(), (), (), (), names, ())


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("name=a", Test(NAME, "eq", ("a",))),
        ("name__ne=a", Test(NAME, "eq", ("a",), negated=True)),
        ("size__in=1,2", Test(SIZE, "in", (1, 2))),
        ("size__notin=1,2", Test(SIZE, "in", (1, 2), negated=True)),
        ("size__isnull=true", Test(SIZE, "present", (), negated=True)),
        ("size__isnull=0", Test(SIZE, "present", ())),
        ("name__contains=a", Test(NAME, "contains", ("a",))),
        ("color__contains=x", Test(COLOR, "contains", ("x",))),
        ("boss=5", Test(BOSS, "eq", (5,))),
        ("boss.name=a", Test(NAME, "eq", ("a",), path=(TO_BOSS,))),
        ("boss.boss.size__lt=5", Test(SIZE, "lt", (5,), path=(TO_BOSS, TO_BOSS))),
        ("name=", All()),
        ("size__in=", All()),
    ],
)
def test_a_filter_becomes_a_test_of_a_column(text: str, test: Part) -> None:
    assert condition(text) == All((test,))


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"size": None}, Test(SIZE, "present", (), negated=True)),
        ({"size__ne": None}, Test(SIZE, "present", ())),
        ({"size__isnull": False}, Test(SIZE, "present", ())),
        ({"not": {"size": 1}}, Test(SIZE, "eq", (1,), negated=True)),
        ({"not": {"size__ne": 1}}, Test(SIZE, "eq", (1,))),
        ({"not": {"size__isnull": True}}, Test(SIZE, "present", ())),
        ({"not": {"size": None}}, Test(SIZE, "present", ())),
        ({"not": {"not": {"size__gt": 1}}}, Test(SIZE, "gt", (1,))),
        ({"or": [{"size": 1}, {"size": 2}]},
         Some((Test(SIZE, "eq", (1,)), Test(SIZE, "eq", (2,))))),
        ({"not": {"or": [{"size": 1}, {"name": "a"}]}},
         All((Test(SIZE, "eq", (1,), True), Test(NAME, "eq", ("a",), True)))),
        ({"not": {"size": 1, "name": "a"}},
         Some((Test(SIZE, "eq", (1,), True), Test(NAME, "eq", ("a",), True)))),
    ],
)  # fmt: skip
def test_not_moves_to_the_tests(document: dict[str, Any], part: Part) -> None:
    assert condition("", document) == All((part,))


def test_what_says_nothing_is_true_and_its_complement_is_false() -> None:
    nothing = Comparison("name", "eq", (), "name")
    assert resolve(Query(filter=nothing), THINGS).condition == All()
    assert resolve(Query(filter=Not(nothing)), THINGS).condition == Some()
    assert is_empty_filter(parse_query("name=&size=1"))
    assert not is_empty_filter(parse_query("name__eq=&size=1"))
    assert not is_empty_filter(Query())


def test_a_column_with_a_dot_is_met_before_a_path() -> None:
    dotted = Field("boss.name")
    model = MemoryModel([*FIELDS, dotted], references={"boss": THINGS})
    assert condition("boss.name=a", model=model) == All((Test(dotted, "eq", ("a",)),))
    assert condition("boss.size=1", model=model) == All(
        (Test(SIZE, "eq", (1,), path=(Step(BOSS, THINGS),)),)
    )


def test_the_order_ends_with_the_key() -> None:
    model = MemoryModel([Field("a"), Field("b"), Field("c")], key=("a", "b"))

    def order(text: str) -> list[tuple[str, bool]]:
        found = whole_order(resolve(parse_query(text), model), model)
        return [(item.field.name, item.descending) for item in found]

    assert order("") == [("a", False), ("b", False)]
    assert order("sort=-c") == [("c", True), ("a", False), ("b", False)]
    assert order("sort=c,-b") == [("c", False), ("b", True), ("a", False)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("fields=name", ("id", "name")),
        ("fields=size,name", ("id", "name", "size")),
        ("fields=name&embed=boss", ("id", "name", "boss")),
    ],
)
def test_the_key_and_what_is_embedded_are_always_wanted(text: str, names: tuple[str, ...]) -> None:
    selection = resolve(parse_query(text), THINGS)
    assert selection.names == names
    assert selection.embed == ((TO_BOSS,) if "embed" in text else ())


def test_words_are_searched_for_once_each() -> None:
    selection = resolve(parse_query("q=a+b++a"), THINGS)
    assert selection.words == ("a", "b")
    assert selection.search == (NAME, COLOR)
    assert resolve(parse_query("q=+"), THINGS).search == ()


# -- refusals --------------------------------------------------------------------------------

ALL_NAMES = "id, name, size, color, active, doc, boss"


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ("nosuch=1", "nosuch", f"There is no column 'nosuch'. There are: {ALL_NAMES}."),
        ("nosuch__lt=1", "nosuch__lt", f"There is no column 'nosuch'. There are: {ALL_NAMES}."),
        ("x" * 99 + "=1", "x" * 99, f"There is no column '{'x' * 50}'. There are: {ALL_NAMES}."),
        ("name__like=1", "name__like", "The text column name has no 'like'. It has: eq, ne, lt, "
         "lte, gt, gte, in, notin, isnull, contains, startswith, endswith."),
        ("nosuch__like=1", "nosuch__like",
         f"There is no column 'nosuch__like'. There are: {ALL_NAMES}."),
        ("boss.name__like=1", "boss.name__like", "The text column name has no 'like'. It has: eq, "
         "ne, lt, lte, gt, gte, in, notin, isnull, contains, startswith, endswith."),
        ("color__lt=red", "color__lt", "The enum column color has no 'lt'. It has: eq, ne, in, "
         "notin, isnull, contains, startswith, endswith."),
        ("doc__contains=a", "doc__contains",
         "The json column doc has no 'contains'. It has: isnull."),
        ("doc=", "doc", "The json column doc has no 'eq'. It has: isnull."),
        ("color=pink", "color", "Must be one of blue, red."),
        ("color__in=red,pink", "color__in", "Must be one of blue, red."),
        ("color__contains=%00", "color__contains", "Has a character that cannot be stored."),
        ("size=a", "size", "Must be a whole number, not 'a'."),
        ("size__isnull=x", "size__isnull", "Must be true or false, not 'x'."),
        ({"size": "1"}, "size", "Must be a whole number, not '1'."),
        ({"size__isnull": 1}, "size__isnull", "Must be true or false, not 1."),
        ({"size__isnull": None}, "size__isnull", "Must not be null; ask for nulls with __isnull."),
        ({"size__lt": None}, "size__lt", "Must not be null; ask for nulls with __isnull."),
        ({"size__in": [1, None]}, "size__in", "Must not be null; ask for nulls with __isnull."),
        ({"name": 2**4000}, "name", "Must be text, not so large a number."),
        ("name.size=1", "name.size", "The column name does not lead to other rows here."),
        ("boss.nosuch=1", "boss.nosuch", f"There is no column 'nosuch'. There are: {ALL_NAMES}."),
        ("boss.boss.boss.boss.name=1", "boss.boss.boss.boss.name",
         f"Follows more than {MAX_STEPS} foreign keys."),
        ("sort=nosuch", "sort", f"There is no column 'nosuch'. There are: {ALL_NAMES}."),
        ("sort=-name__lt", "sort", f"There is no column 'name__lt'. There are: {ALL_NAMES}."),
        ("sort=doc", "sort", "The json column doc has no order. These have: id, name, size, color, "
         "active, boss."),
        ("fields=name,nosuch", "fields", f"There is no column 'nosuch'. There are: {ALL_NAMES}."),
        ("embed=nosuch", "embed", f"There is no column 'nosuch'. There are: {ALL_NAMES}."),
        ("embed=size", "embed", "The column size does not lead to other rows here."),
        ("q=%00", "q", "Has a character that cannot be searched for."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_parameter_and_what_would_do(
    query: str | dict[str, Any], parameter: str, detail: str
) -> None:
    parsed = parse_query(query) if isinstance(query, str) else parse_query("", query)
    with pytest.raises(QueryError) as caught:
        resolve(parsed, THINGS)
    assert (caught.value.parameter, caught.value.detail) == (parameter, detail)


def test_numbers_that_are_none_are_not_compared_with() -> None:
    model = Things([ID, Field("f", "float"), Field("d", "decimal")])
    for text in ("f=NaN", "f__lt=Infinity", "d__in=1,NaN", "d=-Infinity"):
        with pytest.raises(QueryError, match="Must be a finite number"):
            resolve(parse_query(text), model)
    for kind in ("f", "d"):
        with pytest.raises(QueryError, match="Must be a finite number"):
            resolve(parse_query("", {kind: float("nan")}), model)


def test_a_model_without_search_columns_cannot_be_searched() -> None:
    for model in (Things(FIELDS), MemoryModel(FIELDS, search=())):
        with pytest.raises(QueryError, match=r"q: There are no columns to search here\."):
            resolve(parse_query("q=a"), model)


def test_a_model_that_follows_nothing_has_no_paths() -> None:
    for text in ("boss.name=a", "embed=boss"):
        with pytest.raises(QueryError, match="does not lead to other rows"):
            resolve(parse_query(text), Things(FIELDS))


@pytest.mark.parametrize(
    "text",
    ["{}=1", "{}__lt=1", "{}__isnull=true", "{}__like=1", "{}.name=1", "{}=", "boss.{}=1",
     "boss.{}.name=1", "boss.boss.{}__in=1", "sort={}", "sort=-{}", "fields={}", "embed={}",
     "fields=name,{}"],
)  # fmt: skip
def test_a_hidden_column_is_refused_like_one_that_never_was(text: str) -> None:
    """Even a foreign key, and on the other side of one."""
    narrowed = MemoryModel([ID, NAME, BOSS])
    narrowed.references["boss"] = narrowed
    refusals = []
    # These are known where nothing is hidden.
    resolve(parse_query("size__lt=1&color__isnull=true&boss.size=1&sort=size"), THINGS)
    for name in ("size", "fizz"):
        with pytest.raises(QueryError) as caught:
            resolve(parse_query(text.format(name)), narrowed)
        refusals.append((caught.value.parameter, caught.value.detail))
    assert [part.replace("fizz", "size") for part in refusals[1]] == [*refusals[0]]


def test_hidden_search_columns_are_not_searched() -> None:
    class Narrowed(Things):
        search = ("name", "size")

    assert resolve(parse_query("q=a"), Narrowed([ID, NAME])).search == (NAME,)


def test_every_kind_says_what_suits_it() -> None:
    assert set(KIND_OPERATORS) == set(KINDS)
    assert set(KINDS) > SORTABLE
    for operators in KIND_OPERATORS.values():
        assert set(operators) <= set(OPERATORS)
        assert "isnull" in operators


# -- laws of filters in Python ---------------------------------------------------------------

NAMES = st.none() | st.sampled_from(["", "a", "A", "ab", "b", "ß", "SS", "%"])
SIZES = st.none() | st.integers(-2, 2)
COLORS = st.none() | st.sampled_from(["blue", "red"])
ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "id": st.integers(0, 9),
        "name": NAMES,
        "size": SIZES,
        "color": COLORS,
        "active": st.none() | st.booleans(),
        "doc": st.none() | st.just([]),
        "boss": st.none(),
    }
)
WANTED: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES.filter(lambda value: value is not None),
    "size": SIZES.filter(lambda value: value is not None),
    "color": COLORS.filter(bool),
    "active": st.booleans(),
}


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    name = draw(st.sampled_from(sorted(WANTED)))
    field = next(field for field in FIELDS if field.name == name)
    operator = draw(st.sampled_from(KIND_OPERATORS[field.kind]))
    if operator == "isnull":
        values = [draw(st.booleans())]
    elif operator in ("in", "notin"):
        values = draw(st.lists(WANTED[name], min_size=1, max_size=3))
    else:
        values = [draw(WANTED[name])]
    return Comparison(name, operator, tuple(values), name, texts=False)


CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    comparisons(),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


def says(condition: Any) -> Callable[[Row], bool]:
    return matcher(resolve(Query(filter=condition), THINGS))


@given(CONDITIONS, ROWS)
def test_not_is_the_complement_for_every_row(condition: Any, row: Row) -> None:
    assert says(Not(condition))(row) is not says(condition)(row)


@given(CONDITIONS, CONDITIONS, ROWS)
def test_and_and_or_mean_what_they_say(one: Any, two: Any, row: Row) -> None:
    assert says(And((one, two)))(row) == (says(one)(row) and says(two)(row))
    assert says(Or((one, two)))(row) == (says(one)(row) or says(two)(row))
    assert says(Not(And((one, two))))(row) == says(Or((Not(one), Not(two))))(row)
    assert says(Not(Or((one, two))))(row) == says(And((Not(one), Not(two))))(row)


@given(comparisons(), ROWS)
def test_a_null_equals_nothing_and_is_neither_less_nor_greater(test: Comparison, row: Row) -> None:
    complement = test.operator in ("ne", "notin")
    if test.operator != "isnull":
        assert says(test)({**row, test.name: None}) is complement


# -- what compares ---------------------------------------------------------------------------

NAN = float("nan")
IN_ORDER: list[list[Any]] = [
    [None, Decimal("-Infinity"), -1e300, Decimal("-1.5"), -1, 0, Decimal("0.1"), 0.5, 1,
     Decimal("1.0000000000000000000001"), 2**70, float("inf"), NAN],
    [None, "", "A", "Z", "a", "aa", "z", "é", "日", "🎉"],
    [None, False, True],
    [None, b"", b"\0", b"a", b"\xff"],
    [None, time(1), time(2), time(1, tzinfo=UTC), time(2, tzinfo=UTC)],
    [None, datetime(2026, 1, 1), datetime(2026, 1, 2), datetime(2026, 1, 1, tzinfo=UTC)],
]  # fmt: skip


@pytest.mark.parametrize("values", IN_ORDER)
def test_any_two_values_have_an_order(values: list[Any]) -> None:
    rows = [{"v": value} for value in values]
    for descending in (False, True):
        found = ordered(rows[::-1], (Order(Field("v", "other"), descending),))
        # By identity: what is no number equals nothing.
        assert [*map(id, found)] == [*map(id, rows[::-1] if descending else rows)]


def test_a_value_is_of_its_rank_whatever_its_type() -> None:
    assert rank(1) == rank(1.0) == rank(Decimal(1)) == rank(True)
    assert rank(NAN) == rank(Decimal("NaN"))
    assert rank("1") != rank(1) != rank(b"1")


def test_what_is_no_number_is_greater_than_all_numbers() -> None:
    model = Things([ID, Field("f", "float"), Field("d", "decimal")])
    rows = [{"id": 1, "f": NAN, "d": Decimal("NaN")}, {"id": 2, "f": 1.5, "d": Decimal(2)}]

    def ids(text: str) -> list[int]:
        return [row["id"] for row in chosen(rows, parse_query(text), model)]

    assert ids("f__gt=1000") == ids("d__gt=1000") == [1]
    assert ids("f__lt=1000") == ids("d__lt=1000") == [2]
    assert ids("f__ne=1.5") == ids("d__ne=2") == ids("d__notin=2,3") == [1]


def test_case_is_ignored_in_every_language() -> None:
    rows = [{"id": n, "name": name} for n, name in enumerate(["STRASSE", "Straße", "Ωμέγα", None])]
    model = Things([ID, NAME])

    def ids(text: str) -> list[int]:
        return [row["id"] for row in chosen(rows, parse_query(text), model)]

    assert ids("name__contains=straße") == [0, 1]
    assert ids("name__startswith=STRASS") == [0, 1]
    assert ids("name__endswith=ΜΈΓΑ") == [2]
    assert ids("name=straße") == []


def test_a_search_looks_into_values_of_any_kind() -> None:
    class Searched(Things):
        search = ("id", "name", "color")

    rows: list[Row] = [
        {"id": 17, "name": None, "color": "red"},
        {"id": 2, "name": "17 reds", "color": None},
    ]
    model = Searched([ID, NAME, COLOR])
    assert [row["id"] for row in chosen(rows, parse_query("q=17+RED"), model)] == [17, 2]
    assert [row["id"] for row in chosen(rows, parse_query("q=17&color=red"), model)] == [17]


# -- pages of anything -----------------------------------------------------------------------


def walk(list_: Callable[[Query], Page], text: str) -> Iterator[Page]:
    page = list_(parse_query(text))
    yield page
    while page.next is not None:
        page = list_(parse_query(f"{text}&cursor={page.next}"))
        yield page


SMALL_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.none() | st.sampled_from(["x", "X", "y"]),
            "b": st.none() | st.floats() | st.sampled_from([0.0, -0.0]),
            "c": st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=1),
        }
    ),
    max_size=8,
)
SORTS = st.lists(st.sampled_from(["a", "-a", "b", "-b", "c", "-c"]), unique_by=lambda s: s[-1])


@given(SMALL_ROWS, SORTS, st.integers(1, 3), st.booleans())
def test_pages_have_every_row_once_in_order_both_ways(
    rows: list[Row], sorts: list[str], limit: int, keyed: bool
) -> None:
    fields = [Field("a"), Field("b", "float"), Field("c", "decimal")]
    if keyed:
        fields.append(ID)
        rows = [{**row, "id": number} for number, row in enumerate(rows)]
    model = Things(fields, ("id",) if keyed else ())
    text = f"limit={limit}&sort={','.join(sorts)}"
    whole = [*stream_of(rows, parse_query(text), model)]

    def list_(query: Query) -> Page:
        return page_of(iter(rows), query, model)

    pages = [*walk(list_, text)]
    assert repr([row for page in pages for row in page.data]) == repr(whole)
    assert all(len(page.data) == limit for page in pages[:-1])
    for before, page in pairwise(pages):
        assert repr(list_(parse_query(f"{text}&cursor={page.prev}")).data) == repr(before.data)
    assert pages[0].prev is None


def test_rows_without_a_key_are_told_apart_by_their_place() -> None:
    rows = [{"name": "same"}] * 5
    model = Things([NAME], ())
    pages = [*walk(lambda query: page_of(rows, query, model), "limit=2")]
    assert [len(page.data) for page in pages] == [2, 2, 1]
    assert pages[0].data == ({"name": "same"}, {"name": "same"})
    assert [*stream_of(rows, Query(), model)] == rows


def test_a_model_says_how_long_its_pages_are() -> None:
    class Short(Things):
        page_size = 2
        max_page_size = 3

    rows = [{"id": number} for number in range(100)]
    assert len(page_of(rows, Query(), Short([ID])).data) == 2
    assert len(page_of(rows, parse_query("limit=50"), Short([ID])).data) == 3
    assert len(page_of(rows, Query(), Things([ID])).data) == 50


def test_the_rows_are_read_once_and_not_changed() -> None:
    rows = [{"id": number, "boss": None, "name": "x"} for number in range(5)]
    before = deepcopy(rows)
    model = MemoryModel([ID, NAME, BOSS])
    model.references["boss"] = model
    page = page_of(iter(rows), parse_query("embed=boss&fields=name&count=exact&limit=1"), model)
    assert page.count == 5
    page.data[0]["name"] = "y"
    assert rows == before


def test_a_position_that_no_row_can_have_is_refused() -> None:
    rows = [{"id": number, "size": number} for number in range(5)]
    numbers = Things([ID, SIZE])
    texts = Things([ID, Field("size")])
    cursor = page_of(rows, parse_query("sort=size&limit=1"), numbers).next
    with pytest.raises(QueryError, match="Is not one that this collection gave"):
        page_of(rows, parse_query(f"sort=size&limit=1&cursor={cursor}"), texts)


def test_a_mistake_is_told_at_once() -> None:
    for function in (page_of, stream_of, chosen):
        with pytest.raises(QueryError):
            function([], parse_query("nosuch=1"), Things([ID]))


@pytest.mark.parametrize("kind", ["time", "datetime"])
def test_moments_with_an_offset_travel_in_cursors(kind: str) -> None:
    values: list[Any] = [time(1, tzinfo=UTC), time(2, tzinfo=UTC)]
    if kind == "datetime":
        values = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]
    rows = [{"id": n, "t": value} for n, value in enumerate(values)]
    model = Things([ID, Field("t", kind, timezone=True)])
    pages = [*walk(lambda query: page_of(rows, query, model), "sort=-t&limit=1")]
    assert [page.data[0]["id"] for page in pages] == [1, 0]


# -- rows of other models --------------------------------------------------------------------


@dataclass  # and so without a hash
class Countries:
    """A model that counts how often it is asked."""

    asked: int = 0
    fields = (Field("code"), Field("name"))
    key = ("code",)

    def retrieve(self, key: Any) -> Row:
        self.asked += 1
        if key == "XX":
            raise NotFoundError(key)
        return {"code": key, "name": f"Land of {key}"}


class People(Things):
    """Rows that lead to others."""

    def __init__(self, countries: Countries) -> None:
        super().__init__([ID, Field("country")])
        self.countries = countries

    def follow(self, name: str) -> Countries | None:
        return self.countries if name == "country" else None


PEOPLE = [{"id": n, "country": c} for n, c in enumerate(["NZ", "CH", "NZ", None, "XX", "NZ"])]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("country.name=Land+of+NZ", [0, 2, 5]),
        ("country.name__ne=Land+of+NZ", [1, 3, 4]),
        ("country.name__isnull=true", [3, 4]),
        ("country.code__in=CH,NZ&country.name__contains=OF+N", [0, 2, 5]),
    ],
)
def test_each_row_that_is_followed_is_asked_for_once(text: str, ids: list[int]) -> None:
    model = People(Countries())
    assert [row["id"] for row in chosen(PEOPLE, parse_query(text), model)] == ids
    assert model.countries.asked == 3


def test_embedded_rows_are_asked_for_once_and_are_copies() -> None:
    model = People(Countries())
    rows = page_of(PEOPLE, parse_query("embed=country&limit=5"), model).data
    assert [row["country"] and row["country"]["name"] for row in rows] == [
        "Land of NZ", "Land of CH", "Land of NZ", None, None,
    ]  # fmt: skip
    assert model.countries.asked == 3
    rows[0]["country"]["name"] = "changed"
    assert rows[2]["country"]["name"] == "Land of NZ"


def test_a_sort_is_of_the_columns_own_values() -> None:
    model = People(Countries())
    rows = page_of(PEOPLE, Query(sort=(Sort("country", descending=True),)), model).data
    assert [row["id"] for row in rows] == [4, 0, 2, 5, 1, 3]
