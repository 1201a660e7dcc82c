"""Queries, from URLs and from JSON documents, and the cursors of pages."""

import base64
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgikit.query import (
    MANY,
    MAX_ALL_VALUES,
    MAX_CONDITIONS,
    MAX_LIMIT,
    MAX_NESTING,
    MAX_VALUES,
    MAX_WORDS,
    OPERATORS,
    RESERVED,
    And,
    Comparison,
    Condition,
    Cursor,
    Not,
    Or,
    Query,
    QueryError,
    Sort,
    comparisons,
    decode_cursor,
    describe_ordering,
    encode_cursor,
    parse_query,
    split_operator,
)

# -- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("&&", Query()),
        ("limit=20", Query(limit=20)),
        ("limit=007", Query(limit=7)),
        ("limit=7.0", Query(limit=7)),
        ("limit=", Query()),
        ("limit=" + "9" * 5000, Query(limit=MAX_LIMIT)),
        ("limit=" + "0" * 5000 + "1", Query(limit=1)),
        ("limit=1000000001", Query(limit=MAX_LIMIT)),
        ("limit=all", Query(whole=True)),
        ("limit=all&cursor=", Query(whole=True)),
        ("cursor=abc", Query(cursor="abc")),
        ("cursor=&limit=5", Query(limit=5)),
        ("format=json", Query()),
        ("sort=&q=&fields=&embed=&count=", Query()),
        ("q=+ada++lovelace+", Query(search="ada  lovelace")),
        ("q=%C3%A9", Query(search="é")),
        ("q=é", Query(search="é")),
        ("sort=name", Query(sort=(Sort("name"),))),
        ("sort=-created,name", Query(sort=(Sort("created", True), Sort("name")))),
        ("sort=-created,+name", Query(sort=(Sort("created", True), Sort("name")))),
        ('sort="a,b",-c', Query(sort=(Sort("a,b"), Sort("c", True)))),
        ('sort=-"a,b"', None),
        ('sort="-a,b"', Query(sort=(Sort("a,b", True),))),
        ("sort=--a", Query(sort=(Sort("-a", True),))),
        ("fields=a,b", Query(fields=("a", "b"))),
        ("fields=a,+b", Query(fields=("a", "b"))),
        ("fields=a&fields=b,c&fields=", Query(fields=("a", "b", "c"))),
        ("fields=%22a,b%22&fields=c", Query(fields=("a,b", "c"))),
        ('fields="say ""a""",b', Query(fields=('say "a"', "b"))),
        ("embed=author", Query(embed=("author",))),
        ("count=0", Query()),
        ("count=1", Query(count="bounded")),
        ("count=exact", Query(count="exact")),
    ],
)
def test_the_words_of_a_query_string_are_read(text: str, query: Query | None) -> None:
    if query is None:
        with pytest.raises(QueryError):
            parse_query(text)
    else:
        assert parse_query(text) == query


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ({}, Query()),
        ({"limit": 20, "cursor": "abc"}, Query(limit=20, cursor="abc")),
        ({"limit": "20"}, Query(limit=20)),
        ({"limit": 20.0, "count": 1.0}, Query(limit=20, count="bounded")),
        ({"limit": 10**5000}, Query(limit=MAX_LIMIT)),
        ({"limit": "all", "cursor": None}, Query(whole=True)),
        ({"limit": None, "sort": None, "q": None, "count": None, "fields": None}, Query()),
        ({"limit": "", "sort": "", "q": "", "count": "", "fields": []}, Query()),
        ({"q": " ada "}, Query(search="ada")),
        ({"sort": "-created,name"}, Query(sort=(Sort("created", True), Sort("name")))),
        ({"sort": ["-created", "na,me"]}, Query(sort=(Sort("created", True), Sort("na,me")))),
        ({"fields": ["a", "b"]}, Query(fields=("a", "b"))),
        ({"embed": "author,editor"}, Query(embed=("author", "editor"))),
        ({"count": 1}, Query(count="bounded")),
        ({"count": True}, Query(count="bounded")),
        ({"count": False}, Query()),
        ({"count": "exact"}, Query(count="exact")),
    ],
)
def test_the_words_of_a_document_are_read(document: dict[str, Any], query: Query) -> None:
    assert parse_query("", document) == query


# -- filters ---------------------------------------------------------------------------------


