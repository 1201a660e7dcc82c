"""The architecture: which module may import which, and what each import loads.

The first half reads the source and takes in imports inside functions.
The second imports each module in a fresh interpreter, which also sees what others load for it.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

# module -> the modules of ours that it may import. ".*" stands for a package and all in it.
OURS: dict[str, set[str]] = {
    "wsgikit": set(),
    "wsgikit.__main__": {"wsgikit.cli"},
    "wsgikit.cli": {"wsgikit.scaffold", "wsgikit.server"},
    "wsgikit.collection": {"wsgikit.media"},
    "wsgikit.deferred": set(),
    "wsgikit.dispatcher": {"wsgikit.uri"},
    "wsgikit.events": set(),
    "wsgikit.home": {"wsgikit.uri", "wsgikit.media"},
    "wsgikit.media": set(),
    "wsgikit.media.atom": {"wsgikit.media"},
    "wsgikit.media.csv": {"wsgikit.media"},
    "wsgikit.media.forms": {"wsgikit.media"},
    "wsgikit.media.html": {"wsgikit.media.html.*", "wsgikit.media", "wsgikit.media.forms"},
    "wsgikit.media.json": {"wsgikit.media"},
    "wsgikit.media.ndjson": {"wsgikit.media", "wsgikit.media.json"},
    "wsgikit.model": {"wsgikit.model.*", "wsgikit.query"},
    "wsgikit.model_collection": {
        "wsgikit.collection",
        "wsgikit.media",
        "wsgikit.model.*",
        "wsgikit.model_collection.*",
        "wsgikit.query",
    },
    "wsgikit.openapi": {"wsgikit.openapi.*", "wsgikit.uri", "wsgikit.media"},
    "wsgikit.query": set(),
    "wsgikit.reflect": {
        "wsgikit.dispatcher",
        "wsgikit.home",
        "wsgikit.media.*",
        "wsgikit.model_collection",
        "wsgikit.openapi",
        "wsgikit.sql",
    },
    "wsgikit.scaffold": set(),
    "wsgikit.security": set(),
    "wsgikit.server": set(),
    "wsgikit.sql": {"wsgikit.sql.*", "wsgikit.model.*", "wsgikit.query"},
    "wsgikit.static": set(),
    "wsgikit.uri": set(),
    "wsgikit.views": {"wsgikit.media"},
}

# The parts of these packages may import what the package may.
PARTS = {
    "wsgikit.media.html",
    "wsgikit.model",
    "wsgikit.model_collection",
    "wsgikit.openapi",
    "wsgikit.sql",
}

# The command line imports what a command needs when that command runs: `--help` stays instant.
MAY_DELAY = {"wsgikit.cli"}

# package -> the modules that may import it. What is not listed, nobody may.
THEIRS: dict[str, set[str]] = {
    "babel": {"wsgikit.media.html.*"},
    "genshi": {"wsgikit.media.html.*"},
    "msgspec": {"wsgikit.media.json"},
    "multipart": {"wsgikit.media.forms"},
    "sqlalchemy": {"wsgikit.sql.*"},
    "uritemplate": {"wsgikit.uri"},
    "webob": {
        "wsgikit.collection",
        "wsgikit.deferred",
        "wsgikit.dispatcher",
        "wsgikit.events",
        "wsgikit.home",
        "wsgikit.media.*",
        "wsgikit.model_collection.*",
        "wsgikit.openapi",
        "wsgikit.reflect",
        "wsgikit.security",
        "wsgikit.views",
    },
    "werkzeug": {"wsgikit.server"},
}

# What a user who takes one piece may rely on: it does not load these.
SPARED = [
    ("import wsgikit", {*THEIRS, *OURS} - {"wsgikit"}),
    ("from wsgikit.uri import URIPattern", {"webob", "sqlalchemy", "genshi"}),
    ("from wsgikit.dispatcher import Dispatcher", {"sqlalchemy", "genshi"}),
    ("from wsgikit.collection import Collection", {"sqlalchemy", "genshi"}),
    ("from wsgikit.sql import TableModel", {"webob", "genshi"}),
    ("from wsgikit.cli import main", set(THEIRS)),
]


def source_files() -> Iterator[tuple[str, Path]]:
    """Each module of the package that the tests run against, installed or not."""
    spec = find_spec("wsgikit")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(source_files())
# What is no format is a part of the package that the formats share.
SHARED = {"answers", "bodies", "kinds", "negotiation", "problems", "rows", "values"}
OURS["wsgikit.media"] = {f"wsgikit.media.{name}" for name in SHARED}
OURS.update(dict.fromkeys(OURS["wsgikit.media"], OURS["wsgikit.media"]))
OURS.update({name: OURS[whole] for name in MODULES if (whole := name.rpartition(".")[0]) in PARTS})


def is_part(module: str) -> bool:
    """Whether a module belongs to a package whose names are the package's."""
    return module.rpartition(".")[0] in PARTS or module in OURS["wsgikit.media"]


