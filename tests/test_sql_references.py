"""Foreign keys that are followed and embedded, and what must not leak on the way."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from tests.library import Library, created, ids, listed, refused, run
from wsgikit.query import QueryError, parse_query
from wsgikit.sql import TableModel, read_tables


@pytest.fixture
def library(engine: sa.Engine) -> Library:
    return Library(engine)


PATHS = {
    "author.country=NZ": [1, 4],
    "author.country__ne=NZ": [2, 3, 5],
    "author.name__contains=B": [2],
    "author.name__startswith=a": [1],
    "author.country.name=Germany": [2],
    "author.country.name__isnull=true": [3, 5],
    "author.country.name__isnull=false": [1, 2, 4],
    "author.master.name=Ann": [2],
    "author.master.master.name=Ann": [3],
    "author.master.master.name__ne=Ann": [1, 2, 4, 5],
    "sequel.sequel.sequel.title=one": [4],
    "sequel.sequel.title__in=one,two": [3, 4],
    "author.country=NZ&author.master.country__isnull=true&sequel.id__gte=2": [4],
    "author.salary__gt=10&author.salary__lt=40": [2, 3],
}


@pytest.mark.parametrize(("text", "expected"), PATHS.items())
def test_foreign_keys_are_followed(library: Library, text: str, expected: list[int]) -> None:
    assert ids(library.model(library.books), text) == expected
    page = listed(library.model(library.books), f"{text}&sort=-title&count=1&limit=1")
    assert page.count == len(expected)


def test_what_cannot_be_followed_is_refused(library: Library) -> None:
    books = library.model(library.books)
    for text in ("title.x=1", "author.x=1", "author.country.x=1", "nope.x=1", "secret.=1",
                 "sequel.sequel.sequel.sequel.title=one"):  # fmt: skip
        assert refused(books, text) == text.partition("=")[0]
    assert refused(books, "embed=title") == "embed"
    assert refused(books, "sort=author.name") == "sort"
    countries = library.model(library.countries)
    assert refused(countries, "ruler.name=Cid") == "ruler.name"
    assert books.follow("nope") is None
    assert books.follow("title") is None


def test_references_can_be_named(library: Library) -> None:
    authors = library.model(library.authors)
    countries = library.model(library.countries, references={"ruler": authors})
    assert [row["code"] for row in listed(countries, "ruler.name=Cid").data] == ["NZ"]
    none = library.model(library.books, references={"author": None})
    assert refused(none, "author.name=Ann") == "author.name"
    assert ids(none, "author=1") == [1]
    nz = authors.restrict(library.authors.c.country == "NZ", hidden=["salary"])
    books = library.model(library.books, references={"author": nz})
    assert ids(books, "author.name__isnull=false") == [1, 4]
    assert ids(books, "author.name__isnull=true") == [2, 3, 5]
    assert refused(books, "author.salary=1") == "author.salary"
    # A narrower one for one request:
    narrower = library.model(library.books).restrict(references={"author": nz, "sequel": None})
    assert ids(narrower, "author.name__isnull=false") == [1, 4]
    assert refused(narrower, "sequel.id=1") == "sequel.id"


def test_models_that_cannot_be_referred_to_are_refused(library: Library) -> None:
    other = sa.create_engine("sqlite://")
    pairs = Table("pairs", MetaData(), Column("a", Integer, primary_key=True),
                  Column("b", Integer, primary_key=True))  # fmt: skip
    bad: list[Any] = [
        {"nope": None},
        {"author": TableModel(library.authors, other)},
        {"author": library.authors},
        {"author": library.model(pairs)},
    ]
    for references in bad:
        with pytest.raises(ValueError, match=r"author|nope"):
            library.model(library.books, references=references)
        with pytest.raises(ValueError, match=r"author|nope"):
            library.model(library.books).restrict(references=references)


def test_a_model_that_is_followed_to_is_made_once(library: Library) -> None:
    books = library.model(library.books)
    assert books.follow("author") is books.follow("author")
    with books.transaction(read_only=True) as inside:
        author = inside.follow("author")
        assert author is not None
        assert [row["id"] for row in listed(author, "country=NZ").data] == [1, 4]
        assert inside.follow("title") is None


def test_a_foreign_key_to_a_table_without_an_exact_key_leads_nowhere(
    postgresql_engine: sa.Engine,
) -> None:
    run(
        postgresql_engine,
        "CREATE TABLE p (k REAL PRIMARY KEY)",
        "CREATE TABLE t (id INT PRIMARY KEY, k REAL REFERENCES p)",
    )
    [_p, found] = read_tables(postgresql_engine)
    assert TableModel(found.table, postgresql_engine).follow("k") is None


# -- what must not leak ---------------------------------------------------------------------------


def same_refusal(model: TableModel, text: str, hidden: str, unknown: str) -> None:
    """A hidden column is refused exactly like one that does not exist."""
    with pytest.raises(QueryError) as caught:
        listed(model, text.format(hidden))
    with pytest.raises(QueryError) as other:
        listed(model, text.format(unknown))
    assert str(caught.value).replace(hidden, unknown) == str(other.value)


LEAKS = ["{}=x", "{}__contains=x", "{}__isnull=true", "{}.id=1", "sort={}", "sort=-{}", "fields={}",
         "embed={}", "sequel.{}=x", "sequel.sequel.{}__gt=x", "sequel.author.{}=1"]  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_a_hidden_column_does_not_exist_on_any_way(library: Library, text: str) -> None:
    books = library.model(library.books).restrict(hidden=["secret"])
    same_refusal(books, text, "secret", "nopeno")
    same_refusal(library.model(library.books, readable=["title", "author", "sequel"]), text,
                 "secret", "nopeno")  # fmt: skip
    visible = [row for row in listed(books, "embed=sequel").data if row["sequel"]]
    assert visible
    assert all("secret" not in row["sequel"] for row in visible)
    assert ids(books, "q=x") == []
    assert books.search == ["title"]


def test_other_rows_do_not_exist_on_any_way(library: Library) -> None:
    books = library.model(library.books)
    seen = books.restrict(books.table.c.secret == "x")
    assert ids(seen) == [1, 4]
    assert ids(seen, "count=1") == [1, 4]
    assert listed(seen, "count=1&limit=1").count == 2
    assert listed(seen, "count=exact&limit=1").count == 2
    assert ids(seen, "sequel.id__isnull=false") == []  # book 3 is out of sight
    assert ids(seen, "sequel.sequel.title__isnull=false") == []
    assert [row["sequel"] for row in listed(seen, "embed=sequel").data] == [None, None]
    assert [row["sequel"] for row in listed(seen).data] == [None, 3]
    assert [row["sequel"] for row in seen.stream(parse_query("embed=sequel"))] == [None, None]
    page = listed(seen, "limit=1")
    assert [row["id"] for row in listed(books, f"limit=9&cursor={page.next}").data] == [2, 3, 4, 5]
    assert [row["id"] for row in listed(seen, f"limit=9&cursor={page.next}").data] == [4]


def test_a_way_back_to_a_restricted_table_is_restricted(library: Library) -> None:
    """Books lead to authors, and these (here) to their best book."""
    books = library.model(library.books)
    best = library.model(library.authors, references={"salary": books, "country": None})
    for options in ({"references": {"author": best}}, {}):
        seen = library.model(library.books, **options).restrict(
            books.table.c.id <= 2, hidden=["secret"]
        )
        if not options:
            seen = seen.restrict(references={"author": best})
        assert ids(seen, "author.salary.id=10") == []
        assert refused(seen, "author.salary.secret=x") == "author.salary.secret"
        with library.engine.begin() as connection:
            author = library.authors
            connection.execute(sa.update(author).where(author.c.id == 1).values(salary=3))
            connection.execute(sa.update(author).where(author.c.id == 2).values(salary=1))
        assert ids(books.restrict(references={"author": best}), "author.salary.title=three") == [1]
        assert ids(seen, "author.salary.title=three") == []
        assert ids(seen, "author.salary.title=one") == [2]
        assert ids(seen, "author.salary.id__isnull=true") == [1]


def test_a_default_way_back_is_restricted(library: Library) -> None:
    metadata = MetaData()
    people = Table(
        "people", metadata, Column("id", Integer, primary_key=True),
        Column("team", ForeignKey("teams.id")), Column("pay", Integer),
    )  # fmt: skip
    Table("teams", metadata, Column("id", Integer, primary_key=True),
          Column("boss", ForeignKey("people.id")))  # fmt: skip
    run(
        library.engine,
        "CREATE TABLE people (id INTEGER PRIMARY KEY, team INTEGER, pay INTEGER)",
        "CREATE TABLE teams (id INTEGER PRIMARY KEY, boss INTEGER)",
        "INSERT INTO people VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30)",
        "INSERT INTO teams VALUES (1, 3), (2, 1)",
    )
    model = library.model(people)
    assert ids(model, "team.boss.pay=30") == [1, 2]
    seen = model.restrict(people.c.id != 3)
    assert ids(seen, "team.boss.pay=30") == []
    assert ids(seen, "team.boss.id=1") == []
    hidden = model.restrict(hidden=["pay"])
    assert refused(hidden, "team.boss.pay=30") == "team.boss.pay"
    assert ids(hidden, "team.boss.team.id=2") == [1, 2]


def test_a_reference_named_for_a_request_is_taken_as_it_is(library: Library) -> None:
    """And what leads on from there is as narrow as the model itself."""
    books = library.model(library.books)
    titles = books.restrict(hidden=["secret", "author"])
    mine = books.restrict(books.table.c.id >= 4, references={"sequel": titles})
    assert ids(mine, "sequel.title=three") == [4]
    assert refused(mine, "sequel.secret=x") == "sequel.secret"
    assert ids(mine, "sequel.sequel.title=three") == [5]
    named_before = library.model(library.books, references={"sequel": books})
    assert ids(named_before.restrict(books.table.c.id >= 4), "sequel.title=three") == []
    assert ids(named_before.restrict(books.table.c.id >= 4), "sequel.title=four") == [5]


def test_another_description_of_a_restricted_table_is_not_followed(library: Library) -> None:
    """Its columns are others, so that the condition says nothing of them."""
    again = Table("books", MetaData(), Column("id", Integer, primary_key=True),
                  Column("secret", String(20)))  # fmt: skip
    named = library.model(library.books, references={"sequel": library.model(again)})
    assert ids(named, "sequel.secret=x") == [2, 5]
    assert refused(named.restrict(library.books.c.id > 1), "sequel.secret=x") == "sequel.secret"


def test_a_condition_with_a_subquery_of_its_own_holds_on_every_way(library: Library) -> None:
    authors, books = library.authors, library.books
    of_masters = sa.select(authors.c.id).where(authors.c.master.is_(None))
    same = books.alias()
    others = sa.exists().where(same.c.author == books.c.author, same.c.id != books.c.id)
    seen = library.model(books).restrict(books.c.author.in_(of_masters) | (books.c.id > 3) | others)
    assert ids(seen) == [1, 4, 5]
    assert ids(seen, "sequel.id__isnull=false") == [5]
    assert ids(seen, "sequel.title=four&author.name__isnull=true") == [5]
    assert [row["sequel"] and row["sequel"]["id"] for row in listed(seen, "embed=sequel").data] == [
        None, None, 4,
    ]  # fmt: skip


# -- embedded rows ------------------------------------------------------------------------------


def test_embedded_rows_take_the_place_of_their_keys(library: Library) -> None:
    books = library.model(library.books)
    ann = {"id": 1, "name": "Ann", "country": "NZ", "master": None, "salary": 10}
    first, *_rest, last = listed(books, "embed=author,sequel").data
    assert first["author"] == ann
    assert first["sequel"] is None
    assert last["author"] is None
    assert last["sequel"] == {"id": 4, "title": "four", "author": 4, "sequel": 3, "secret": "x"}
    assert list(listed(books, "fields=title&embed=author").data[0]) == ["id", "title", "author"]
    by_stream = list(books.stream(parse_query("embed=author,sequel&sort=-title")))
    assert by_stream == list(listed(books, "embed=author,sequel&sort=-title").data)
    names = library.model(library.authors, readable=["name"])
    named = books.restrict(references={"author": names})
    rows = list(listed(named, "embed=author").data)
    assert rows[0]["author"] == {"id": 1, "name": "Ann"}
    assert list(named.stream(parse_query("embed=author"))) == rows
    assert listed(books, "id=99&embed=author").data == ()


def test_only_the_very_row_is_embedded(engine: sa.Engine) -> None:
    """A collation that takes 'A' for 'a' must not put another row in its place."""
    collation = {"sqlite": "NOCASE", "mariadb": "utf8mb4_general_ci"}.get(engine.dialect.name)
    metadata = MetaData()
    parents = Table("p", metadata, Column("k", String(5, collation=collation), primary_key=True))
    table = Table("t", metadata, Column("id", Integer, primary_key=True),
                  Column("k", String(5, collation=collation)))  # fmt: skip
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(parents), [{"k": "a"}])
        connection.execute(sa.insert(table), [{"k": "a"}, {"k": "A"}, {"k": None}])
    model = TableModel(table, engine, references={"k": TableModel(parents, engine)})
    assert [row["k"] for row in listed(model, "embed=k").data] == [{"k": "a"}, None, None]
    whole = model.stream(parse_query("embed=k"))
    assert [row["k"] for row in whole] == [{"k": "a"}, None, None]


def test_odd_cells_in_a_foreign_key_embed_nothing(sqlite_engine: sa.Engine) -> None:
    run(
        sqlite_engine,
        "CREATE TABLE p (k INTEGER PRIMARY KEY, s TEXT)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, j JSON)",
        "INSERT INTO p VALUES (1, 'one'), (2, CAST(x'ff' AS TEXT))",
        "INSERT INTO t VALUES (1, 'x', '[1]'), (2, 1.5, '{}'), (3, 2, '1'), (4, 1, NULL)",
    )
    [parents, found] = (item.table for item in read_tables(sqlite_engine))
    target = TableModel(parents, sqlite_engine)
    model = TableModel(found, sqlite_engine, references={"k": target, "j": target})
    expected = [None, None, {"k": 2, "s": b"\xff"}, {"k": 1, "s": "one"}]
    assert [row["k"] for row in listed(model, "embed=k").data] == expected
    assert [row["k"] for row in model.stream(parse_query("embed=k"))] == expected
    rows = listed(model, "embed=j").data
    assert [row["j"] for row in rows] == [None, None, {"k": 1, "s": "one"}, None]


def test_more_rows_are_embedded_than_a_statement_has_parameters(sqlite_engine: sa.Engine) -> None:
    table = created(sqlite_engine, Column("parent", ForeignKey("t.id")))
    with sqlite_engine.begin() as connection:
        rows = [{"id": n, "parent": n} for n in range(1, 2502)]
        connection.execute(sa.insert(table), rows)
    model = TableModel(table, sqlite_engine, max_page_size=5000)
    rows = list(listed(model, "limit=5000&embed=parent").data)
    assert all(row["parent"]["id"] == row["id"] for row in rows)
    assert len(rows) == 2501
