"""wsgikit.scaffold: what is created works, and what exists stays as it is."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from wsgikit.scaffold import ScaffoldError, add_model_view, add_view, create_project

PROJECT = [
    ".gitignore",
    "README.md",
    "dbconfig.py",
    "dispatcher.py",
    "logs/.gitignore",
    "models/__init__.py",
    "templates",
    "tests/__init__.py",
    "tests/test_app.py",
    "views/__init__.py",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create_project("shop", tmp_path)
    return tmp_path / "shop"


def names(paths: list[Path], directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in paths)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def run(directory: Path, *command: str) -> str:
    """Run Python in a project's directory, with warnings as errors but those of WebOb."""
    result = subprocess.run(
        [sys.executable, *command],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def ask(directory: Path, *requests: str) -> list[str]:
    """Give the status and text of the answers of a project's app, in a process of its own."""
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "from dispatcher import app\n"
        "from webob import Request\n"
        "from wsgiref.validate import validator\n"
        "for path in sys.argv[1:]:\n"
        "    response = Request.blank(path).get_response(validator(app))\n"
        "    print('ANSWER', response.status, response.text)\n"
    )
    output = run(directory, "-W", "ignore", "-c", program, *requests)
    return [text.strip() for text in output.split("ANSWER ")[1:]]


def test_a_project_is_created_and_every_path_is_returned(tmp_path: Path) -> None:
    created = create_project("shop", tmp_path)
    assert names(created, tmp_path / "shop") == PROJECT
    assert created.existed == []
    assert all(path.exists() for path in created)


def test_the_tests_of_a_new_project_pass(project: Path) -> None:
    assert "Ran 2 tests" in run(project, "-m", "unittest")


def test_a_second_project_of_the_same_name_changes_nothing(project: Path) -> None:
    (project / "dispatcher.py").write_text("# mine")
    before = files(project)
    again = create_project("shop", project.parent)
    assert again == []
    assert names(again.existed, project) == PROJECT
    assert files(project) == before


def test_what_is_missing_of_a_project_is_added(project: Path) -> None:
    (project / "README.md").unlink()
    assert names(create_project("shop", project.parent), project) == ["README.md"]


def test_a_project_cannot_be_created_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    with pytest.raises(ScaffoldError, match="is a file"):
        create_project("shop", tmp_path)


@pytest.mark.parametrize("name", ["email", "wsgikit"])
def test_a_project_cannot_have_the_name_of_a_module(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="is the name of a Python module"):
        create_project(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "cannot be a name"),
        ("my-shop", "such as my_shop"),
        ("my shop", "such as my_shop"),
        ("2nd", "cannot be a name"),
        ("../etc", "such as etc"),
        ("a/b", "such as a_b"),
        ("a.b", "such as a_b"),
        ("ﬁsh", "cannot be a name"),  # Python reads the ligature as f and i
        ("class", "is a word of the Python language"),
        ("None", "is a word of the Python language"),
        ("_private", "is private"),
        ("__init__", "is private"),
    ],
)
def test_names_that_python_or_the_url_cannot_have_are_refused(
    name: str, message: str, project: Path
) -> None:
    before = files(project)
    with pytest.raises(ScaffoldError, match=message):
        create_project(name, project)
    for add in (add_view, add_model_view):
        with pytest.raises(ScaffoldError, match=message):
            add(name, directory=project)
    assert files(project) == before


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("html", ["templates/fred/list.html", "templates/fred/retrieve.html", "views/fred.py"]),
        ("json", ["views/fred.py"]),
        (
            "html,json",
            ["templates/fred/list.html", "templates/fred/retrieve.html", "views/fred.py"],
        ),
    ],
)
def test_a_view_says_hello_world_and_has_item_pages(
    type: str, expected: list[str], project: Path
) -> None:
    assert names(add_view("fred", type, directory=project), project) == expected
    pages = ask(project, "/fred/", "/fred/7")
    assert all(page.startswith("200 OK") for page in pages)
    assert "Hello World!" in pages[0]
    assert "7" in pages[1]


def test_a_view_of_both_types_answers_json_as_well(project: Path) -> None:
    add_view("fred", "json,html", directory=project)
    page, data = ask(project, "/fred/", "/fred/7?format=json")
    assert "<h1>Hello World!</h1>" in page
    assert '"id":"7"' in data


def test_a_model_view_has_four_templates(project: Path) -> None:
    expected = [
        "models/employees.py",
        "templates/employees/get_edit_form.html",
        "templates/employees/get_new_form.html",
        "templates/employees/list.html",
        "templates/employees/retrieve.html",
        "views/employees.py",
    ]
    assert names(add_model_view("employees", directory=project), project) == expected


def test_a_second_model_view_of_the_same_name_changes_nothing(project: Path) -> None:
    add_model_view("employees", directory=project)
    (project / "models/employees.py").write_text("# mine")
    before = files(project)
    again = add_model_view("employees", directory=project)
    assert (list(again), len(again.existed)) == ([], 6)
    assert files(project) == before


