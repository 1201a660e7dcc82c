"""Change a JSON document: merge patches (RFC 7396) and JSON Patch (RFC 6902).

Use the functions alone, on anything that `json.loads()` gives::

    from wsgikit.model_collection.patches import apply_patch, merge

    assert merge({"a": 1, "b": 2}, {"a": None, "c": 3}) == {"b": 2, "c": 3}
    operations = [
        {"op": "test", "path": "/tags/0", "value": "old"},
        {"op": "replace", "path": "/tags/0", "value": "new"},
    ]
    assert apply_patch({"tags": ["old"]}, operations) == {"tags": ["new"]}

Both are pure: a new document comes back, and nothing that went in is changed (though the result
may share parts with it).  Of a JSON Patch all operations are done, or none.

`PatchError` says that the patch itself is wrong (400), `PatchConflict` that it does not fit this
document (409): a path leads nowhere, or a `test` fails.  Each names the operation and the path.

There are packages for JSON Patch; this is about a hundred lines of our own, for three reasons.
Types are exact: `true` is not 1, and "01" is no index of an array, which Python's `==` and `int()`
would let pass.  What a patch may cost is bounded: a few hundred bytes of `copy` operations that
double the document each time would fill any memory.  And what is wrong with the patch is told
apart from what it does not fit.

No environ key is read or written here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

#: Operations of a patch.
MAX_OPERATIONS = 1000
#: Arrays and objects within one another: what `wsgikit.media.json` reads, so that what a patch
#: has made can be sent back.
MAX_DEPTH = 64
#: Characters of JSON, roughly, that all operations of a patch together may copy, or move further
#: down: what fits into a body (1 MiB).
MAX_COPIED = 2**20

#: RFC 6901 section 4, without leading zeros; no array has 10**18 elements.
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_BAD_ESCAPE = re.compile(r"~(?![01])")
_NO_PARTS = "On the way is a value that has no parts."


class _Fault(ValueError):
    """What is wrong with an operation.

    Attributes:
        reason: One sentence.
        index: Which operation it is, counted from 0; `None` if it is the patch as a whole.
        path: The pointer at fault: the operation's `path` or `from`; `None` if it has none.
    """

    def __init__(self, reason: str, index: int | None = None, path: str | None = None) -> None:
        self.reason, self.index, self.path = reason, index, path
        place = "The patch" if index is None else f"Operation {index}"
        if path is not None:
            place += f" at {path[:100]!r}"
        super().__init__(f"{place}: {reason}")


class PatchError(_Fault):
    """This is no JSON Patch, or one beyond the limits."""


class PatchConflict(_Fault):
    """The patch does not fit the document that it is applied to."""


def merge(target: Any, patch: Any) -> Any:
    """Merge a patch into a JSON value (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def apply_patch(document: Any, operations: Any) -> Any:
    """Apply a JSON Patch: all of it, or none (RFC 6902; RFC 5789 section 2).

    Args:
        document: Any JSON value.
        operations: The JSON Patch as it was parsed: a list of objects.

    Returns:
        The changed document.

    Raises:
        PatchError: If *operations* are none, or ask for more than the limits of this module.
        PatchConflict: If one of them does not fit.
    """
    if not isinstance(operations, list):
        raise PatchError("A JSON Patch is an array of operations.")
    if len(operations) > MAX_OPERATIONS:
        raise PatchError(f"It has more than {MAX_OPERATIONS} operations.")
    # Read to the end before the first is done: a broken patch is one whatever the document.
    patched = _Patched(document)
    for operation in [_read(index, given) for index, given in enumerate(operations)]:
        try:
            _OPERATIONS[operation.name].apply(patched, operation)
        except _Fault as fault:
            raise type(fault)(fault.reason, operation.index, fault.path) from None
    return patched.root


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal (RFC 6902 section 4.6).

    Numbers are by what they count (1 is 1.0), objects whatever their order; `true` is no number.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def read_pointer(text: str) -> tuple[str, ...]:
    """Split a JSON Pointer (RFC 6901) into the names and indexes on the way.

    Raises:
        ValueError: If it is none.
    """
    if not text:
        return ()
    if text[0] != "/":
        raise ValueError("A JSON Pointer is empty or begins with a slash.")
    if _BAD_ESCAPE.search(text):
        raise ValueError("In a JSON Pointer ~ is written ~0, and / within a name ~1.")
    # In this order: ~01 is ~1, and no slash (section 4).
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text[1:].split("/"))


