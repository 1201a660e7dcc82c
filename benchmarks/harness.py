"""Compare ways of doing the same thing, fairly, on a machine that is never quiet.

A case names several contestants, the first of which is the baseline.
They take turns, a short batch each, in an order that changes from round to round, so that
whatever slows the machine down slows all of them down.
Each round gives one ratio to the baseline, and the result is the median of these ratios:
it repeats where times in microseconds do not.

    from benchmarks.harness import Case, compare, table

    case = Case("join", {"by hand": lambda: "a" + "b", "join": lambda: "".join(("a", "b"))})
    print(table(compare([case], rounds=5)))
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from time import process_time_ns
from typing import Any
from wsgiref.types import WSGIApplication

ROUNDS = 101  # odd, so that the median is one of the ratios
BATCH_SECONDS = 0.01  # long against the clock's step, short against what disturbs the machine


@dataclass(frozen=True)
class Case:
    """One thing to do, and the ways to do it; the first way is the baseline."""

    name: str
    contestants: Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Result:
    """What one contestant of a case cost.

    Times are CPU time, in microseconds a call; ratios are to the baseline of the same round.
    """

    case: str
    contestant: str
    microseconds: float
    ratio: float
    low: float  #: lower quartile of the ratios
    high: float  #: upper quartile of the ratios


def compare(cases: Iterable[Case], rounds: int = ROUNDS) -> list[Result]:
    """Measure each case; at least two rounds.

    Returns:
        One result for each contestant, in the order given.
    """
    return [result for case in cases for result in _compare_one(case, rounds)]


def _compare_one(case: Case, rounds: int) -> Iterator[Result]:
    names = list(case.contestants)
    calls = {name: _calls_in_a_batch(function) for name, function in case.contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        with _no_garbage_collection():
            for name in names[turn:] + names[:turn]:
                times[name].append(_time(case.contestants[name], calls[name]) / calls[name])
    baseline = times[names[0]]
    for name in names:
        ratios = [mine / theirs for mine, theirs in zip(times[name], baseline, strict=True)]
        low, middle, high = quantiles(ratios, n=4, method="inclusive")
        yield Result(case.name, name, median(times[name]) / 1000, middle, low, high)


def _calls_in_a_batch(function: Callable[[], object]) -> int:
    """Return how many calls make a batch; doubling them also warms everything up."""
    calls = 1
    while _time(function, calls) < BATCH_SECONDS * 1e9:
        calls *= 2
    return calls


def _time(function: Callable[[], object], calls: int) -> int:
    """Return the nanoseconds of CPU time that so many calls take; never 0."""
    start = process_time_ns()
    for _ in range(calls):
        function()
    return max(process_time_ns() - start, 1)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect before a round and not during: whose turn it falls on is chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def call(app: WSGIApplication, environ: Mapping[str, Any]) -> tuple[str, bytes]:
    """Do what a server does for one request, and no more; return status and body.

    Args:
        app: Any WSGI application.
        environ: The request; each call gets a copy, since applications write to it.
    """
    said: list[str] = []

    def start_response(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
        said.append(status)
        return _write

    chunks = app(dict(environ), start_response)
    try:
        body = b"".join(chunks)  # a generator calls start_response only now
        return said[0], body
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _write(_data: bytes) -> object:
    """Stand in for WSGI's old write(), which nothing here uses."""
    raise NotImplementedError


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| case | contestant | µs | ratio | quartiles |", "| --- | --- | ---: | ---: | ---: |"]
    lines += [
        f"| {r.case} | {r.contestant} | {r.microseconds:.1f} | {r.ratio:.2f} "
        f"| {r.low:.2f} to {r.high:.2f} |"
        for r in results
    ]
    return "\n".join(lines)
