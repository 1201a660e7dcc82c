"""The header Prefer: its grammar, its meaning, and what is told to have been honoured."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgikit.model_collection.preferences import (
    KNOWN,
    PreferenceError,
    Preferences,
    parse_preferences,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("return=minimal", {"minimal": True}),
        ("return=representation", {"minimal": False}),
        ("tx=rollback", {"rollback": True}),
        ("tx=commit", {"rollback": False}),
        ("resolution=merge-duplicates", {"on_duplicate": "merge"}),
        ("resolution=ignore-duplicates", {"on_duplicate": "ignore"}),
        ("handling=strict", {"strict": True}),
        ("handling=lenient", {"strict": False}),
        ("return=minimal, tx=rollback", {"minimal": True, "rollback": True}),
        # Nothing is asked for.
        ("", {}),
        (" \t", {}),
        (",", {}),
        (", ,,", {}),
        # RFC 9110 5.6.1.2: empty elements are skipped.
        (",return=minimal , ,tx=rollback,", {"minimal": True, "rollback": True}),
        ("return=minimal,tx=rollback", {"minimal": True, "rollback": True}),
        # Words: tokens and quoted strings, with or without white space around them.
        ('return="minimal"', {"minimal": True}),
        (r'return="mini\mal"', {"minimal": True}),
        ("return = minimal", {"minimal": True}),
        (
            'return\t=\t"minimal" ; a ; b=c;;d = "e,f" , tx=commit',
            {"minimal": True, "rollback": False},
        ),
        ("  return=minimal  ", {"minimal": True}),
        # Case
        ("Return=Minimal, TX=Rollback", {"minimal": True, "rollback": True}),
        # The first instance counts, even where it means nothing.
        ("return=minimal, return=representation", {"minimal": True}),
        ("return=nothing, return=minimal", {}),
        ("return, return=minimal", {}),
        ("RETURN=minimal, return=representation", {"minimal": True}),
        # No value, in its three spellings
        ("return", {}),
        ('return=""', {}),
        ('return="";a', {}),
        # What is not known is ignored.
        ("respond-async, wait=100, return=minimal", {"minimal": True}),
        ("tx=maybe", {}),
        ('return=minimal; foo="some value"', {"minimal": True}),
        ("minimal", {}),
        # Commas, semicolons, quotes and what looks like a preference within a quoted string
        (r'foo="a, tx=rollback; \" \\", return=minimal', {"minimal": True}),
        ('foo="caf\xe9\t!"', {}),
        ("handling=strict, return=minimal;", {"strict": True, "minimal": True}),
        ("handling=strict, handling=lenient", {"strict": True}),
        ("handling=loud, unknown", {}),
    ],
)
def test_a_header_has_one_meaning(header: str, expected: dict[str, object]) -> None:
    found = parse_preferences(header)
    assert found == Preferences(**expected, asked=found.asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "header",
    [
        "return=minimal tx=rollback",  # a forgotten comma
        "return=minimal; tx=rollback x",
        "return=",
        "return= ,tx=rollback",
        "=minimal",
        "return==minimal",
        'return="minimal',
        'return=minimal"',
        'return="a" "b"',
        'return="a"b',
        'foo="\\"',
        'foo="a\x00"',
        'foo="a\nb"',
        "tx=rollback\n",
        "tx=roll\xe9",
        "t\xe9=rollback",
        "tx=rollback@once",
        "(comment) tx=rollback",
        "tx=rollback; =1",
        "tx=rollback; a=",
        ";a",
        "tx:rollback",
        "tx/rollback",
        "tx=rollback, \u20ac",
    ],
)
def test_what_breaks_the_grammar_is_refused_whole(header: str) -> None:
    for line in (header, f"return=minimal, {header}", f"{header}, return=minimal"):
        with pytest.raises(PreferenceError, match="The header Prefer cannot be read from"):
            parse_preferences(line)


def test_the_message_begins_where_reading_ends() -> None:
    with pytest.raises(PreferenceError, match=re.escape("from 'tx=rollback handling=strict' on")):
        parse_preferences("return=minimal, tx=rollback handling=strict")


def test_several_header_lines_are_one_list() -> None:
    assert parse_preferences(["tx=rollback", "return=minimal, tx=commit"]) == Preferences(
        minimal=True, rollback=True, asked={"tx": "rollback", "return": "minimal"}
    )
    assert parse_preferences([]) == Preferences()
    with pytest.raises(PreferenceError):
        parse_preferences(['a="b', 'c"'])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("handling=strict, wait=10", "The preference wait is none of return, tx,"),
        ("Wait, handling=strict", "The preference wait is none of"),
        ("return=minimal, handling=strict, tx=rolback", "tx is rollback or commit, not 'rolback'"),
        ("handling=strict, tx", "tx is rollback or commit, not ''"),
        ("handling=strict, tx=maybe, tx=rollback", "not 'maybe'"),
        ("handling=strict, return=minimal; a=b", "The preference return has no parameters"),
        ("handling=strict; a", "The preference handling has no parameters"),
    ],
)
def test_strict_handling_names_what_is_not_known(header: str, message: str) -> None:
    with pytest.raises(PreferenceError, match=re.escape(message)) as caught:
        parse_preferences(header)
    assert str(caught.value).endswith("and handling=strict was asked for.")


@pytest.mark.parametrize(
    ("header", "honoured", "applied"),
    [
        ("return=minimal, tx=rollback", ("return", "tx"), "return=minimal, tx=rollback"),
        ("return=minimal, tx=rollback", ("tx",), "tx=rollback"),
        ("return=minimal, tx=rollback", (), ""),
        # In the order of the request, and only what the request has.
        ("TX=Commit, Return=Representation", ("return", "tx"), "tx=commit, return=representation"),
        ("return=minimal", ("return", "tx", "resolution"), "return=minimal"),
        ("resolution=merge-duplicates", ("resolution",), "resolution=merge-duplicates"),
        # Parameters, unknown preferences and unknown values are never repeated.
        ('return="minimal"; a="b", wait=5, tx=x', ("return", "tx"), "return=minimal"),
        ("handling=strict, tx=rollback", (), "handling=strict"),
        ("handling=lenient, x", (), "handling=lenient"),
        ("", ("return", "tx", "resolution"), ""),
    ],
)
def test_what_was_honoured_is_told(header: str, honoured: tuple, applied: str) -> None:  # type: ignore[type-arg]
    assert parse_preferences(header).applied(*honoured) == applied


PAIRS = [(name, value) for name, values in KNOWN.items() for value in values]


@given(st.lists(st.sampled_from(PAIRS), unique_by=lambda pair: pair[0]))
def test_what_was_applied_reads_back_as_it_was_asked(pairs: list[tuple[str, str]]) -> None:
    found = parse_preferences(", ".join(f"{name}={value}" for name, value in pairs))
    assert parse_preferences(found.applied("return", "tx", "resolution")) == found


@given(st.text(st.sampled_from('return=minimal,tx;" \\\t\x00\xe9'), max_size=40))
def test_every_text_is_read_or_refused(header: str) -> None:
    try:
        found = parse_preferences(header)
    except PreferenceError:
        return
    assert found.asked.items() <= set(PAIRS)
    assert parse_preferences(f"{header},{header}") == found
