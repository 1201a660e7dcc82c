"""Measure the cases and print a table: ``python -m benchmarks [--rounds N] [WORD ...]``."""

from argparse import ArgumentParser
from collections.abc import Sequence

from benchmarks.cases import cases
from benchmarks.harness import ROUNDS, compare, table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("words", nargs="*", help="only cases whose name holds one of these")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    options = parser.parse_args(arguments)
    with cases() as every:
        chosen = [
            case
            for case in every
            if not options.words or any(word in case.name for word in options.words)
        ]
        print(table(compare(chosen, options.rounds)))


if __name__ == "__main__":
    main()