# -- reading a patch ------------------------------------------------------------------------------


class _Pointer(NamedTuple):
    text: str
    names: tuple[str, ...]


_ROOT = _Pointer("", ())


@dataclass(frozen=True, slots=True)
class _Operation:
    index: int
    name: str
    path: _Pointer
    source: _Pointer = _ROOT
    value: Any = None


class _Kind(NamedTuple):
    """What an operation needs besides a path, and what it does."""

    member: str | None
    apply: Callable[["_Patched", _Operation], object]


def _read(index: int, given: Any) -> _Operation:
    """Check one operation; members that mean nothing are ignored (RFC 6902 section 4)."""
    if not isinstance(given, dict):
        raise PatchError("An operation is an object.", index)
    path = _read_pointer(index, given, "path")
    name = given.get("op")
    if not isinstance(name, str) or name not in _OPERATIONS:
        known = ", ".join(_OPERATIONS)
        raise PatchError(f'The member "op" must be one of {known}.', index, path.text)
    member = _OPERATIONS[name].member
    if member == "from":
        source = _read_pointer(index, given, "from")
        if name == "move" and _is_within(path, source):
            raise PatchError("A value cannot be moved into itself.", index, path.text)
        return _Operation(index, name, path, source)
    if member == "value" and "value" not in given:
        raise PatchError('The member "value" is missing.', index, path.text)
    if name == "remove" and not path.names:
        raise PatchError("The whole document cannot be removed.", index, path.text)
    return _Operation(index, name, path, value=given.get("value"))


def _read_pointer(index: int, given: Mapping[str, Any], member: str) -> _Pointer:
    text = given.get(member)
    if not isinstance(text, str):
        raise PatchError(f'The member "{member}" must be a JSON Pointer.', index)
    try:
        return _Pointer(text, read_pointer(text))
    except ValueError as error:
        raise PatchError(str(error), index, text) from None


def _is_within(path: _Pointer, source: _Pointer) -> bool:
    """Whether a proper prefix of a path is the source (RFC 6902 section 4.4)."""
    length = len(source.names)
    return length < len(path.names) and path.names[:length] == source.names


# -- applying it ----------------------------------------------------------------------------------


class _Patched:
    """A document while it is changed.

    What is on the way to a change is copied first, once, and everything else is shared.  So to
    copy a value takes no room here, but it does in whatever the document is written to.
    """

    def __init__(self, root: Any) -> None:
        self.root = root
        self._room = MAX_COPIED
        #: Arrays and objects that were made here, and stand in one place only, by their `id()`.
        self._own: dict[int, Any] = {}

    def get(self, pointer: _Pointer) -> Any:
        value = self.root
        for name in pointer.names:
            value = value[_step(value, name, pointer)]
        return value

    def add(self, pointer: _Pointer, value: Any) -> None:
        if not pointer.names:
            self.root = value
            return
        parent, name = self._open(pointer)
        if isinstance(parent, list):
            parent.insert(_place(parent, name, pointer), value)
        else:
            parent[name] = value

    def replace(self, pointer: _Pointer, value: Any) -> None:
        if not pointer.names:
            self.root = value
            return
        parent, name = self._open(pointer)
        parent[_step(parent, name, pointer)] = value

    def remove(self, pointer: _Pointer) -> Any:
        parent, name = self._open(pointer)
        return parent.pop(_step(parent, name, pointer))

    def charge(self, pointer: _Pointer, value: Any) -> None:
        """Count a value that is going to stand at another place, perhaps as well."""
        for part in _parts(value, pointer):
            self._own.pop(id(part), None)
            self._room -= _weight(part)
            if self._room < 0:
                reason = f"The patch copies more than {MAX_COPIED} characters."
                raise PatchError(reason, path=pointer.text)

    def _open(self, pointer: _Pointer) -> tuple[Any, str]:
        """Give what holds a place, as our own, and the last name of the pointer."""
        self.root = parent = self._owned(self.root, pointer)
        for name in pointer.names[:-1]:
            step = _step(parent, name, pointer)
            child = self._owned(parent[step], pointer)
            parent[step] = child
            parent = child
        return parent, pointer.names[-1]

    def _owned(self, value: Any, pointer: _Pointer) -> Any:
        if id(value) in self._own:
            return value
        if not isinstance(value, dict | list):
            raise PatchConflict(_NO_PARTS, path=pointer.text)
        made = dict(value) if isinstance(value, dict) else list(value)
        self._own[id(made)] = made
        return made


