"""What is shipped: every data file, in the wheel as in the source distribution."""

import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "wsgikit"

pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="needs the checkout")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both distributions; the wheel is built from the source distribution."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return out


def package_files() -> set[str]:
    """The files of the package as they are in the checkout."""
    return {
        str(path.relative_to(ROOT))
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"}
    }


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    with ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == package_files()
    assert "wsgikit/py.typed" in names


def test_the_source_distribution_holds_what_its_own_tests_need(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert names >= package_files()
    assert names >= {"README.md", "CHANGES.md", "CONTRIBUTING.md", "LICENSE", "Makefile"}
    assert names >= {"pyproject.toml", "setup.py", "tox.ini", "tests/conftest.py", "docs/conf.py"}
    assert not [name for name in names if name.endswith((".pyc", ".db"))]


def test_the_licence_of_what_we_ship_travels_with_the_wheel(dist: Path) -> None:
    with ZipFile(next(dist.glob("*.whl"))) as wheel:
        licences = {Path(name).name for name in wheel.namelist() if "/licenses/" in name}
    assert licences == {"LICENSE", "pico.LICENSE.md"}


def test_the_extra_all_is_all_the_others() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (everything,) = extras.pop("all")
    assert everything == f"wsgikit[{','.join(extras)}]"


def test_there_are_five_core_dependencies() -> None:
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {requirement.partition(">=")[0] for requirement in core}
    assert names == {"webob", "sqlalchemy", "genshi", "uritemplate", "multipart"}
