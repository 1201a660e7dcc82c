"""The description is true: Schemathesis makes requests from it, and finds nothing to complain of.

Every check is on.  The ordinary tests make a few requests of each operation, the same in every
run; ``SCHEMATHESIS_EXAMPLES=100`` (or ``tox -e schemathesis``) makes many, and those of its
coverage phase, which are the boundary values of everything that the schemas say.
"""

import json
import os
from collections.abc import Iterator
from itertools import count
from traceback import format_exception
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import GenerationConfig, SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.described import demo_app, every_kind
from wsgikit.query import MAX_CONDITIONS

#: Requests of an operation in each phase that generates any number of them.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))

#: Formats of OpenAPI's registry that Schemathesis cannot generate.
FORMATS = {
    "date-time-local": st.datetimes().map(lambda moment: moment.isoformat()),
    "time-local": st.times().map(lambda time: time.isoformat()),
}

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

KEYS = count()

#: Formats in which all rows can be had at once.
STREAMED = ("json", "csv", "ndjson")


@pytest.fixture(autouse=True, scope="module")
def _known_formats() -> None:
    for name, strategy in FORMATS.items():
        schemathesis.openapi.format(name, strategy)
    schemathesis.serializer("text/csv")(write_csv)
    names = ("application/x-ndjson", "application/ndjson", "application/jsonl")
    schemathesis.serializer(*names)(write_ndjson)


def write_csv(_context: Any, value: Any) -> bytes:
    """Write rows as CSV: null is an empty cell, and every value in quotes."""
    names = list(dict.fromkeys(name for row in value for name in row))
    lines = [",".join(_cell("", name) for name in names)]
    lines += [",".join(_cell(name, row.get(name)) for name in names) for row in value]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) and name != "json" else json.dumps(value)
    return '"' + text.replace('"', '""') + '"'


def write_ndjson(_context: Any, value: Any) -> bytes:
    """Write rows as lines of JSON; what is no list of rows is a line that is no row."""
    lines = value if isinstance(value, list) else [[value]]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


# -- what no schema can say -----------------------------------------------------------------


def filter_case(_context: Any, case: Any) -> bool:
    """Leave out requests that break a rule which is about more than one value."""
    if case.media_type == "text/csv":
        # CSV has no types: what is wrong as data may be right as text.  And it has columns.
        return bool(case.meta.generation.mode.is_positive and case.body and case.body[0])
    if str(case.media_type) in FORMS and not isinstance(case.body, dict):
        return False  # a form has fields: what is no object is written as one without any
    if case.meta.generation.mode.is_negative and _negates_texts(case):
        return False
    return case.meta.generation.mode.is_negative or (
        _fits_all(case) and _conditions(case.body) <= MAX_CONDITIONS
    )


def _negates_texts(case: Any) -> bool:
    """Whether something else stands for a list of texts; in a URL that is a text as well."""
    data = case.meta.phase.data
    changed = {data.parameter, *(each.parameter for each in getattr(data, "mutations", None) or ())}
    lists = [p for p in case.operation.query if p.name in changed]
    items = [p.definition["schema"].get("items", {}) for p in lists]
    return any(item.get("type") == "string" and "format" not in item for item in items)


def _fits_all(case: Any) -> bool:
    """Whether all rows, if that is asked for, are not counted, and not on a page."""
    asked = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}
    if asked.get("limit") != "all" or _id(case).startswith("bulk"):
        return True
    return asked.get("count") in (None, "", 0, "0") and asked.get("format") in STREAMED


def _conditions(body: Any) -> int:
    """Count the conditions of a query, at all depths."""
    if isinstance(body, list):
        return sum(map(_conditions, body))
    if not isinstance(body, dict):
        return 0
    return len(body) + sum(_conditions(body.get(name)) for name in ("and", "or", "not"))


def map_case(_context: Any, case: Any) -> Any:
    """Complete requests by what only the application knows, or says in words."""
    if case.meta.generation.mode.is_positive:
        for holder in (case.query, case.body):
            if isinstance(holder, dict):
                holder.pop("cursor", None)  # it is made by the application for a page
        if _id(case).startswith("bulk") and not {*(case.query or ())} - {"format"}:
            case.query = {**(case.query or {}), "limit": "all"}
        if case.media_type == "text/csv":
            # A file has the same columns in each row.
            case.body = [row for row in case.body if row.keys() == case.body[0].keys()]
        if case.media_type in FORMS and "json" in case.body:
            # Schemathesis makes texts of any kind where contentMediaType says application/json.
            case.body["json"] = json.dumps(case.body["json"])
        if "Idempotency-Key" in (case.headers or {}):
            case.headers["Idempotency-Key"] = f"{next(KEYS)}"  # of which each is for one request
    return case


def _id(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


# -- running ----------------------------------------------------------------------------------


def findings(app: WSGIApplication, *phases: str, examples: int) -> Iterator[str]:
    """Test an application by its description; give what is wrong, and how to see it again."""
    config = SchemathesisConfig(seed=1)
    project = config.projects.default
    project.generation = GenerationConfig(max_examples=examples)
    project.continue_on_failure = True
    # RFC 9110 13.1: which entity tag is the current one, and so a 412, no schema can say.
    for check in (
        project.checks.positive_data_acceptance,
        project.checks.negative_data_rejection,
    ):
        check.expected_statuses = [*check.expected_statuses, "412"]
    for name in ("examples", "coverage", "fuzzing", "stateful"):
        getattr(project.phases, name).enabled = name in phases
    schema = schemathesis.openapi.from_wsgi("/openapi.json?openapi=3.2", app, config=config)
    schema.hook(filter_case)
    schema.hook(map_case)
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            yield from _failures(event.recorder)
        elif isinstance(event, events.NonFatalError):
            yield f"{event.label}: " + "".join(format_exception(event.value)[-4:])
        elif isinstance(event, events.FatalError):
            raise event.exception


def _failures(recorder: Any) -> Iterator[str]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                answer = recorder.interactions[case_id].response
                yield "\n".join(
                    [
                        f"{recorder.cases[case_id].value.operation.label}: {failure.title}",
                        failure.message,
                        check.failure_info.code_sample,
                        f"{answer.status_code} {answer.content[:500]!r}",
                    ]
                )


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("make", [demo_app, every_kind])
def test_a_description_is_true(make: Any) -> None:
    phases = ("examples", "fuzzing", "stateful")
    if EXAMPLES:
        phases = (*phases, "coverage")
    found = list(findings(make(), *phases, examples=EXAMPLES or 3))
    assert not found, f"{len(found)} findings:\n\n" + "\n\n".join(found[:20])
