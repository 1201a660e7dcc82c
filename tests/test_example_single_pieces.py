"""examples/single_pieces.py: what each piece gives, and that the program runs."""

import subprocess
import sys
from datetime import date
from decimal import Decimal

from examples import single_pieces
from tests.programs import ROOT


def test_the_dispatcher_takes_any_application() -> None:
    response = single_pieces.only_the_dispatcher()
    assert (response.status_int, response.text) == (200, "Hello from /blog/2024/naïve\n")


def test_the_renderers_answer_as_the_client_prefers() -> None:
    page, program = single_pieces.only_the_renderers()
    assert (page.content_type, program.content_type) == ("text/html", "application/json")
    assert program.json == {"name": "Ada", "title": "Countess"}
    assert "Countess" in page.text


def test_a_uri_pattern_reads_and_writes() -> None:
    urlvars, path = single_pieces.only_the_uri_pattern()
    assert urlvars == {"day": date(2024, 2, 29), "event": 7}
    assert path == "/calendar/2024-02-29/8"


def test_forms_of_other_sites_are_refused() -> None:
    assert single_pieces.only_the_cross_origin_protection() == ["200 OK", "403 Forbidden"]


def test_a_model_keeps_rows_valid() -> None:
    rows, mistakes = single_pieces.only_the_model()
    assert rows == [{"id": 1, "item": "tea", "price": Decimal("2.50")}]
    assert [mistake.partition(":")[0] for mistake in mistakes] == ["item", "price"]


def test_it_runs_as_a_program() -> None:
    found = subprocess.run(
        [sys.executable, "examples/single_pieces.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert found.stdout.startswith("Hello from /blog/2024/naïve\ntext/html: ")
