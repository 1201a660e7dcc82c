"""The files of a new project, of a view and of a model view.

Use it alone to make projects from a program; the ``wsgikit`` command is a thin shell over
these three functions.

    import tempfile
    from wsgikit.scaffold import add_model_view, create_project

    with tempfile.TemporaryDirectory() as directory:
        created = create_project("shop", directory)
        assert created[0].name == "dispatcher.py"
        add_model_view("orders", directory=f"{directory}/shop")
        again = add_model_view("orders", directory=f"{directory}/shop")
        assert again == [] and len(again.existed) == 6

A file that exists is never written to.  The skeletons are `string.Template` texts in
``wsgikit/skeletons``, kept short, since people learn from them.  Nothing here knows WSGI.
"""

import keyword
import re
import sys
import unicodedata
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template

#: Where each file of a project comes from is its own path in ``skeletons/project``.
_PROJECT = (
    "dispatcher.py",
    "dbconfig.py",
    "README.md",
    ".gitignore",
    "views/__init__.py",
    "models/__init__.py",
    "tests/__init__.py",
    "tests/test_app.py",
    "logs/.gitignore",
)

#: File -> skeleton, for each kind of media type.
_VIEW = {
    "html": {
        "views/$name.py": "view/html.py",
        "templates/$name/list.html": "view/list.html",
        "templates/$name/retrieve.html": "view/retrieve.html",
    },
    "json": {"views/$name.py": "view/json.py"},
}
_VIEW["html,json"] = {**_VIEW["html"], "views/$name.py": "view/html_json.py"}

_MODEL_VIEW = {
    "html": {
        "views/$name.py": "modelview/html.py",
        "models/$name.py": "modelview/model.py",
        "templates/$name/list.html": "modelview/list.html",
        "templates/$name/retrieve.html": "modelview/retrieve.html",
        "templates/$name/get_edit_form.html": "modelview/get_edit_form.html",
        "templates/$name/get_new_form.html": "modelview/get_new_form.html",
    },
    "json": {
        "views/$name.py": "modelview/json.py",
        "models/$name.py": "modelview/model.py",
    },
}
_MODEL_VIEW["html,json"] = {**_MODEL_VIEW["html"], "views/$name.py": "modelview/html_json.py"}


class ScaffoldError(ValueError):
    """A name that cannot be used, or a place where nothing can be added."""


class Created(list[Path]):
    """The paths that were created, in order; `existed` holds those that were there already."""

    def __init__(self) -> None:
        self.existed: list[Path] = []


def create_project(name: str, directory: str | Path = ".") -> Created:
    """Create a project in a new directory.

    Args:
        name: The name of the directory: a Python identifier.
        directory: Where to create it.

    Returns:
        The created paths; those that existed are in `Created.existed`.

    Raises:
        ScaffoldError: If the name cannot be used.
        OSError: If a file cannot be written.
    """
    _check_name(name)
    if name in sys.stdlib_module_names or name == "wsgikit":
        raise ScaffoldError(f"{name!r} is the name of a Python module: choose another")
    project = Path(directory, name)
    if project.exists() and not project.is_dir():
        raise ScaffoldError(f"{project} is a file")
    created = _write(project, {file: f"project/{file}" for file in _PROJECT}, name)
    templates = project / "templates"
    (created.existed if templates.exists() else created).append(templates)
    templates.mkdir(exist_ok=True)
    return created


def add_view(name: str, type: str = "html", *, directory: str | Path = ".") -> Created:
    """Add a view to a project: a collection to be written by hand.

    Args:
        name: The view's name, which is its URL and its module's name.
        type: The media type of its answers: ``html``, ``json``, or ``html,json`` for both.
        directory: The project.

    Returns:
        The created paths; those that existed are in `Created.existed`.

    Raises:
        ScaffoldError: If the name or the type cannot be used, or *directory* has no
            ``dispatcher.py``.
        OSError: If a file cannot be written.
    """
    return _add(_VIEW, name, type, directory, needed=["dispatcher.py"])


def add_model_view(name: str, type: str = "html", *, directory: str | Path = ".") -> Created:
    """Add a table to a project, and the view that serves it.

    Arguments, result and errors are those of `add_view`; the project needs a
    ``dbconfig.py`` as well.
    """
    return _add(_MODEL_VIEW, name, type, directory, needed=["dispatcher.py", "dbconfig.py"])


def _add(
    kinds: dict[str, dict[str, str]],
    name: str,
    type: str,
    directory: str | Path,
    needed: Iterable[str],
) -> Created:
    _check_name(name)
    skeletons = kinds.get(",".join(sorted(type.split(","))))
    if skeletons is None:
        raise ScaffoldError(f"unknown type {type!r}: give {', '.join(kinds)}")
    for file in needed:
        if not Path(directory, file).is_file():
            raise ScaffoldError(f"not in a project's directory: there is no {file} in it")
    return _write(Path(directory), skeletons, name)


def _check_name(name: str) -> None:
    """Refuse what cannot be a module's name, a word in a URL and a name in Python."""
    if not name.isidentifier() or name != unicodedata.normalize("NFKC", name):
        better = re.sub(r"\W+", "_", name).strip("_")
        hint = f", such as {better}" if better.isidentifier() else ""
        raise ScaffoldError(
            f"{name!r} cannot be a name: give one of letters, digits and underscores{hint}"
        )
    if keyword.iskeyword(name):
        raise ScaffoldError(f"{name!r} is a word of the Python language: choose another name")
    if name.startswith("_"):
        raise ScaffoldError(f"{name!r} is private, since it starts with an underscore")


def _write(directory: Path, skeletons: dict[str, str], name: str) -> Created:
    """Fill in skeletons (file -> skeleton) below a directory, but for files that exist."""
    names = {"name": name, "title": name.title().replace("_", "")}
    created = Created()
    for file, skeleton in skeletons.items():
        path = directory / Template(file).substitute(names)
        text = _read(skeleton)
        if path.suffix != ".html":  # a Genshi template has $names of its own
            text = Template(text).substitute(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8", newline="\n") as new:
                new.write(text)
        except FileExistsError:
            created.existed.append(path)
        else:
            created.append(path)
    return created


def _read(skeleton: str) -> str:
    """Read a skeleton: its file has one more suffix, so that nothing can import it."""
    return (files("wsgikit") / "skeletons" / f"{skeleton}.tmpl").read_text(encoding="utf-8")