def a_filter(name: str, *values: Any, texts: bool = True) -> Comparison:
    return Comparison(*split_operator(name), values, name, texts)


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("name=Ada", [a_filter("name", "Ada")]),
        ("name__eq=Ada", [a_filter("name__eq", "Ada")]),
        ("name=a,b", [a_filter("name", "a,b")]),
        ("name=%22a%22", [a_filter("name", '"a"')]),
        ("name=a%20b+c", [a_filter("name", "a b c")]),
        ("name=a=b;c", [a_filter("name", "a=b;c")]),
        ("age__gte=18&age__lt=65", [a_filter("age__gte", "18"), a_filter("age__lt", "65")]),
        ("name=a&name__eq=b", [a_filter("name", "a"), a_filter("name__eq", "b")]),
        ("author.country=NZ", [a_filter("author.country", "NZ")]),
        ("a.b.c__contains=x", [a_filter("a.b.c__contains", "x")]),
        # An empty value is no filter, but for __eq and __ne.
        ("name=", [a_filter("name")]),
        ("name", [a_filter("name")]),
        ("name__lt=", [a_filter("name__lt")]),
        ("name__isnull=", [a_filter("name__isnull")]),
        ("name__in=", [a_filter("name__in")]),
        ("name__eq=", [a_filter("name__eq", "")]),
        ("name__ne=", [a_filter("name__ne", "")]),
        # Lists.
        ("c__in=NZ", [a_filter("c__in", "NZ")]),
        ("c__in=NZ,AU", [a_filter("c__in", "NZ", "AU")]),
        ("c__in=NZ&x=1&c__in=AU,FR", [a_filter("c__in", "NZ", "AU", "FR"), a_filter("x", "1")]),
        ("c__in=&c__in=NZ", [a_filter("c__in", "NZ")]),
        ("c__in=NZ&c__notin=NZ", [a_filter("c__in", "NZ"), a_filter("c__notin", "NZ")]),
        ('c__in="a,b",c', [a_filter("c__in", "a,b", "c")]),
        ('c__in="say ""a"""', [a_filter("c__in", 'say "a"')]),
        ('c__in=""', [a_filter("c__in", "")]),
        ("c__in=a,", [a_filter("c__in", "a", "")]),
        ("c__in=,", [a_filter("c__in", "", "")]),
        ("c__in=a, b", [a_filter("c__in", "a", " b")]),
        ("c__in=a%0A", [a_filter("c__in", "a\n")]),
        # A name with an operator is a filter, whatever the name; one without may be a word.
        ("limit__eq=5", [a_filter("limit__eq", "5")]),
        ("and=5", [a_filter("and", "5")]),
        ("a__b=5", [Comparison("a__b", "eq", ("5",), "a__b")]),
        ("a__in__eq=5", [Comparison("a__in", "eq", ("5",), "a__in__eq")]),
        ("__eq=5", [Comparison("__eq", "eq", ("5",), "__eq")]),
        ("__eq=", [Comparison("__eq", "eq", (), "__eq")]),
    ],
)
def test_filters_of_a_query_string_are_read(text: str, filters: list[Comparison]) -> None:
    assert parse_query(text) == Query(filter=And(tuple(filters)))


def in_json(name: str, *values: Any) -> Comparison:
    return a_filter(name, *values, texts=False)


@pytest.mark.parametrize(
    ("document", "filters"),
    [
        ({"name": "Ada"}, [in_json("name", "Ada")]),
        ({"name": ""}, [in_json("name", "")]),
        ({"name": None}, [in_json("name", None)]),
        ({"age__gte": 18, "on": True}, [in_json("age__gte", 18), in_json("on", True)]),
        ({"c__in": ["NZ", None]}, [in_json("c__in", "NZ", None)]),
        ({"limit__eq": 5}, [in_json("limit__eq", 5)]),
        ({"and__eq": 5}, [in_json("and__eq", 5)]),
        ({"or": [{"a": 1}, {"b": 2}]}, [Or((in_json("a", 1), in_json("b", 2)))]),
        ({"or": [{"a": 1, "b": 2}]}, [Or((And((in_json("a", 1), in_json("b", 2))),))]),
        ({"not": {"a": 1}}, [Not(in_json("a", 1))]),
        (
            {"not": {"and": [{"a": 1}, {"not": {"b": 2}}]}},
            [Not(And((in_json("a", 1), Not(in_json("b", 2)))))],
        ),
        ({"and": [{"a": 1}, {"a": 2}]}, [And((in_json("a", 1), in_json("a", 2)))]),
    ],
)
def test_filters_of_a_document_are_read(document: dict[str, Any], filters: list[Condition]) -> None:
    assert parse_query("", document) == Query(filter=And(tuple(filters)))


