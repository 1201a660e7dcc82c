"""Merge patches (RFC 7396) and JSON Patch (RFC 6902)."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgikit.model_collection.patches import (
    MAX_COPIED,
    MAX_DEPTH,
    MAX_OPERATIONS,
    PatchConflict,
    PatchError,
    apply_patch,
    merge,
    read_pointer,
    same,
)

# -- merge patches ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        # RFC 7396, section 3
        (
            {
                "title": "Goodbye!",
                "author": {"givenName": "John", "familyName": "Doe"},
                "tags": ["example", "sample"],
                "content": "This will be unchanged",
            },
            {
                "title": "Hello!",
                "phoneNumber": "+01-123-456-7890",
                "author": {"familyName": None},
                "tags": ["example"],
            },
            {
                "title": "Hello!",
                "author": {"givenName": "John"},
                "tags": ["example"],
                "content": "This will be unchanged",
                "phoneNumber": "+01-123-456-7890",
            },
        ),
    ],
)
def test_a_merge_patch_is_merged(target: Any, patch: Any, result: Any) -> None:
    before = deepcopy((target, patch))
    assert merge(target, patch) == result
    assert (target, patch) == before


# -- JSON Patch: what it does ----------------------------------------------------------------


def patch(op: str, path: str, value: Any = ..., **members: Any) -> dict[str, Any]:
    """An operation; `source` stands for `from`."""
    if value is not ...:
        members["value"] = value
    if "source" in members:
        members["from"] = members.pop("source")
    return {"op": op, "path": path, **members}


RFC_6902_EXAMPLES = [
    # Appendix A, in its order
    ({"foo": "bar"}, [patch("add", "/baz", "qux")], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [patch("add", "/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [patch("remove", "/baz")], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [patch("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
    (
        {"baz": "qux", "foo": "bar"},
        [patch("replace", "/baz", "boo")],
        {"baz": "boo", "foo": "bar"},
    ),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [patch("move", "/qux/thud", source="/foo/waldo")],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [patch("move", "/foo/3", source="/foo/1")],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [patch("test", "/baz", "qux"), patch("test", "/foo/1", 2)],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    (
        {"foo": "bar"},
        [patch("add", "/child", {"grandchild": {}})],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    ({"foo": "bar"}, [patch("add", "/baz", "qux", xyz=123)], {"foo": "bar", "baz": "qux"}),
    ({"/": 9, "~1": 10}, [patch("test", "/~01", 10)], {"/": 9, "~1": 10}),
    (
        {"foo": ["bar"]},
        [patch("add", "/foo/-", ["abc", "def"])],
        {"foo": ["bar", ["abc", "def"]]},
    ),
]

NAMES = {"": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
PATHS = ["/", "/a~1b", "/c%d", "/e^f", "/g|h", "/i\\j", '/k"l', "/ ", "/m~0n"]

CHANGES = [
    *RFC_6902_EXAMPLES,
    ({"a": 1}, [], {"a": 1}),
    # The whole document
    ({}, [patch("add", "", [])], []),
    ({"a": 1}, [patch("replace", "", "text")], "text"),
    ("text", [patch("replace", "", None)], None),
    (5, [patch("test", "", 5)], 5),
    ({"a": {"b": 1}}, [patch("move", "", source="/a")], {"b": 1}),
    ({"a": {"b": 1}}, [patch("copy", "", source="/a")], {"b": 1}),
    ({"a": 1}, [patch("copy", "/b", source="")], {"a": 1, "b": {"a": 1}}),
    ({"a": 1}, [patch("move", "", source="")], {"a": 1}),
    # Names: empty, like an index, like the end of an array, escaped
    ({}, [patch("add", "/", 1)], {"": 1}),
    ({"a": {}}, [patch("add", "/a/", 1)], {"a": {"": 1}}),
    ({"a": {"": {"": 2}}}, [patch("replace", "/a//", 1)], {"a": {"": {"": 1}}}),
    ({}, [patch("add", "/0", 1), patch("add", "/01", 2), patch("add", "/-", 3)],
     {"0": 1, "01": 2, "-": 3}),
    ({"1e0": 1}, [patch("test", "/1e0", 1)], {"1e0": 1}),
    (NAMES, [patch("test", path, value) for path, value in zip(PATHS, NAMES.values(), strict=True)],
     NAMES),
    ({}, [patch("add", "/~01", 1), patch("add", "/~10", 2), patch("add", "/~00", 3)],
     {"~1": 1, "/0": 2, "~0": 3}),
    # Arrays
    ([], [patch("add", "/0", 1)], [1]),
    ([], [patch("add", "/-", 1), patch("add", "/-", 2)], [1, 2]),
    ([1], [patch("add", "/0", 0), patch("add", "/2", 2)], [0, 1, 2]),
    ([1, [2, [3]]], [patch("add", "/1/1/-", {"a": [4]})], [1, [2, [3, {"a": [4]}]]]),
    ([1, 2, 3, 4], [patch("remove", "/1"), patch("remove", "/2")], [1, 3]),
    ([1, 2], [patch("replace", "/1", [3, 4])], [1, [3, 4]]),
    ([1, 2, 3], [patch("move", "/0", source="/2")], [3, 1, 2]),
    ([1, 2, 3], [patch("move", "/2", source="/0")], [2, 3, 1]),
    ([1, 2, 3], [patch("move", "/-", source="/0")], [2, 3, 1]),
    ([1, 2], [patch("copy", "/-", source="/0"), patch("copy", "/0", source="/1")], [2, 1, 2, 1]),
    ([0] * 11, [patch("replace", "/10", 1)], [0] * 10 + [1]),
    # Null is a value; what is falsy is there.
    ({"a": None}, [patch("test", "/a", None), patch("move", "/b", source="/a")], {"b": None}),
    ({"a": None}, [patch("copy", "/b", source="/a"), patch("remove", "/a")], {"b": None}),
    ({"a": 1}, [patch("replace", "/a", None), patch("add", "/b", None)], {"a": None, "b": None}),
    (["", 0], [patch("replace", "/0", False), patch("replace", "/1", "")], [False, ""]),
    # An existing member is replaced by add, and whatever moves or is copied there.
    ({"a": None}, [patch("add", "/a", 1)], {"a": 1}),
    ({"a": 1, "b": 2}, [patch("move", "/b", source="/a")], {"b": 1}),
    ({"a": 1, "b": 2}, [patch("copy", "/b", source="/a")], {"a": 1, "b": 1}),
    ({"a": 1}, [patch("move", "/a", source="/a")], {"a": 1}),
    ({"a": {"b": {"c": 1}}}, [patch("move", "/a", source="/a/b")], {"a": {"c": 1}}),
    # A prefix of the text, but not of the path
    ({"a": 1, "ab": {}}, [patch("move", "/ab/c", source="/a")], {"ab": {"c": 1}}),
    # Members that an operation does not have mean nothing to it.
    ({"a": 1}, [patch("remove", "/a", 5, source=7)], {}),
    ({}, [patch("add", "/a", 1, source="not a pointer", OP="remove")], {"a": 1}),
    # A copy is another value: what becomes of one does not touch the other.
    ({"a": {"b": [1]}},
     [patch("add", "/a/b/-", 2), patch("copy", "/c", source="/a"), patch("add", "/a/b/-", 3),
      patch("add", "/c/b/-", 4), patch("remove", "/a/b/0")],
     {"a": {"b": [2, 3]}, "c": {"b": [1, 2, 4]}}),
    ({"a": [1]},
     [patch("add", "/a/-", 2), patch("copy", "", source=""), patch("copy", "/b", source="/a"),
      patch("move", "/c", source="/b"), patch("add", "/c/-", 3), patch("add", "/a/-", 4)],
     {"a": [1, 2, 4], "c": [1, 2, 3]}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "operations", "result"), CHANGES)
def test_a_patch_changes_a_document(document: Any, operations: Any, result: Any) -> None:
    before = json.dumps([document, operations])
    changed = apply_patch(document, operations)
    assert same(changed, result)
    assert json.dumps([document, operations]) == before


def test_a_value_of_the_patch_is_not_changed_by_what_comes_after_it() -> None:
    value = {"list": [1]}
    operations = [
        patch("add", "/a", value),
        patch("add", "/b", value),
        patch("add", "/a/list/-", 2),
    ]
    for _ in range(2):
        assert apply_patch({}, operations) == {"a": {"list": [1, 2]}, "b": {"list": [1]}}
    assert value == {"list": [1]}


# -- JSON Patch: equality --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (10**20, 1e20, True),
        (2**53 + 1, float(2**53), False),
        (0.1, 0.1, True),
        (True, True, True),
        (True, 1, False),
        (False, 0, False),
        (False, None, False),
        (0, None, False),
        (None, None, True),
        ("", None, False),
        ("1", 1, False),
        ("a", "A", False),
        ("\u00e9", "e\u0301", False),
        ([], {}, False),
        ([], None, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1, 2], [1, 2, 3], False),
        ([True], [1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"c": 2, "b": 1.0}]}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {}, False),
        ({"a": None}, {"b": None}, False),
        ({"0": 1}, [1], False),
    ],
)
def test_values_are_equal_as_json(one: Any, other: Any, equal: bool) -> None:
    for value, expected in ((one, other), (other, one)):
        assert same(value, expected) is equal
        if equal:
            assert apply_patch({"a": value}, [patch("test", "/a", expected)]) == {"a": value}
        else:
            with pytest.raises(PatchConflict, match="The test fails"):
                apply_patch({"a": value}, [patch("test", "/a", expected)])


# -- JSON Patch: what does not fit -----------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "operation", "path", "reason"),
    [
        # RFC 6902, appendix A.9, A.12, A.15
        ({"baz": "qux"}, patch("test", "/baz", "bar"), "/baz", "The test fails"),
        ({"foo": "bar"}, patch("add", "/baz/bat", "qux"), "/baz/bat", "There is no member 'baz'"),
        ({"/": 9, "~1": 10}, patch("test", "/~01", "10"), "/~01", "The test fails"),
        # A member that is not there
        ({"a": 1}, patch("remove", "/b"), "/b", "There is no member 'b'"),
        ({"a": 1}, patch("replace", "/b", 1), "/b", "There is no member 'b'"),
        ({"a": 1}, patch("test", "/b", None), "/b", "There is no member 'b'"),
        ({"a": 1}, patch("move", "/a", source="/b"), "/b", "There is no member 'b'"),
        ({"a": 1}, patch("copy", "/a", source="/b"), "/b", "There is no member 'b'"),
        ({"a": 1}, patch("move", "/b", source="/b"), "/b", "There is no member 'b'"),
        ({"a": 1}, patch("copy", "/b/c", source="/a"), "/b/c", "There is no member 'b'"),
        ({"a": {}}, patch("add", "/a/b/c", 1), "/a/b/c", "There is no member 'b'"),
        ({"b": 1}, patch("replace", "/a/b", 1), "/a/b", "There is no member 'a'"),
        ({}, patch("remove", "/" + "x" * 99), "/" + "x" * 99, "member '" + "x" * 50 + "'"),
        # An element that is not there, or no index
        ([1, 2], patch("add", "/3", 1), "/3", "No element can be added at '3'"),
        ([1, 2], patch("add", "/-1", 1), "/-1", "No element can be added at '-1'"),
        ([1, 2], patch("add", "/a", 1), "/a", "No element can be added at 'a'"),
        ([1, 2], patch("add", "/1e0", 1), "/1e0", "No element can be added"),
        ([1, 2], patch("add", "/01", 1), "/01", "No element can be added"),
        ([1, 2], patch("add", "/+1", 1), "/+1", "No element can be added"),
        ([1, 2], patch("add", "/", 1), "/", "No element can be added at ''"),
        ([1, 2], patch("add", "/" + "9" * 5000, 1), "/" + "9" * 5000, "No element can be added"),
        ([1, 2], patch("copy", "/5", source="/0"), "/5", "No element can be added"),
        ([1, 2], patch("remove", "/2"), "/2", "There is no element '2'"),
        ([1, 2], patch("remove", "/-"), "/-", "There is no element '-'"),
        ([1, 2], patch("replace", "/-", 1), "/-", "There is no element '-'"),
        ([1, 2], patch("test", "/00", 1), "/00", "There is no element '00'"),
        ([1, 2], patch("test", "/01", 2), "/01", "There is no element '01'"),
        ([1, 2], patch("test", "/1e0", 2), "/1e0", "There is no element '1e0'"),
        ([1, 2], patch("test", "/1.0", 2), "/1.0", "There is no element '1.0'"),
        ([1, 2], patch("test", "/ 1", 2), "/ 1", "There is no element ' 1'"),
        ([1, 2], patch("test", "/1\n", 2), "/1\n", "There is no element"),
        ([1, 2], patch("test", "/\u0661", 2), "/\u0661", "There is no element"),
        ([1, 2], patch("test", "/" + "9" * 5000, 2), "/" + "9" * 5000, "There is no element"),
        ([1, 2], patch("copy", "/-", source="/1e0"), "/1e0", "There is no element"),
        ([1, 2], patch("move", "/0", source="/-"), "/-", "There is no element '-'"),
        # When it is added the moved element is gone already.
        ([1, 2], patch("move", "/2", source="/0"), "/2", "No element can be added at '2'"),
        ({"a": [{}]}, patch("remove", "/a/1/b"), "/a/1/b", "There is no element '1'"),
        # Through or into what has no parts
        ({"a": 1}, patch("add", "/a/b", 1), "/a/b", "a value that has no parts"),
        ({"a": "bcd"}, patch("test", "/a/0", "b"), "/a/0", "a value that has no parts"),
        ({"a": None}, patch("remove", "/a/b"), "/a/b", "a value that has no parts"),
        ({"a": True}, patch("replace", "/a/b/c", 1), "/a/b/c", "a value that has no parts"),
        ("text", patch("add", "/0", 1), "/0", "a value that has no parts"),
    ],
)
def test_a_patch_that_does_not_fit_names_the_operation_and_the_path(
    document: Any, operation: Any, path: str, reason: str
) -> None:
    operations = [patch("test", "", document), operation, patch("remove", "/never")]
    with pytest.raises(PatchConflict) as caught:
        apply_patch(document, operations)
    assert (caught.value.index, caught.value.path) == (1, path)
    assert str(caught.value) == f"Operation 1 at {path[:100]!r}: {caught.value.reason}"
    assert reason in caught.value.reason


def test_a_patch_is_applied_whole_or_not_at_all() -> None:
    document = {"a": [1]}
    with pytest.raises(PatchConflict):
        apply_patch(document, [patch("add", "/a/-", 2), patch("test", "/a/0", 2)])
    assert document == {"a": [1]}


# -- JSON Patch: what is none ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "path", "reason"),
    [
        ("add", None, "An operation is an object."),
        (None, None, "An operation is an object."),
        ([], None, "An operation is an object."),
        ({}, None, 'The member "path" must be a JSON Pointer.'),
        ({"op": "remove"}, None, 'The member "path" must be a JSON Pointer.'),
        ({"op": "remove", "path": None}, None, 'The member "path" must be'),
        ({"op": "remove", "path": ["a"]}, None, 'The member "path" must be'),
        ({"op": "remove", "path": 0}, None, 'The member "path" must be'),
        ({"path": "/a"}, "/a", 'The member "op" must be one of add, remove, replace, move, copy,'),
        (patch("spam", "/a"), "/a", 'The member "op" must be one of'),
        (patch("Add", "/a", 1), "/a", 'The member "op" must be one of'),
        (patch(None, "/a"), "/a", 'The member "op" must be one of'),  # type: ignore[arg-type]
        (patch(["add"], "/a", 1), "/a", 'The member "op" must be one of'),  # type: ignore[arg-type]
        # A pointer that is none
        (patch("remove", "a"), "a", "A JSON Pointer is empty or begins with a slash."),
        (patch("remove", "a/b"), "a/b", "A JSON Pointer is empty or begins"),
        (patch("remove", "#/a"), "#/a", "A JSON Pointer is empty or begins"),
        (patch("remove", "/a~"), "/a~", "~ is written ~0"),
        (patch("remove", "/a~2"), "/a~2", "~ is written ~0"),
        (patch("remove", "/~/a"), "/~/a", "~ is written ~0"),
        (patch("move", "/a", source="b"), "b", "A JSON Pointer is empty or begins"),
        (patch("copy", "/a", source="/~"), "/~", "~ is written ~0"),
        # A member that is missing
        (patch("add", "/a"), "/a", 'The member "value" is missing.'),
        (patch("replace", "/a"), "/a", 'The member "value" is missing.'),
        (patch("test", "/a"), "/a", 'The member "value" is missing.'),
        (patch("move", "/b"), None, 'The member "from" must be a JSON Pointer.'),
        (patch("copy", "/b", "/a"), None, 'The member "from" must be a JSON Pointer.'),
        (patch("move", "/b", source=None), None, 'The member "from" must be'),
        # RFC 6902 section 4.4
        (patch("move", "/a/b", source="/a"), "/a/b", "A value cannot be moved into itself."),
        (patch("move", "/a/b/c", source="/a"), "/a/b/c", "cannot be moved into itself"),
        (patch("move", "/a/~1", source="/a"), "/a/~1", "cannot be moved into itself"),
        (patch("move", "/a", source=""), "/a", "cannot be moved into itself"),
        (patch("remove", ""), "", "The whole document cannot be removed."),
    ],
)
def test_what_is_no_patch_is_refused_before_anything_is_tried(
    operation: Any, path: str | None, reason: str
) -> None:
    with pytest.raises(PatchError) as caught:
        # The first operation does not fit, but a broken patch is one for every document.
        apply_patch({}, [patch("remove", "/never"), operation])
    assert (caught.value.index, caught.value.path) == (1, path)
    assert reason in str(caught.value)


@pytest.mark.parametrize("operations", [{}, {"op": "remove", "path": "/a"}, None, "[]", 1, ()])
def test_a_patch_is_an_array(operations: Any) -> None:
    with pytest.raises(PatchError, match=r"^The patch: A JSON Patch is an array") as caught:
        apply_patch({}, operations)
    assert (caught.value.index, caught.value.path) == (None, None)


@pytest.mark.parametrize(
    ("pointer", "names"),
    [
        ("", ()),
        ("/", ("",)),
        ("//", ("", "")),
        ("/foo/0", ("foo", "0")),
        ("/a~1b/m~0n", ("a/b", "m~n")),
        ("/~01/~10/~0~1", ("~1", "/0", "~/")),
        ("/ /\u00e9/%20", (" ", "\u00e9", "%20")),
    ],
)
def test_a_pointer_is_split_into_names(pointer: str, names: tuple[str, ...]) -> None:
    assert read_pointer(pointer) == names


# -- JSON Patch: limits ----------------------------------------------------------------------


def test_the_number_of_operations_is_limited() -> None:
    operations = [patch("add", "/-", 1)] * MAX_OPERATIONS
    assert apply_patch([], operations) == [1] * MAX_OPERATIONS
    with pytest.raises(PatchError, match="more than 1000 operations"):
        apply_patch([], [*operations, patch("add", "/-", 1)])


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"a": [1]}, patch("copy", "/a/-", source="/a")),
        ({"a": ["x" * 1000]}, patch("copy", "/a/-", source="/a")),
        ({"a": "x" * 10_000, "b": []}, patch("copy", "/b/-", source="/a")),
        ({"a": {"x" * 10_000: 0}, "b": []}, patch("copy", "/b/-", source="/a")),
        ({"a": 2**14_000, "b": []}, patch("copy", "/b/-", source="/a")),
        ({"a": [None] * 10_000, "b": []}, patch("copy", "/b/-", source="/a")),
    ],
)
def test_copying_does_not_fill_the_memory(document: Any, operation: Any) -> None:
    with pytest.raises(PatchError, match="The patch copies more than 1048576") as caught:
        apply_patch(document, [operation] * MAX_OPERATIONS)
    assert caught.value.path == operation["path"]
    # As long as it is within the limit, it is done.
    operations = [operation] * caught.value.index  # type: ignore[operator]
    assert len(json.dumps(apply_patch(document, operations))) < 2 * MAX_COPIED


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("operation", "fits"),
    [
        (patch("add", "/a", nested(MAX_DEPTH - 1)), True),
        (patch("add", "/a", nested(MAX_DEPTH)), False),
        (patch("add", "", nested(MAX_DEPTH)), True),
        (patch("add", "", nested(MAX_DEPTH + 1)), False),
        (patch("replace", "/deep", {"a": nested(MAX_DEPTH - 2)}), True),
        (patch("replace", "/deep", {"a": nested(MAX_DEPTH - 1)}), False),
        (patch("copy", "/b/0", source="/deep"), True),
        (patch("copy", "/b/0/0", source="/deep"), False),
        (patch("move", "/b/0", source="/deep"), True),
        (patch("move", "/b/0/0", source="/deep"), False),
    ],
)
def test_no_document_gets_deeper_than_can_be_read_again(operation: Any, fits: bool) -> None:
    document = {"deep": nested(MAX_DEPTH - 2), "b": [[]]}
    if fits:
        assert apply_patch(document, [operation]) != document
        return
    with pytest.raises(PatchError, match="This makes more than 64 levels") as caught:
        apply_patch(document, [operation])
    assert (caught.value.index, caught.value.path) == (0, operation["path"])


def test_a_document_that_is_too_deep_already_can_still_be_changed() -> None:
    document = {"deep": nested(5000), "a": 1}
    operations = [
        patch("replace", "/a", 2),
        patch("move", "/other", source="/deep"),
        patch("move", "/other", source="/other"),
    ]
    assert apply_patch(document, operations)["a"] == 2
    with pytest.raises(PatchError, match="more than 64 levels"):
        apply_patch(document, [patch("copy", "/other", source="/deep")])


def test_a_large_document_is_changed_a_thousand_times_at_once() -> None:
    """What is on the way to a change is copied once, and not for each operation."""
    document = {"list": list(range(300_000))}
    operations = [patch("add", "/list/-", 0), patch("move", "/list/0", source="/list/1")] * 500
    changed = apply_patch(document, operations)
    assert len(changed["list"]) == 300_500
    assert len(document["list"]) == 300_000


# -- laws ------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NAMES_OF_MEMBERS = st.text(st.sampled_from("ab~/01-"), max_size=3)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES_OF_MEMBERS, inner),
    max_leaves=20,
)


def pointer_of(names: tuple[str, ...]) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def places(value: Any, names: tuple[str, ...] = ()) -> list[tuple[str, Any]]:
    """Every pointer into a document, and the value there."""
    found = [(pointer_of(names), value)]
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    for name, item in parts:
        found += places(item, (*names, str(name)))
    return found


@given(st.lists(st.text()))
def test_a_pointer_reads_back_as_the_names_it_was_made_of(names: list[str]) -> None:
    assert read_pointer(pointer_of(tuple(names))) == tuple(names)


@given(DOCUMENTS)
def test_every_part_of_a_document_passes_its_test(document: Any) -> None:
    operations = [patch("test", path, deepcopy(value)) for path, value in places(document)]
    assert apply_patch(document, operations) == document


@given(st.dictionaries(NAMES_OF_MEMBERS, DOCUMENTS) | st.lists(DOCUMENTS), DOCUMENTS, st.data())
def test_to_add_and_then_remove_changes_nothing(document: Any, value: Any, data: Any) -> None:
    holders = [(path, part) for path, part in places(document) if isinstance(part, dict | list)]
    path, part = data.draw(st.sampled_from(holders))
    if isinstance(part, list):
        path += f"/{data.draw(st.integers(0, len(part)))}"
    else:
        name = data.draw(NAMES_OF_MEMBERS.filter(lambda name: name not in part))
        path += pointer_of((name,))
    added = apply_patch(document, [patch("add", path, value), patch("test", path, value)])
    assert added != document
    assert apply_patch(added, [patch("remove", path)]) == document


@given(st.lists(DOCUMENTS, min_size=1), st.data())
def test_to_move_is_to_remove_and_add_again(document: Any, data: Any) -> None:
    indexes = st.integers(0, len(document) - 1)
    source, path = f"/{data.draw(indexes)}", f"/{data.draw(indexes)}"
    value = document[int(source[1:])]
    moved = apply_patch(document, [patch("move", path, source=source)])
    assert moved == apply_patch(document, [patch("remove", source), patch("add", path, value)])
    assert apply_patch(moved, [patch("move", source, source=path)]) == document


OPERATIONS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": st.lists(st.sampled_from(["a", "b", "0", "1", "-", ""]), max_size=3).map(
            lambda names: pointer_of(tuple(names))
        ),
        "from": st.sampled_from(["", "/a", "/b", "/0", "/a/b", "/a/0", "x"]),
        "value": DOCUMENTS,
    }
)


REFUSED = object()


def outcome(document: Any, operations: Any) -> Any:
    try:
        return apply_patch(document, operations)
    except (PatchError, PatchConflict):
        return REFUSED


@given(
    st.dictionaries(st.sampled_from("ab0"), DOCUMENTS) | st.lists(DOCUMENTS),
    st.lists(OPERATIONS, max_size=5),
)
def test_whatever_happens_nothing_that_went_in_is_changed(document: Any, operations: Any) -> None:
    before = json.dumps([document, operations])
    result = outcome(document, operations)
    assert json.dumps([document, operations]) == before
    if result is not REFUSED:
        # One after the other is the same as all at once.
        for operation in operations:
            document = apply_patch(document, [operation])
        assert same(result, document)


@given(st.recursive(st.none() | st.integers(), lambda x: st.dictionaries(st.text(), x)))
def test_merging_a_patch_twice_is_merging_it_once(patch: Any) -> None:
    once = merge({"a": {"b": 1}}, patch)
    assert merge(once, patch) == once