@pytest.mark.parametrize("type", ["html", "json", "html,json"])
def test_a_model_view_serves_its_table_from_anywhere(type: str, project: Path) -> None:
    """Templates and the database are found beside the files, wherever the server was started."""
    add_model_view("employees", type, directory=project)
    create = "import dbconfig, models.employees as m; dbconfig.metadata.create_all(dbconfig.engine)"
    run(project, "-c", create)
    assert (project / "database.db").exists()
    program = (
        f"import sys; sys.path.insert(0, {str(project)!r})\n"
        "from dispatcher import app\n"
        "from webob import Request\n"
        "for path in ['/employees/', '/employees/;new_form', '/']:\n"
        "    print(Request.blank(path).get_response(app).status_code)\n"
    )
    elsewhere = project.parent
    forms = "404" if type == "json" else "200"
    assert run(elsewhere, "-W", "ignore", "-c", program).split() == ["200", forms, "200"]
    assert not (elsewhere / "database.db").exists()


def test_a_mistyped_address_leads_home(project: Path) -> None:
    program = (
        "from dispatcher import app\n"
        "from webob import Request\n"
        "for path in ['/nosuchview/', '/no/such/place']:\n"
        "    print(Request.blank(path, accept='text/html').get_response(app))\n"
    )
    pages = run(project, "-W", "ignore", "-c", program)
    assert (pages.count("404 Not Found"), pages.count('href="/" dir="auto">Home')) == (2, 2)


@pytest.mark.parametrize("type", ["html", "html,json"])
def test_people_import_and_tick_rows_in_a_model_view(type: str, project: Path) -> None:
    add_model_view("employees", type, directory=project)
    create = "import dbconfig, models.employees as m; m.table.create(dbconfig.engine)"
    fill = "c = dbconfig.engine.connect(); c.execute(m.table.insert().values(name='Ada'))"
    run(project, "-c", f"{create}; {fill}; c.commit()")
    (page,) = ask(project, "/employees/")
    assert 'href="/employees/;import_form"' in page
    assert 'aria-label="Tick Ada"' in page or 'aria-label="Tick 1"' in page
    assert ">CSV</a>" in page


def test_the_templates_of_a_model_view_are_the_projects_own(project: Path) -> None:
    add_model_view("employees", directory=project)
    template = project / "templates/employees/list.html"
    template.write_text(template.read_text().replace("$title", "Our people"))
    run(project, "-c", "import dbconfig, models.employees as m; m.table.create(dbconfig.engine)")
    (page,) = ask(project, "/employees/")
    assert "<h1" in page
    assert "Our people</h1>" in page


@pytest.mark.parametrize("type", ["", "xml", "html,xml", "html json"])
def test_an_unknown_type_is_refused(type: str, project: Path) -> None:
    for add in (add_view, add_model_view):
        with pytest.raises(ScaffoldError, match=r"unknown type .*: give html, json, html,json"):
            add("fred", type, directory=project)


def test_nothing_is_added_outside_of_a_project(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match=r"no dispatcher\.py"):
        add_view("fred", directory=tmp_path)
    (tmp_path / "dispatcher.py").write_text("")
    with pytest.raises(ScaffoldError, match=r"no dbconfig\.py"):
        add_model_view("fred", directory=tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "dispatcher.py"]


def test_a_link_to_nowhere_is_not_written_through(project: Path) -> None:
    outside = project.parent / "outside.py"
    (project / "views/fred.py").symlink_to(outside)
    assert project / "views/fred.py" in add_view("fred", directory=project).existed
    assert not outside.exists()


@pytest.mark.parametrize("name", ["größe", "collection", "match", "models", "x_1"])
def test_any_permitted_name_gives_python_that_runs(name: str, project: Path) -> None:
    add_view(name, directory=project)
    (page,) = ask(project, quote(f"/{name}/"))
    assert "Hello World!" in page


def test_every_python_file_parses_and_has_a_docstring(project: Path) -> None:
    add_view("fred", directory=project)
    add_model_view("employees", "html,json", directory=project)
    for path in project.rglob("*.py"):
        if path.name != "test_app.py":
            assert ast.get_docstring(ast.parse(path.read_text())), path


CONFIGURED = "from dbconfig import url; print(url.drivername, url.host, url.database)"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "sqlite None {project}/database.db"),
        ("sqlite:///other.db", "sqlite None {project}/other.db"),
        ("sqlite:////tmp/absolute.db", "sqlite None /tmp/absolute.db"),
        ("sqlite+pysqlite:///other.db", "sqlite+pysqlite None {project}/other.db"),
        ("sqlite://", "sqlite None None"),
        ("sqlite:///:memory:", "sqlite None :memory:"),
        ("sqlite:///file:x?mode=memory&uri=true", "sqlite None file:x"),
        ("postgresql://u:p@h/d", "postgresql+psycopg h d"),
        ("postgres://h/d", "postgresql+psycopg h d"),
        ("mysql://h/d", "mysql+pymysql h d"),
        ("mariadb://h/d", "mariadb+pymysql h d"),
        ("mariadb+pymysql://h/d", "mariadb+pymysql h d"),
    ],
)
def test_the_database_is_that_of_database_url(
    given: str, expected: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert run(project, "-c", CONFIGURED).strip() == expected.format(project=project)


def test_sqlite_gets_foreign_keys_wal_and_a_busy_timeout(project: Path) -> None:
    program = (
        "import dbconfig\n"
        "with dbconfig.engine.connect() as connection:\n"
        "    for name in ('foreign_keys', 'journal_mode', 'busy_timeout'):\n"
        "        print(connection.exec_driver_sql(f'PRAGMA {name}').scalar())\n"
    )
    assert run(project, "-c", program).split() == ["1", "wal", "5000"]


def test_constraints_have_names(project: Path) -> None:
    add_model_view("employees", directory=project)
    program = "from models.employees import table; print(table.primary_key.name)"
    assert run(project, "-c", program).strip() == "pk_employees"