def test_a_url_and_a_document_add_up() -> None:
    query = parse_query("a=1&limit=5&format=json", {"b": 2, "sort": "a"})
    assert query == Query(5, None, And((a_filter("a", "1"), in_json("b", 2))), sort=(Sort("a"),))


# -- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parameter", "detail"),
    [
        ("limit=0", "limit", "Must be a whole number of at least 1, or all, not 0."),
        ("limit=-1", "limit", "Must be a whole number of at least 1, or all, not '-1'."),
        ("limit=1.5", "limit", "not '1.5'."),
        ("limit=ALL", "limit", "not 'ALL'."),
        ("limit=" + "x" * 100, "limit", "not '" + "x" * 20 + "…."),
        ("limit=%D9%A3", "limit", "not '٣'."),  # an Arabic digit is a digit, but not of ours
        ("limit=1&limit=2", "limit", "Is given more than once; give it once."),
        ("cursor=a&limit=all", "cursor", "Has no place where all rows are asked for (limit=all)."),
        ("count=2", "count", "Must be 1 (up to a bound) or exact, not '2'."),
        ("sort=a,a", "sort", "Names a column twice."),
        ("sort=a,-a", "sort", "Must name each column once: -created,name for example."),
        ("sort=-", "sort", "Must name each column once: -created,name for example."),
        ("sort=a,,b", "sort", "Has an empty name."),
        ("fields=a,a", "fields", "Names a column twice."),
        ("fields=a&fields=a", "fields", "Names a column twice."),
        ("embed=,", "embed", "Has an empty name."),
        ("q=" + "+".join(["a"] * (MAX_WORDS + 1)), "q", "Has more than 50 words."),
        ("=1", "(empty)", "Is no name of a parameter."),
        ("name=a&name=a", "name", "Is given more than once; give it once."),
        ("name=&name=a", "name", "Is given more than once; give it once."),
        ('a__in="b', "a__in", "Has a double quote out of place; double it inside quotes."),
        ('a__in=b"', "a__in", "Has a double quote out of place; double it inside quotes."),
        ('a__in="b"c', "a__in", "Has a double quote out of place; double it inside quotes."),
        ('a__in="b"%0A', "a__in", "Has a double quote out of place; double it inside quotes."),
        ("a__in=" + "," * MAX_VALUES, "a__in", "Has more than 1000 values."),
        ("a__in=1" + f"&a__in={'1,' * 499}1" * 2, "a__in", "Has more than 1000 values."),
        ("limit=%zz", "", "The query string has a % that is not followed by two hex digits."),
        ("limit=5%", "", "The query string has a % that is not followed by two hex digits."),
        ("name=%ff", "", "The query string is not UTF-8."),
        ("name=%ED%A0%80", "", "The query string is not UTF-8."),
        ("name=\ud800", "", "Has a character that does not exist."),
        ("&".join(["a=1"] * 1001), "", "The query string has over 1000 parameters."),
        ("&".join(f"a{n}=1" for n in range(MAX_CONDITIONS + 1)), "", "has at most 200 conditions."),
        ("&".join(f"a{n}__in={',' * 900}" for n in range(12)), "a11__in", "at most 10000 values."),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_names_the_parameter_and_what_would_do(
    text: str, parameter: str, detail: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert caught.value.parameter == parameter
    assert caught.value.detail.endswith(detail)
    assert str(caught.value) == (f"{parameter}: " if parameter else "") + caught.value.detail


def nested(levels: int) -> dict[str, Any]:
    return {"not": nested(levels - 1)} if levels else {"a": 1}


@pytest.mark.parametrize(
    ("document", "parameter", "detail"),
    [
        ([], "", 'A query is a JSON object, such as {"age__gte": 18}.'),
        ({"format": "json"}, "format", "Belongs in the URL."),
        ({"limit": 0}, "limit", "not 0."),
        ({"limit": 1.5}, "limit", "not 1.5."),
        ({"limit": True}, "limit", "not True."),
        ({"limit": [1]}, "limit", "not a list."),
        ({"limit": {"a": 1}}, "limit", "not an object."),
        ({"limit": -(10**5000)}, "limit", "not so large a number."),
        ({"cursor": 7}, "cursor", "Must be text, not 7."),
        ({"q": ["a"]}, "q", "Must be text, not a list."),
        ({"q": "\udfff"}, "q", "Has a character that does not exist."),
        ({"count": 2}, "count", "not 2."),
        ({"count": []}, "count", "not a list."),
        ({"count": 10**5000}, "count", "not so large a number."),
        ({"sort": 7}, "sort", "Must be names of columns, separated by commas."),
        ({"sort": False}, "sort", "Must be names of columns, separated by commas."),
        ({"sort": {"a": 1}}, "sort", "Must be names of columns, separated by commas."),
        ({"fields": ["a", 7]}, "fields", "Must be names of columns, separated by commas."),
        ({"a": [1]}, "a", "Must be a single value, such as text or a number."),
        ({"a": {"eq": 1}}, "a", "Must be a single value, such as text or a number."),
        ({"a": 10**5000}, "a", "Is too large a number."),
        ({"a": "\ud800"}, "a", "Has a character that does not exist."),
        ({"a__in": "b,c"}, "a__in", 'Must be a list of at least one value, such as ["a", "b"].'),
        ({"a__in": []}, "a__in", 'Must be a list of at least one value, such as ["a", "b"].'),
        ({"a__in": [[1]]}, "a__in", "Must be a single value, such as text or a number."),
        ({"a__in": [1] * (MAX_VALUES + 1)}, "a__in", "Has more than 1000 values."),
        ({f"a{n}__in": [1] * 1000 for n in range(11)}, "a10__in", "has at most 10000 values."),
        ({"and": {"a": 1}}, "and", "Must be a list of conditions, such as [{...}, {...}]."),
        ({"or": []}, "or", "Must be a list of conditions, such as [{...}, {...}]."),
        ({"or": [1]}, "or", 'Must hold conditions, each an object such as {"age__gte": 18}.'),
        ({"not": {}}, "not", 'Must hold conditions, each an object such as {"age__gte": 18}.'),
        ({"not": [{"a": 1}]}, "not", 'each an object such as {"age__gte": 18}.'),
        ({"not": {"sort": "a"}}, "sort", "Is no condition; write it at the top of the document."),
        (nested(MAX_NESTING + 1), "not", "Is nested more than 32 levels deep."),
        (nested(900), "not", "Is nested more than 32 levels deep."),
        ({f"a{n}": 1 for n in range(MAX_CONDITIONS + 1)}, "", "at most 200 conditions."),
        ({"or": [{"a": 1}] * MAX_CONDITIONS}, "", "A query has at most 200 conditions."),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_in_a_document_is_named_as_well(
    document: Any, parameter: str, detail: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query("", document)
    assert caught.value.parameter == parameter
    assert caught.value.detail.endswith(detail)


@pytest.mark.parametrize(
    ("text", "document"),
    [("limit=5", {"limit": 5}), ("a=1", {"a": 1}), ("a__in=1", {"a__in": [1]})],
)
def test_a_document_says_nothing_again_that_the_url_says(
    text: str, document: dict[str, Any]
) -> None:
    with pytest.raises(QueryError, match="more than once") as caught:
        parse_query(text, document)
    assert caught.value.parameter in document


def test_bounds_are_exact() -> None:
    assert len(list(comparisons(parse_query("", nested(MAX_NESTING)).filter))) == 1
    many = parse_query("&".join(f"a{n}=1" for n in range(MAX_CONDITIONS)))
    assert len(list(comparisons(many.filter))) == MAX_CONDITIONS
    whole = {f"a{n}__in": [1] * MAX_VALUES for n in range(MAX_ALL_VALUES // MAX_VALUES)}
    assert sum(len(c.values) for c in comparisons(parse_query("", whole).filter)) == MAX_ALL_VALUES
    assert len(parse_query("q=" + "+".join(["a"] * MAX_WORDS)).search.split()) == MAX_WORDS


def test_a_limit_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not -5"):
        Query(limit=-5)


# -- laws ------------------------------------------------------------------------------------

UNICODE = st.text(st.characters(codec="utf-8"))
NAMES = UNICODE.filter(bool)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["and", "or", "not", *RESERVED]) | st.text(), inner)
    ),
    max_leaves=10,
)


@given(st.text() | st.from_regex(r"([a-z_.]+=[^&]*&?)*"))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    with suppress(QueryError):
        assert parse_query(text).scope is not None


@given(st.dictionaries(st.sampled_from(["and", "or", "not", *RESERVED]) | st.text(), ANY_JSON))
def test_any_document_is_a_query_or_refused(document: dict[str, Any]) -> None:
    with suppress(QueryError):
        assert parse_query("", document).scope is not None


def quoted(text: str) -> str:
    """A value for a list, as CSV spells it."""
    return '"' + text.replace('"', '""') + '"'


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Queries that a URL can say."""
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    filters = []
    for name in names:
        operator = draw(st.sampled_from(OPERATORS))
        many = st.lists(UNICODE, min_size=1, max_size=3)
        values = draw(many) if operator in MANY else [draw(NAMES)]
        filters.append(Comparison(name, operator, tuple(values), f"{name}__{operator}"))
    columns = st.lists(NAMES.filter(lambda n: n == n.strip()), unique=True, max_size=3).map(tuple)
    sorts = draw(columns.filter(lambda names: not any(n.startswith("-") for n in names)))
    return Query(
        limit=draw(st.none() | st.integers(1, MAX_LIMIT)),
        cursor=draw(st.none() | NAMES),
        filter=And(tuple(filters)),
        search=draw(UNICODE.map(str.strip)),
        sort=tuple(Sort(name, draw(st.booleans())) for name in sorts),
        fields=draw(columns),
        embed=draw(columns),
        count=draw(st.sampled_from(["", "bounded", "exact"])),
    )


def written(query: Query) -> str:
    """The query as a URL has it."""
    pairs = [
        (c.parameter, ",".join(map(quoted, c.values)) if c.operator in MANY else c.values[0])
        for c in comparisons(query.filter)
    ]
    sorts = [quoted("-" * sort.descending + sort.name) for sort in query.sort]
    words = {
        "limit": query.limit or "",
        "cursor": query.cursor or "",
        "q": query.search,
        "sort": ",".join(sorts),
        "fields": ",".join(map(quoted, query.fields)),
        "embed": ",".join(map(quoted, query.embed)),
        "count": {"": "", "bounded": "1", "exact": "exact"}[query.count],
    }
    return urlencode([*pairs, *words.items()])


@given(queries())
def test_a_query_that_is_written_and_read_again_is_the_same(query: Query) -> None:
    assert parse_query(written(query)) == query


@given(st.lists(UNICODE, min_size=1))
def test_lists_take_any_text(values: list[str]) -> None:
    text = quote(",".join(map(quoted, values)))
    (found,) = comparisons(parse_query(f"a__in={text}").filter)
    assert found.values == tuple(values)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    st.builds(
        lambda name, value: Comparison(name, "eq", (value,), f"{name}__eq", texts=False),
        NAMES,
        st.none() | st.booleans() | st.integers() | UNICODE,
    ),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def spelled(condition: Condition) -> dict[str, Any]:
    """The condition as a document has it."""
    match condition:
        case Comparison():
            return {condition.parameter: condition.values[0]}
        case Not(inner):
            return {"not": spelled(inner)}
        case And(parts):
            return {"and": [spelled(part) for part in parts]}
        case Or(parts):
            return {"or": [spelled(part) for part in parts]}


@given(CONDITIONS)
def test_a_condition_that_is_written_as_json_and_read_again_is_the_same(
    condition: Condition,
) -> None:
    document = json.loads(json.dumps(spelled(condition)))
    assert parse_query("", document).filter == And((condition,))


# -- scopes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("", "limit=5&fields=a&embed=b&count=1&cursor=x"),
        ("", "name=&c__in="),
        ("a=1", "a__eq=1&b="),
        ("a=1&b=2", "b=2&a=1"),
        ("q=a+b", "q=+a++b+"),
        ("sort=a,-b", "sort=a,-b&limit=5"),
    ],
)
def test_what_asks_for_the_same_rows_in_the_same_order_has_one_scope(text: str, same: str) -> None:
    assert parse_query(text).scope == parse_query(same).scope


def test_other_rows_or_another_order_are_another_scope() -> None:
    texts = ["", "a=1", "a=2", "b=1", "a__ne=1", "a__in=1", "a__in=1,2", "a=1&b=2", "q=a",
             "q=b", "sort=a", "sort=-a", "sort=a,b", "sort=b,a", "a__isnull=true"]  # fmt: skip
    documents: list[dict[str, Any]] = [
        {"a": 1},
        {"a": True},
        {"a": None},
        {"not": {"a": 1}},
        {"not": {"a": 2}},
        {"or": [{"a": 1}, {"b": 2}]},
        {"or": [{"a": 1, "b": 2}]},
    ]
    scopes = [parse_query(text).scope for text in texts]
    scopes += [parse_query("", document).scope for document in documents]
    assert len(set(scopes)) == len(scopes)


@pytest.mark.parametrize(
    ("query", "narrows"),
    [
        (Query(), False),
        (parse_query("a=&b__in=&sort=a&limit=5"), False),
        (Query(search="  "), False),
        (parse_query("q=a"), True),
        (parse_query("a__eq="), True),
        (parse_query("a=1&b="), True),
        (parse_query("", {"not": {"a": 1}}), True),
        (Query(filter=Or()), True),
        (Query(filter=Not(And())), True),
    ],
)
def test_a_query_narrows_where_it_may_leave_out_rows(query: Query, narrows: bool) -> None:
    assert query.narrows is narrows


# -- cursors ---------------------------------------------------------------------------------

parts = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8")),
    st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2),
)


@given(st.lists(parts, min_size=1, max_size=3), st.booleans())
def test_a_cursor_comes_back_as_it_was(position: list[object], backward: bool) -> None:
    cursor = Cursor(tuple(position), backward)  # type: ignore[arg-type]
    text = encode_cursor(cursor, "people by id")
    assert decode_cursor(text, "people by id", len(position)) == cursor
    assert text.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_ordering_is_refused() -> None:
    text = encode_cursor(Cursor((1,)), describe_ordering("people", ["id"]))
    with pytest.raises(QueryError, match="another filter or order"):
        decode_cursor(text, describe_ordering("people", ["name"]), 1)


def test_a_cursor_of_another_query_is_refused() -> None:
    def ordering(text: str) -> str:
        return describe_ordering("people", ["id"], parse_query(text))

    text = encode_cursor(Cursor((1,)), ordering("country=NZ"))
    assert decode_cursor(text, ordering("country=NZ&limit=5"), 1) == Cursor((1,))
    with pytest.raises(QueryError, match="another filter or order"):
        decode_cursor(text, ordering("country=AU"), 1)
    assert ordering("") == describe_ordering("people", ["id"])


def cursor_of(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "!!!!",
        "a" * 70_000,
        base64.urlsafe_b64encode(b"[" * 10_000).decode().rstrip("="),
        base64.urlsafe_b64encode(b"\xff\xff\xff").decode(),
        cursor_of(7),
        cursor_of([0, [1]]),
        cursor_of([2, [1], "96a9b1a7"]),
        cursor_of([0, [1], "wrong"]),
        encode_cursor(Cursor((1, 2)), "o"),
        encode_cursor(Cursor((["a"],)), "o"),
        encode_cursor(Cursor(({"a": 1},)), "o"),  # type: ignore[arg-type]
        cursor_of([0, ["\ud800"], format(0, "08x")]),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        decode_cursor(text, "o", 1)
    assert caught.value.parameter == "cursor"


@pytest.mark.parametrize("data", ["text", {"a": 1}, ["\ud800"], "\ud800"])
def test_a_forged_position_is_refused(data: object) -> None:
    mark = json.loads(base64.urlsafe_b64decode(encode_cursor(Cursor((1,)), "o") + "=="))[2]
    for position in (data, [data], [[data]]):
        if position == ["text"]:
            continue
        with pytest.raises(QueryError):
            decode_cursor(cursor_of([0, position, mark]), "o", 1)
    with pytest.raises(QueryError):
        decode_cursor(cursor_of([5, [1], mark]), "o", 1)


@given(st.text(max_size=50), st.integers(1, 3))
def test_any_text_is_a_cursor_or_refused(text: str, length: int) -> None:
    with pytest.raises(QueryError):
        decode_cursor(text, "an ordering that it cannot know", length)
