import shutil
from pathlib import Path

import pytest
from command import finished

from fbench.harness import registry
from fbench.runs import opening


@pytest.fixture
def growing(registries, tmp_path, monkeypatch):
    """The growing suites, loaded into this process; gives their file."""
    monkeypatch.chdir(tmp_path)
    file = Path(shutil.copy(Path(__file__).parents[1] / "growing.py", tmp_path / "growing.py"))
    registry.load_file(file)
    return file


@pytest.fixture
def grow(growing, tmp_path, showwarning, capsys):
    """Make a run of a growing suite, of a name and the options that are typed; gives it opened."""

    def made(name, *words, suite="growing"):
        path = finished(tmp_path / name, suite, "--jobs", "1", *words)
        capsys.readouterr()
        return opening.open_run(path)

    return made


@pytest.fixture
def read_only():
    """Make folders that nothing can be written in; they can be removed again afterwards."""
    made = []

    def freeze(path):
        for folder in [path, *(p for p in path.rglob("*") if p.is_dir())]:
            folder.chmod(0o555)
            made.append(folder)
        return path

    yield freeze
    for folder in made:
        folder.chmod(0o755)
