"""Writes over HTTP: many rows, upserts, files, patches, dry runs, preconditions, safe retries."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from webob import Request, Response

from tests.cities import CITIES, Client, Plain, memory_cities, mounted, table_cities
from wsgikit.media.csv import CSV
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.media.ndjson import NDJSON
from wsgikit.model import MemoryModel
from wsgikit.model_collection import ModelCollection
from wsgikit.model_collection.idempotency import FIELDS
from wsgikit.sql import TableModel
from wsgikit.sql.records import idempotency_table

ROME = {"name": "Rome", "country": None, "height": 21.0}
PARIS = {"name": "Paris"}
CSV_TYPE = {"Content_Type": "text/csv"}
PATCH_TYPE = {"Content_Type": "application/json-patch+json"}


@pytest.fixture(params=[memory_cities, table_cities])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path, page_size=100)


def records_of(model: Any) -> Any:
    """Give a model for the records of requests, in the same store."""
    if isinstance(model, MemoryModel):
        return MemoryModel(FIELDS, key=["key"], name="keys")
    table = idempotency_table(sa.MetaData())
    table.create(model.engine)
    return TableModel(table, model.engine)


def collection(model: Any, **options: Any) -> Client:
    media = [JSON, HTML(), CSV, NDJSON]
    return mounted(("cities", ModelCollection(model, media=media, **options)))


@pytest.fixture
def ask(model: Any) -> Client:
    return collection(model)


def names(ask: Client) -> list[str]:
    return [row["name"] for row in ask("GET", "/cities/").json["data"]]


BEFORE = [row["name"] for row in CITIES]


# -- many rows -------------------------------------------------------------------------------


def test_a_list_creates_rows_and_answers_them_as_stored(ask: Client) -> None:
    made = ask("POST", "/cities/", body=[ROME, PARIS])
    assert made.status_int == 201
    assert made.json == [
        {"id": 6, **ROME},
        {"id": 7, "name": "Paris", "country": None, "height": None},
    ]
    assert names(ask) == [*BEFORE, "Rome", "Paris"]


def test_an_empty_list_creates_nothing(ask: Client) -> None:
    made = ask("POST", "/cities/", body=[])
    assert (made.status_int, made.json) == (200, [])


def test_of_a_list_with_mistakes_nothing_is_stored_and_all_are_told(ask: Client) -> None:
    refused = ask("POST", "/cities/", body=[ROME, {"name": 7}, {"height": "high", "x": 1}])
    assert refused.status_int == 422
    assert [(e["pointer"], e["code"]) for e in refused.json["errors"]] == [
        ("/1/name", "type"),
        ("/2/x", "unknown"),
        ("/2/name", "required"),
        ("/2/height", "type"),
    ]
    assert names(ask) == BEFORE


def test_a_list_of_something_else_is_refused(ask: Client) -> None:
    refused = ask("POST", "/cities/", body=[ROME, 7])
    assert refused.status_int == 422
    assert refused.json["errors"][0]["pointer"] == "/1"


def test_a_taken_key_in_a_list_is_a_conflict(ask: Client) -> None:
    refused = ask("POST", "/cities/", body=[ROME, {"id": 3, "name": "Basel"}])
    assert refused.status_int == 409
    assert refused.json["errors"][0]["pointer"] == "/1/id"
    assert names(ask) == BEFORE


def test_a_file_creates_rows_and_says_how_many(ask: Client) -> None:
    body = b'name,height\r\nRome,21.0\r\n"Par,is",\r\n'
    made = ask("POST", "/cities/", body=body, **CSV_TYPE)
    assert (made.status_int, made.json) == (201, {"count": 2, "created": 2})
    assert names(ask) == [*BEFORE, "Rome", "Par,is"]
    lines = b'{"name": "Oslo"}\n{"name": "Kiel", "height": 5}\n'
    made = ask(
        "POST",
        "/cities/",
        body=lines,
        Content_Type="application/x-ndjson",
        Prefer="return=representation",
    )
    assert [row["name"] for row in made.json] == ["Oslo", "Kiel"]
    assert made.headers["Preference-Applied"] == "return=representation"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"name,height\r\nRome,21.0\r\nParis,high\r\n", 422, "/1/height"),
        (b"name,nosuch\r\nRome,1\r\n", 422, "/0/nosuch"),
        (b"height\r\n1\r\n", 422, "/0/name"),
        (b'name\r\nRome\r\n"Paris\r\n', 400, "ine"),
        (b"name,height\r\nRome\r\n", 400, "ine 2"),
        (b"name\r\nRome\r\n\xff\r\n", 400, "UTF-8"),
        (b"", 400, "header"),
    ],
)
def test_of_a_broken_file_nothing_is_stored(
    ask: Client, body: bytes, status: int, told: str
) -> None:
    refused = ask("POST", "/cities/", body=body, **CSV_TYPE)
    assert refused.status_int == status
    assert told in refused.text
    assert names(ask) == BEFORE


def test_what_is_exported_can_be_imported(ask: Client, model: Any) -> None:
    ask = collection(model, bulk_limit=100)
    export = ask("GET", "/cities/?limit=all&format=csv").body
    assert ask("DELETE", "/cities/?limit=all").json == {"count": 5}
    assert ask("POST", "/cities/", body=export, **CSV_TYPE).status_int == 201
    assert ask("GET", "/cities/?limit=all&format=csv").body == export


# -- upserts ---------------------------------------------------------------------------------

UPSERT = [{"id": 3, "height": 1.0}, {"id": 9, "name": "Rome"}]


def test_rows_are_merged_into_those_of_the_same_key(ask: Client) -> None:
    merged = ask("POST", "/cities/", body=UPSERT, Prefer="resolution=merge-duplicates")
    assert merged.status_int == 201
    assert merged.headers["Preference-Applied"] == "resolution=merge-duplicates"
    assert merged.json[0] == {**CITIES[2], "height": 1.0}
    assert merged.json[1]["name"] == "Rome"
    again = ask("POST", "/cities/", body=UPSERT, Prefer="resolution=merge-duplicates")
    assert (again.status_int, again.json) == (200, merged.json)


def test_rows_of_a_taken_key_can_be_ignored(ask: Client) -> None:
    body = [{**row, "name": "X"} for row in UPSERT]
    made = ask("POST", "/cities/", body=body, Prefer="resolution=ignore-duplicates")
    assert made.status_int == 201
    assert [row["name"] for row in made.json] == ["Zug", "X"]


def test_one_row_is_merged_as_well(ask: Client) -> None:
    prefer = "resolution=merge-duplicates"
    merged = ask("POST", "/cities/", body=UPSERT[0], Prefer=prefer)
    assert (merged.status_int, merged.json["height"]) == (200, 1.0)
    refused = ask("POST", "/cities/", body={"id": 3, "height": "x"}, Prefer=prefer)
    assert refused.json["errors"][0]["pointer"] == "/height"


# -- preferences -----------------------------------------------------------------------------


def test_a_minimal_answer_has_no_content(ask: Client) -> None:
    minimal = {"Prefer": "return=minimal"}
    made = ask("POST", "/cities/", body=ROME, **minimal)
    assert (made.status_int, made.body) == (201, b"")
    assert made.headers["Location"].endswith("/cities/6")
    assert made.headers["Preference-Applied"] == "return=minimal"
    stored = ask("GET", "/cities/6")
    assert made.headers["ETag"] == stored.headers["ETag"]
    for method in ("PUT", "PATCH"):
        changed = ask(method, "/cities/6", body={"name": method}, **minimal)
        assert (changed.status_int, changed.body) == (204, b"")
        assert changed.headers["ETag"] == ask("GET", "/cities/6").headers["ETag"]
    many = ask("POST", "/cities/", body=[PARIS], **minimal)
    assert (many.status_int, many.body) == (201, b"")


DRY = {"Prefer": "tx=rollback"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/cities/", ROME, 201),
        ("POST", "/cities/", [ROME, PARIS], 201),
        ("PUT", "/cities/3", ROME, 200),
        ("PATCH", "/cities/3", {"name": "Basel"}, 200),
        ("DELETE", "/cities/3", None, 204),
        ("DELETE", "/cities/?country=CH", None, 200),
        ("PATCH", "/cities/?country=CH", {"height": 1}, 200),
        ("POST", "/cities/", [ROME, {"id": 3, "name": "Basel"}], 409),
    ],
)
def test_a_dry_run_answers_and_changes_nothing(
    model: Any, method: str, path: str, body: Any, status: int
) -> None:
    ask = collection(model, bulk_limit=10)
    before = ask("GET", "/cities/").json
    answer = ask(method, path, body=body, **DRY)
    assert answer.status_int == status
    assert answer.headers.get("Preference-Applied") == ("tx=rollback" if status < 300 else None)
    assert "Location" not in answer.headers
    assert ask("GET", "/cities/").json == before


def test_a_dry_run_of_a_file_finds_the_mistakes(ask: Client) -> None:
    body = b"name,height\r\nRome,21.0\r\nParis,high\r\n"
    assert ask("POST", "/cities/", body=body, **CSV_TYPE, **DRY).status_int == 422
    good = ask("POST", "/cities/", body=body.replace(b"high", b"35"), **CSV_TYPE, **DRY)
    assert good.json == {"count": 2, "created": 2}
    assert names(ask) == BEFORE


@pytest.mark.parametrize("prefer", ["return=", "tx=rollback return=minimal", '"'])
def test_a_preference_that_is_half_read_is_refused_or_ignored_whole(
    ask: Client, prefer: str
) -> None:
    response = ask("POST", "/cities/", body=ROME, Prefer=prefer)
    assert response.status_int in (201, 400)
    assert "Preference-Applied" not in response.headers


# -- JSON Patch ------------------------------------------------------------------------------


def patch(ask: Client, *operations: Any, **headers: str) -> Response:
    return ask("PATCH", "/cities/3", body=json.dumps(operations).encode(), **PATCH_TYPE, **headers)


def test_a_patch_changes_what_it_names(ask: Client) -> None:
    changed = patch(
        ask,
        {"op": "test", "path": "/name", "value": "Zug"},
        {"op": "replace", "path": "/name", "value": "Basel"},
        {"op": "remove", "path": "/height"},
    )
    assert changed.json == {"id": 3, "name": "Basel", "country": "CH", "height": None}


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/name", "value": "Bern"}, 409),
        ({"op": "replace", "path": "/nosuch", "value": 1}, 409),
        ({"op": "add", "path": "/nosuch", "value": 1}, 422),
        ({"op": "add", "path": "/height", "value": "high"}, 422),
        ({"op": "replace", "path": "/id", "value": 8}, 422),
        ({"op": "remove", "path": "/name"}, 422),
        ({"op": "replace", "path": "", "value": 1}, 422),
        ({"op": "jump", "path": "/name"}, 400),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(
    ask: Client, operation: Any, status: int
) -> None:
    before = ask("GET", "/cities/3").json
    assert patch(ask, {"op": "remove", "path": "/height"}, operation).status_int == status
    assert ask("GET", "/cities/3").json == before


def test_a_patch_has_preconditions(ask: Client) -> None:
    tag = ask("GET", "/cities/3").headers["ETag"]
    operation = {"op": "replace", "path": "/name", "value": "Basel"}
    assert patch(ask, operation, If_Match='"x"').status_int == 412
    assert patch(ask, operation, If_Match=tag).status_int == 200
    assert patch(ask, operation, If_Match=tag).status_int == 412


def test_values_that_json_lacks_are_patched_as_text(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    table = sa.Table(
        "cities",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("day", sa.Date),
        sa.Column("data", sa.JSON),
        sa.Column("size", sa.Numeric(5, 2)),
    )
    table.create(engine)
    ask = collection(TableModel(table, engine))
    row = {"id": 3, "day": "2026-05-01", "data": {"a": [1, 2]}, "size": "1.50"}
    assert ask("POST", "/cities/", body=row).status_int == 201
    changed = patch(
        ask,
        {"op": "test", "path": "/size", "value": "1.50"},
        {"op": "replace", "path": "/day", "value": "2026-05-02"},
        {"op": "add", "path": "/data/a/-", "value": 3},
    )
    assert changed.json == {**row, "day": "2026-05-02", "data": {"a": [1, 2, 3]}}


# -- preconditions ---------------------------------------------------------------------------


def test_a_collection_can_demand_the_version(model: Any) -> None:
    ask = collection(model, require_match=True)
    for method, body in (("PUT", ROME), ("PATCH", {"name": "X"}), ("DELETE", None)):
        refused = ask(method, "/cities/3", body=body)
        assert (refused.status_int, refused.content_type) == (428, "application/problem+json")
        assert ask(method, "/cities/99", body=body).status_int == 404
        tag = ask("GET", "/cities/3").headers["ETag"]
        assert ask(method, "/cities/3", body=body, If_Match=tag).status_int in (200, 204)
    assert ask("PUT", "/cities/99", body=ROME, If_None_Match="*").status_int == 201
    # A page's form says which version it was made from.
    form = {"_method": "PATCH", "name": "Y", "_version": "x"}
    assert ask("POST", "/cities/1", form=form, Accept="text/html").status_int == 412


def test_a_collection_itself_has_no_versions(ask: Client) -> None:
    for headers in ({"If_Match": '"x"'}, {"If_None_Match": "*"}):
        assert ask("POST", "/cities/", body=ROME, **headers).status_int == 412
    assert ask("POST", "/cities/", body=ROME, If_Match="*").status_int == 201
    assert ask("POST", "/cities/", body=ROME, If_None_Match='"x"').status_int == 201


# -- writes that a filter directs ------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_many_rows_are_written_only_where_that_was_switched_on(ask: Client, method: str) -> None:
    assert ask(method, "/cities/?country=CH", body={"height": 1}).status_int == 405


def test_a_filter_directs_a_change(model: Any) -> None:
    ask = collection(model, bulk_limit=3)
    changed = ask("PATCH", "/cities/?country=CH", body={"height": 1})
    assert (changed.status_int, changed.json) == (200, {"count": 2})
    assert [row["height"] for row in ask("GET", "/cities/?country=CH").json["data"]] == [1.0, 1.0]
    assert ask("PATCH", "/cities/?country=XX", body={"height": 1}).json == {"count": 0}
    minimal = ask("DELETE", "/cities/?q=zug", Prefer="return=minimal")
    assert (minimal.status_int, minimal.body) == (204, b"")
    assert names(ask) == ["Bern", "Wellington", "100%", "Auckland"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    "query",
    ["", "country=", "country=CH&name=", "country__in=", "q=", "limit=2", "sort=name",
     "country=CH&limit=1", "nosuch=1", "limit=all", "cursor=x", "country=CH&count=1"],
)  # fmt: skip
def test_a_mistake_never_widens_a_write(model: Any, method: str, query: str) -> None:
    ask = collection(model, bulk_limit=4)  # limit=all is one more than that
    before = ask("GET", "/cities/").json
    assert ask(method, f"/cities/?{query}", body={"height": 1}).status_int == 400
    assert ask("GET", "/cities/").json == before


def test_a_change_of_many_rows_is_checked(model: Any) -> None:
    ask = collection(model, bulk_limit=10)
    for body in ({"height": "x"}, {"nosuch": 1}, {"id": 1}, {"name": None}, {"name": {"a": 1}}):
        assert ask("PATCH", "/cities/?limit=all", body=body).status_int == 422
    assert ask("PATCH", "/cities/?limit=all", body=[]).status_int == 422


# -- Idempotency-Key -------------------------------------------------------------------------

KEY = {"Idempotency_Key": "7f3c"}


@pytest.fixture
def safe(model: Any) -> Client:
    return collection(model, idempotency=records_of(model))


def test_the_same_request_is_done_once(safe: Client) -> None:
    first = safe("POST", "/cities/", body=ROME, **KEY)
    second = safe("POST", "/cities/", body=ROME, **KEY)
    assert (first.status_int, second.status_int) == (201, 201)
    assert second.json == first.json
    for name in ("Location", "ETag"):
        assert second.headers[name] == first.headers[name]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert names(safe) == [*BEFORE, "Rome"]


def test_another_request_under_the_key_is_refused(safe: Client) -> None:
    assert safe("POST", "/cities/", body=ROME, **KEY).status_int == 201
    assert safe("POST", "/cities/", body=PARIS, **KEY).status_int == 422
    assert safe("POST", "/cities/", body=PARIS, Idempotency_Key="other").status_int == 201
    assert safe("POST", "/cities/", body=PARIS).status_int == 201
    assert names(safe) == [*BEFORE, "Rome", "Paris", "Paris"]


def test_a_request_that_failed_can_be_mended_under_its_key(safe: Client) -> None:
    assert safe("POST", "/cities/", body={"name": 7}, **KEY).status_int == 422
    assert safe("POST", "/cities/", body=ROME, **KEY).status_int == 201


def test_many_rows_are_made_once_as_well(safe: Client) -> None:
    first = safe("POST", "/cities/", body=[ROME, PARIS], **KEY)
    assert safe("POST", "/cities/", body=[ROME, PARIS], **KEY).json == first.json
    assert safe("POST", "/cities/", body=[ROME], **KEY).status_int == 422
    other = {"Idempotency_Key": "file"}
    for _ in range(2):
        made = safe("POST", "/cities/", body=b"name\r\nOslo\r\n", **CSV_TYPE, **other)
        assert (made.status_int, made.json) == (201, {"count": 1, "created": 1})
    assert safe("POST", "/cities/", body=b"name\r\nKiel\r\n", **CSV_TYPE, **other).status_int == 422
    assert names(safe) == [*BEFORE, "Rome", "Paris", "Oslo"]


def test_a_row_that_is_gone_is_not_made_again(safe: Client) -> None:
    made = safe("POST", "/cities/", body=ROME, **KEY)
    assert safe("DELETE", made.headers["Location"]).status_int == 204
    again = safe("POST", "/cities/", body=ROME, **KEY)
    assert (again.status_int, again.body) == (201, b"")
    assert names(safe) == BEFORE


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(safe: Client, key: str) -> None:
    assert safe("POST", "/cities/", body=ROME, Idempotency_Key=key).status_int == 400


def test_a_dry_run_leaves_no_record(safe: Client) -> None:
    assert safe("POST", "/cities/", body=ROME, **KEY, **DRY).status_int == 201
    assert safe("POST", "/cities/", body=PARIS, **KEY).status_int == 201


def test_pages_answer_a_write_of_many_rows_if_nothing_else_will_do(model: Any) -> None:
    ask = collection(model)
    page = ask("POST", "/cities/", body=[ROME], Accept="text/html")
    assert (page.status_int, page.content_type) == (201, "text/html")


# -- stores that can do less -----------------------------------------------------------------


def test_a_plain_model_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    ask = collection(Plain(memory_cities(tmp_path)), bulk_limit=5)
    assert ask("POST", "/cities/", body=ROME).status_int == 201
    for refused in (
        ask("POST", "/cities/", body=[ROME]),
        ask("POST", "/cities/", body=ROME, Prefer="resolution=merge-duplicates"),
        ask("POST", "/cities/", body=ROME, **DRY),
        ask("DELETE", "/cities/?country=CH"),
    ):
        assert refused.status_int == 403
        assert "store" in refused.json["detail"]


def test_a_plain_model_is_patched_in_the_version_that_was_read(tmp_path: Path) -> None:
    """Somebody else writes between our reading and our writing, once."""
    cities = Plain(memory_cities(tmp_path))
    update, others = cities.update, iter(["Basel"])

    def overtaken(key: Any, values: Any, version: str | None = None) -> Any:
        row = update(key, values, version)
        if not values and (name := next(others, None)):
            update(key, {"name": name})
        return row

    cities.update = overtaken
    ask = collection(cities)
    changed = patch(ask, {"op": "remove", "path": "/height"})
    assert (changed.status_int, changed.json["name"]) == (200, "Basel")


# -- what must not slip through ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_Match": ""}, 400),
        ({"If_Match": "garbage"}, 400),
        ({"If_Match": '"stale"'}, 412),
        ({"If_None_Match": "*"}, 412),
    ],
)
def test_a_write_of_many_rows_is_meant_for_no_version(
    model: Any, method: str, headers: dict[str, str], status: int
) -> None:
    ask = collection(model, bulk_limit=10)
    refused = ask(method, "/cities/?id=1", body={"name": "X"}, **headers)
    assert refused.status_int == status
    assert names(ask) == BEFORE


@pytest.mark.parametrize(
    ("if_match", "status"), [("*", 412), ('"x"', 412), ("", 400), ("garbage", 400)]
)
def test_a_row_cannot_be_there_and_not_be_there(ask: Client, if_match: str, status: int) -> None:
    refused = ask("PUT", "/cities/9", body=ROME, If_None_Match="*", If_Match=if_match)
    assert refused.status_int == status
    assert names(ask) == BEFORE


def test_a_key_that_is_stored_in_another_spelling_makes_no_row(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    table = sa.Table(
        "cities",
        sa.MetaData(),
        sa.Column("size", sa.Numeric(10, 2), primary_key=True),
        sa.Column("name", sa.String(9)),
    )
    table.create(engine)
    ask = collection(TableModel(table, engine))
    refused = ask("PUT", "/cities/1.5", body={"name": "a"}, If_None_Match="*")
    assert (refused.status_int, refused.json["errors"][0]["pointer"]) == (422, "/size")
    assert ask("GET", "/cities/").json["data"] == []
    assert ask("PUT", "/cities/1.50", body={"name": "a"}, If_None_Match="*").status_int == 201
    for key in ("NaN", "Infinity"):
        assert ask("GET", f"/cities/{key}").status_int == 404


@pytest.mark.parametrize("resolution", ["merge-duplicates", "ignore-duplicates"])
def test_a_list_names_each_row_once(ask: Client, resolution: str) -> None:
    body = [
        {"id": 3, "name": "A"},
        {"name": "B"},
        {"id": 3.0, "name": "C"},
        {"id": "x"},
        {"id": "x"},
    ]
    refused = ask("POST", "/cities/", body=body, Prefer=f"resolution={resolution}")
    assert refused.status_int == 409
    assert refused.json["errors"][0]["pointer"] == "/2/id"
    assert names(ask) == BEFORE


def test_a_list_of_one_row_is_another_request_than_that_row(safe: Client) -> None:
    assert safe("POST", "/cities/", body=ROME, **KEY).status_int == 201
    assert safe("POST", "/cities/", body=[ROME], **KEY).status_int == 422


def test_a_number_too_small_for_a_float_is_refused(ask: Client) -> None:
    assert ask("POST", "/cities/", body=b'{"name": "X", "height": 1e-400}').status_int == 400
    body = b"name,height\r\nX,1e-400\r\n"
    assert ask("POST", "/cities/", body=body, **CSV_TYPE).status_int == 422
    assert ask("GET", "/cities/?height=1e-400").status_int == 400
    assert ask("POST", "/cities/", body=b'{"name": "X", "height": 0e-400}').status_int == 201


class Slow:
    """A body whose sender makes pauses, in which others look at the store."""

    def __init__(self, chunks: list[bytes], pause: Any) -> None:
        self.chunks, self.pause = iter(chunks), pause

    def read(self, _size: int) -> bytes:
        self.pause()
        return next(self.chunks, b"")

    readline = readlines = __iter__ = read  # PEP 3333 wants them to be there


def test_a_slow_sender_holds_no_transaction(tmp_path: Path) -> None:
    cities = table_cities(tmp_path)
    ask = collection(cities)
    pool = cities.engine.pool
    seen = []
    chunks = [b"name\r\n", b"Oslo\r\n" * 20_000, b"Rome\r\n" * 20_000]
    environ = {
        "wsgi.input": Slow(chunks, lambda: seen.append(pool.checkedout())),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_TYPE": "text/csv",
        "HTTP_ACCEPT": "application/json",
    }
    request = Request.blank("/cities/", method="POST", environ=environ)
    request.environ.pop("CONTENT_LENGTH", None)
    response = request.get_response(ask.app)
    assert response.json == {"count": 40_000, "created": 40_000}
    assert set(seen) == {0}
