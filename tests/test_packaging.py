"""What is shipped: every module, the licence, the entry points, and nothing else."""

from __future__ import annotations

import configparser
import email
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

pytest.importorskip("build")
pytest.importorskip("setuptools", minversion="77")


def tracked() -> list[str]:
    """The files of a fresh clone, new ones included; those that git ignores are left behind."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [name for name in listed if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """(wheel, sdist), the wheel built from a copy of the sources: a stale build/ would ship what was deleted."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in tracked():
        if name.partition("/")[0] not in ("reports",):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    (copy / "reports" / "old").mkdir(parents=True)
    (copy / "reports" / "old" / "results.csv").write_text("")
    command = [sys.executable, "-m", "build", "--wheel", "--sdist", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(built) -> zipfile.ZipFile:
    with zipfile.ZipFile(built[0]) as opened:
        yield opened


def sources() -> set[str]:
    """Every module by its place in the wheel."""
    own = {str(path.relative_to(ROOT)) for path in (ROOT / "fbench").rglob("*.py")}
    return own | {f"fbench/{path.relative_to(ROOT)}" for path in (ROOT / "suites").rglob("*.py")}


def test_every_package_is_named():
    """One that is missing from the list is silently absent from the wheel."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {
        path.removesuffix("/__init__.py").replace("/", ".") for path in sources() if path.endswith("__init__.py")
    }
    assert sorted(named) == sorted(folders)


def test_the_wheel_has_every_module_and_nothing_else(wheel):
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == sources() | {"fbench/py.typed"}


def test_modules_are_the_sources(wheel):
    assert wheel.read("fbench/suites/compare/__init__.py") == (ROOT / "suites" / "compare" / "__init__.py").read_bytes()
    assert (
        wheel.read("fbench/fisher/selection/bait.py")
        == (ROOT / "fbench" / "fisher" / "selection" / "bait.py").read_bytes()
    )


def test_the_wheel_knows_its_licence_and_its_needs(wheel):
    [path] = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert wheel.read(path) == (ROOT / "LICENSE").read_bytes()
    assert b"Apache License" in wheel.read(path)
    [path] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    said = email.message_from_bytes(wheel.read(path))
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("fbench", PROJECT["version"], "Apache-2.0")
    assert said["Requires-Python"] == PROJECT["requires-python"]
    needed = {need.replace(" ", "") for need in said.get_all("Requires-Dist") if "extra" not in need}
    assert needed == {need.replace(" ", "") for need in PROJECT["dependencies"]}


def test_the_version_is_said_once():
    import fbench

    assert fbench.__version__ == PROJECT["version"]


def test_entry_points(wheel):
    [path] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    found = configparser.ConfigParser(delimiters="=")
    found.read_string(wheel.read(path).decode())
    assert dict(found["console_scripts"]) == {"fbench": "fbench.cli:main"}
    groups = {f"fbench.{kind}" for kind in ("suites", "kernels", "strategies", "datasets", "models")}
    assert dict(found["pytest11"]) == {"fbench": "fbench.gate.plugin"}
    assert set(found.sections()) == {"console_scripts", "pytest11", *groups}
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in sources()}
    assert {found[group]["builtin"] for group in groups} <= modules
    assert found["fbench.suites"]["builtin"] == "fbench.suites"


def test_installed_from_the_wheel_it_lists_its_suites(built, tmp_path):
    """Unpacked beside its metadata, the editable install hidden: the entry point finds the package's suites."""
    with zipfile.ZipFile(built[0]) as opened:
        opened.extractall(tmp_path)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import fbench, fbench.cli
assert fbench.__file__.startswith({str(tmp_path)!r}), fbench.__file__
code = fbench.cli.run(["list", "suites"])
import fbench.suites
assert fbench.suites.__file__.startswith({str(tmp_path)!r}), fbench.suites.__file__
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout
    assert "warning" not in done.stderr


def test_the_sdist_builds_the_same_wheel(built):
    with tarfile.open(built[1]) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {*PROJECT["license-files"], PROJECT["readme"], "pyproject.toml", "fbench/py.typed"}
    wanted |= {name.replace("fbench/suites/", "suites/") for name in sources()}
    assert wanted <= names
    assert not [name for name in names if name.startswith("reports")]