def _step(parent: Any, name: str, pointer: _Pointer) -> str | int:
    """Give the key or index of a part that is there."""
    if isinstance(parent, dict):
        if name in parent:
            return name
        raise PatchConflict(f"There is no member {name[:50]!r}.", path=pointer.text)
    if isinstance(parent, list):
        if _INDEX.fullmatch(name) and int(name) < len(parent):
            return int(name)
        raise PatchConflict(f"There is no element {name[:50]!r}.", path=pointer.text)
    raise PatchConflict(_NO_PARTS, path=pointer.text)


def _place(parent: Sequence[Any], name: str, pointer: _Pointer) -> int:
    """Give the index at which an element is to be inserted; `-` is behind the last."""
    if name == "-":
        return len(parent)
    if _INDEX.fullmatch(name) and int(name) <= len(parent):
        return int(name)
    raise PatchConflict(f"No element can be added at {name[:50]!r}.", path=pointer.text)


def _parts(value: Any, pointer: _Pointer) -> Iterator[Any]:
    """Give a value and all that it is made of.

    Raises:
        PatchError: If it is too deep to stand at this place.
    """
    waiting = [(value, MAX_DEPTH - len(pointer.names))]
    while waiting:
        value, levels = waiting.pop()
        yield value
        if isinstance(value, dict | list):
            if levels <= 0:
                reason = f"This makes more than {MAX_DEPTH} levels."
                raise PatchError(reason, path=pointer.text)
            items = value.values() if isinstance(value, dict) else value
            waiting += [(item, levels - 1) for item in items]


def _check_depth(value: Any, pointer: _Pointer) -> None:
    for _ in _parts(value, pointer):
        pass


def _weight(value: Any) -> int:
    """Estimate the length of the JSON of a value without its parts, but with their names."""
    if isinstance(value, dict):
        return len("{},") + sum(len(name) + len('"":') for name in value)
    if isinstance(value, str):
        return len('"",') + len(value)
    if isinstance(value, int):
        return len("false,") + value.bit_length() // 3
    return len("null,")


# -- the operations (RFC 6902 section 4) ----------------------------------------------------------


def _add(patched: _Patched, operation: _Operation) -> None:
    _check_depth(operation.value, operation.path)
    patched.add(operation.path, operation.value)


def _replace(patched: _Patched, operation: _Operation) -> None:
    _check_depth(operation.value, operation.path)
    patched.replace(operation.path, operation.value)


def _remove(patched: _Patched, operation: _Operation) -> None:
    patched.remove(operation.path)


def _move(patched: _Patched, operation: _Operation) -> None:
    value = patched.get(operation.source)
    if operation.path == operation.source:
        return
    patched.remove(operation.source)
    # Where it stood it was not too deep.
    if len(operation.path.names) > len(operation.source.names):
        patched.charge(operation.path, value)
    patched.add(operation.path, value)


def _copy(patched: _Patched, operation: _Operation) -> None:
    value = patched.get(operation.source)
    patched.charge(operation.path, value)
    patched.add(operation.path, value)


def _test(patched: _Patched, operation: _Operation) -> None:
    if not same(patched.get(operation.path), operation.value):
        raise PatchConflict("The test fails: another value is there.", path=operation.path.text)


_OPERATIONS: Mapping[str, _Kind] = {
    "add": _Kind("value", _add),
    "remove": _Kind(None, _remove),
    "replace": _Kind("value", _replace),
    "move": _Kind("from", _move),
    "copy": _Kind("from", _copy),
    "test": _Kind("value", _test),
}
