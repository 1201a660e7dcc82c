"""The benchmarks measure what they say, and every case still runs."""

import json
from pathlib import Path
from wsgiref.validate import validator

import pytest
import sqlalchemy as sa
from webob import Request, Response

from benchmarks import million
from benchmarks.__main__ import main
from benchmarks.cases import cases
from benchmarks.harness import Case, call, compare, table


def spin(times: int) -> int:
    return sum(range(times))


def test_the_ratio_is_to_the_first_contestant() -> None:
    case = Case("spin", {"once": lambda: spin(2000), "four times": lambda: spin(8000)})
    once, four_times = compare([case], rounds=5)
    assert once.ratio == 1
    assert 2 < four_times.ratio < 8
    assert four_times.low <= four_times.ratio <= four_times.high
    assert once.microseconds > 0


def test_results_are_a_markdown_table() -> None:
    results = compare([Case("nothing", {"by hand": lambda: None})], rounds=2)
    header, line, row = table(results).splitlines()
    assert header.count("|") == line.count("|") == row.count("|") == 6
    assert row.startswith("| nothing | by hand |")


def test_call_gives_status_and_body() -> None:
    app = validator(Response(b"here", status=201))
    assert call(app, Request.blank("/").environ) == ("201 Created", b"here")


def test_every_case_runs() -> None:
    with cases() as every:
        assert len({case.name for case in every}) == len(every)
        for case in every:
            for function in case.contestants.values():
                function()


def test_the_contestants_give_the_same_answer() -> None:
    with cases() as every:
        for case in every:
            (status, body), (other_status, other_body) = (f() for f in case.contestants.values())
            assert status == other_status
            if case.name.endswith("JSON"):
                assert rows(body) == rows(other_body)
            else:
                assert body.count(b"</tr>") == other_body.count(b"</tr>")


def rows(body: bytes) -> object:
    found = json.loads(body)
    return found.get("data", found)


def test_words_choose_the_cases(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rounds", "2", "no case has this in its name"])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_large_table_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    million.main(["--rows", "5000", "--rounds", "2"])
    out = capsys.readouterr().out
    for name in ("csv", "ndjson", "json", "the middle page", "the last page", "filtered, sorted"):
        assert f"| {name}" in out


def test_an_export_says_what_it_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    million.fill(engine, 3)
    million.main(["--url", str(engine.url), "--export", "csv"])
    sent, _grown = capsys.readouterr().out.split()
    assert int(sent) == len(million.Client(million.make_app(engine))("/people/?format=csv"))