def covered(module: str, allowed: set[str]) -> bool:
    """Whether a set of names, some of which end in ".*", holds a module."""
    packages = [name.removesuffix(".*") for name in allowed if name.endswith(".*")]
    return module in allowed or any(f"{module}.".startswith(f"{name}.") for name in packages)


def imports(module: str) -> Iterator[tuple[ast.stmt, str, bool]]:
    """Each import statement in a module: its node, what it imports, whether inside a function."""
    tree = ast.parse(MODULES[module].read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    delayed = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, functions)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name, id(node) in delayed
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            # `from wsgikit.media import json` imports the module wsgikit.media.json.
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node, full if full in MODULES else str(node.module), id(node) in delayed


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    assert module in OURS, f"{module} is not in the table of this test"
    wrong = []
    for node, imported, delayed in imports(module):
        root = imported.partition(".")[0]
        if root in sys.stdlib_module_names or (delayed and module in MAY_DELAY):
            continue
        if imported == "wsgikit":  # for its version: it is loaded anyway
            continue
        if root == "wsgikit":
            right = covered(imported, OURS[module])
        else:
            right = covered(module, THEIRS.get(root, set()))
        if not right:
            wrong.append(f"line {node.lineno}: {imported}")
    assert not wrong, f"{module} must not import: {wrong}"


@pytest.mark.parametrize("module", MODULES)
def test_an_import_inside_a_function_has_its_reason_beside_it(module: str) -> None:
    lines = MODULES[module].read_text().splitlines()
    bare = []
    for node, imported, delayed in imports(module):
        # One comment serves for the imports that stand together.
        start = node.lineno - 1
        while not lines[start - 1] or lines[start - 1].lstrip().startswith(("import ", "from ")):
            start -= 1
        if delayed and not any("#" in line for line in lines[start - 1 : node.end_lineno]):
            bare.append(f"line {node.lineno}: {imported}")
    assert not bare, f"{module}: a comment says why these are not at the top: {bare}"


def loaded_by(statement: str) -> set[str]:
    """What a fresh interpreter has loaded after a statement: our modules, others' packages."""
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    run = [sys.executable, "-W", "ignore", "-c", code]
    names = json.loads(subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout)
    return {name for name in names if name in OURS} | {name.partition(".")[0] for name in names}


def reachable(module: str) -> set[str]:
    """What a module imports, what those import, and so on; and the packages they are in."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for other in OURS if covered(other, OURS[name])]
            waiting += [name.rpartition(".")[0]] if "." in name else []
    return found


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"wsgikit.__main__"}))
def test_importing_a_module_loads_only_what_the_table_leads_to(module: str) -> None:
    ours = reachable(module)
    theirs = {package for package, users in THEIRS.items() if any(covered(m, users) for m in ours)}
    loaded = loaded_by(f"import {module}") & {*OURS, *THEIRS}
    assert loaded <= ours | theirs


@pytest.mark.parametrize(("statement", "spared"), SPARED)
def test_a_piece_taken_alone_does_not_load_the_rest(statement: str, spared: set[str]) -> None:
    assert not loaded_by(statement) & spared
