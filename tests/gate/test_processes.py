"""A build of a small project and its living process: which package it imports, the fixture's ways to be called."""

from __future__ import annotations

import os
import signal

import pytest
from gated_project import commit, git, make_project

from fbench.errors import NothingComparableError, UsageError
from fbench.gate.builds import make_build
from fbench.gate.processes import BlockFailedError, GateSide
from fbench.gate.sources import find_project, find_revision, working_tree, write_source
from fbench.measure.memory.growth import reset_high_water

WAYS = """
import os
import time
import pytest
import counted

made = []


@pytest.fixture(scope="module")
def shared():
    made.append("shared")
    yield 7
    made.append("gone")


@pytest.mark.benchmark(group="g", min_rounds=3)
@pytest.mark.parametrize("n", [3, 4])
def test_call(benchmark, shared, n):
    assert benchmark(lambda a, b=0: a + b, n, b=shared) == n + 7
    assert (benchmark.group, benchmark.stats, benchmark.disabled, benchmark.params) == ("g", None, False, {"n": n})
    benchmark.extra_info["a"] = 1
    assert made == ["shared"]


def test_decorator(benchmark):
    @benchmark
    def result():
        return counted.answer()
    assert result == 42


def test_pedantic(benchmark):
    ended = []
    target = benchmark.pedantic(
        lambda a: a, setup=lambda: ((5,), {}), teardown=lambda a: ended.append(a), rounds=4, warmup_rounds=2
    )
    assert target == 5
    assert ended == [5] * 6


def test_rounds(benchmark):
    with pytest.raises(ValueError, match="1 `iterations` with a `setup`"):
        benchmark.pedantic(len, setup=print, iterations=2)
    raise ValueError("a bad day")


def test_twice(benchmark):
    benchmark(len, "a")
    with pytest.raises(RuntimeError, match="only be used once"):
        benchmark(len, "a")


def test_skips(benchmark):
    pytest.skip("not here")


def test_none(benchmark):
    pass


def test_holds(benchmark):
    benchmark(lambda: len(b"x" * 2**26))


def test_hangs(benchmark):
    benchmark(time.sleep, 60)


def test_dies(benchmark):
    os._exit(3)


def test_where(benchmark):
    assert set(benchmark(os.listdir, os.getcwd())) <= {'.benchmarks'}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = make_project(tmp_path_factory.mktemp("gated") / "project")
    (root / "benchmarks" / "test_ways.py").write_text(WAYS)
    (root / "build").mkdir()
    (root / "build" / "stale.py").write_text("")
    (root / ".gitignore").write_text("build/\n")
    return find_project(root / "benchmarks")


@pytest.fixture(scope="module")
def built(project, tmp_path_factory):
    """Of the working tree, whose package is that of ``before``."""
    git(project.root, "checkout", "-q", "before", "--", "counted")
    return make_build(project, working_tree(project), tmp_path_factory.mktemp("built"), ["benchmarks/test_ways.py"])


@pytest.fixture(scope="module")
def side(built, tmp_path_factory):
    words = [str(built.home / "benchmarks" / "test_ways.py")]
    with GateSide("new", built, words, tmp_path_factory.mktemp("run") / "empty", timeout_s=1.5) as living:
        living.start()
        yield living


def named(side, name):
    return next(full for full in side.names if full.endswith(f"::{name}"))


def test_the_wheel_is_what_is_imported(built):
    assert built.modules == ("counted",)
    assert (built.site / "counted" / "__init__.py").is_file()
    assert not (built.home / "counted").exists()
    assert (built.source.dirty, built.source.called[:14]) == (True, "working tree (")


@pytest.mark.parametrize(("name", "rounds"), [("test_call[3]", 5), ("test_call[4]", 5), ("test_decorator", 5)])
def test_a_block_is_as_long_as_it_is_told_to_be(side, name, rounds):
    block = side.run(named(side, name), rounds=rounds, iterations=3)
    assert (len(block.seconds), block.calls) == (rounds, 3 * rounds)
    assert 0 < min(block.seconds) < block.block_s
    assert block == block._replace(digest=side.run(named(side, name), 1, 1).digest)


def test_pedantic_keeps_what_the_test_asks_for(side):
    block = side.run(named(side, "test_pedantic"), rounds=5, iterations=100)
    assert (len(block.seconds), block.calls, block.shown) == (4, 4, "5")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_rounds", "fails: ValueError: a bad day"),
        ("test_skips", "is skipped: Skipped: not here"),
        ("test_none", "fails: it did not call benchmark"),
        ("test_hangs", r"hangs \(1.5 s\)"),
        ("test_dies", "ends its process"),
    ],
)
def test_a_benchmark_that_fails_is_said_and_the_next_one_runs(side, name, why):
    with pytest.raises(BlockFailedError, match=why):
        side.run(named(side, name), 1, 1)
    for good in ("test_twice", "test_where"):
        assert len(side.run(named(side, good), 1, 1).seconds) == 1


@pytest.mark.skipif(reset_high_water() is None, reason="no high-water mark to reset")
def test_a_peak_is_what_a_call_holds(side):
    """Within pages that the kernel counts late; the next block is timed as ever."""
    assert side.weigh(named(side, "test_holds")) == pytest.approx(2**26, abs=2**22)
    assert side.weigh(named(side, "test_decorator")) < 2**22
    with pytest.raises(BlockFailedError, match="is skipped: Skipped: not here"):
        side.weigh(named(side, "test_skips"))
    assert len(side.run(named(side, "test_decorator"), 3, 1).seconds) == 3


def test_only_benchmarks_are_collected(side):
    assert len(side.names) == 12
    assert side.broken == ()


def test_what_is_imported_from_elsewhere_is_refused(built, tmp_path):
    """A conftest that puts the sources on the path."""
    copy = tmp_path / "benchmarks"
    (copy / "counted").mkdir(parents=True)
    (copy / "counted" / "__init__.py").write_text("")
    (copy / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(copy)!r})\nimport counted\n")
    (copy / "test_a.py").write_text("def test_a(benchmark):\n    benchmark(len, '')\n")
    side = GateSide("new", built, [str(copy)], tmp_path / "empty", timeout_s=10)
    with (
        side,
        pytest.raises(UsageError, match=r"counted of working tree .* was imported from .*conftest.py or pythonpath"),
    ):
        side.start()


def test_pytest_that_cannot_start_says_its_last_line(built, tmp_path):
    side = GateSide("new", built, ["--no-such-option"], tmp_path / "empty", timeout_s=10)
    with side, pytest.raises(NothingComparableError, match=r"pytest cannot start for working tree .*: .*"):
        side.start()


def test_a_node_id_that_is_not_there_is_named(built, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CIs do
    words = [f"{built.home / 'benchmarks' / 'test_ways.py'}::test_{name}" for name in ("none", "call[9]")]
    side = GateSide("new", built, words, tmp_path / "empty", timeout_s=10)
    message = r"^working tree \(.*\) has no benchmark benchmarks/test_ways.py::test_call\[9\]$"
    with side, pytest.raises(NothingComparableError, match=message):
        side.start()


@pytest.fixture
def slipped(built):
    """Of the installed package, and a file of benchmarks that imports it; another slips itself."""
    faulty = built.site / "counted" / "slipped.py"
    importing, itself = (built.home / "benchmarks" / f"test_{name}.py" for name in ("importing", "slipped"))
    later = built.home / "benchmarks" / "test_later.py"
    faulty.write_text("a = 1\n\ndef f(:\n    pass\n")
    importing.write_text("import counted.slipped\n")
    itself.write_text("def f():\npass\n")
    later.write_text("def test_a(benchmark):\n    benchmark(len, '')\n    import counted.slipped\n")
    yield [importing, itself, later]
    for path in (faulty, importing, itself, later):
        path.unlink()


def test_code_that_cannot_be_parsed_has_its_place(built, slipped, tmp_path):
    """From its home, or from where its wheel was installed."""
    side = GateSide("new", built, [str(path) for path in slipped], tmp_path / "empty", timeout_s=10)
    with side:
        side.start()
        importing, itself = side.broken
        assert importing == "benchmarks/test_importing.py: SyntaxError: invalid syntax (counted/slipped.py, line 3)"
        assert itself.startswith("benchmarks/test_slipped.py: IndentationError: expected an indented block after ")
        assert itself.endswith(" (benchmarks/test_slipped.py, line 2)")
        why = r"fails: SyntaxError: invalid syntax \(counted/slipped.py, line 3\)"
        with pytest.raises(BlockFailedError, match=why):
            side.run(side.names[0], 1, 1)


def _pressed(side, pids):
    with side:
        side.start()
        pids.append(side._process.pid)
        signal.raise_signal(signal.SIGINT)


def test_a_process_ends_with_the_gate(built, tmp_path):
    side = GateSide(
        "new", built, [str(built.home / "benchmarks" / "test_counted.py")], tmp_path / "empty", timeout_s=10
    )
    with pytest.raises(KeyboardInterrupt):
        _pressed(side, pids := [])
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_revision_is_written_whole(project, tmp_path):
    """Also what the tree has not any more, and nothing of the user's index changes."""
    status = git(project.root, "status", "--porcelain")
    write_source(project, find_revision(project, "after"), tmp_path / "after")
    assert "range(n)" in (tmp_path / "after" / "counted" / "__init__.py").read_text()
    assert "seconds=0.002" in (tmp_path / "after" / "counted" / "__init__.py").read_text()
    assert not (tmp_path / "after" / "benchmarks" / "test_ways.py").exists()
    assert git(project.root, "status", "--porcelain") == status
    write_source(project, working_tree(project), tmp_path / "tree")
    assert (tmp_path / "tree" / "benchmarks" / "test_ways.py").exists()
    assert not (tmp_path / "tree" / "build").exists()


def test_the_pairs_that_a_gate_wrote_are_no_change(tmp_path):
    root = make_project(tmp_path / "project")
    (root / "pairs.json").write_text("")
    assert not working_tree(find_project(root), root / "pairs.json").dirty
    assert working_tree(find_project(root), root / "others.json").dirty


@pytest.mark.parametrize("home", [".", "python"])
def test_what_a_build_left_is_neither_copied_nor_a_change(tmp_path, home):
    """``pip install .`` leaves it, and setuptools would take old code from build/lib into the wheel."""
    root = make_project(tmp_path / "project")
    commit(root, {"python/pyproject.toml": ""})
    project, top = find_project(root / home), root / home

    def copied(name):
        write_source(project, working_tree(project), tmp_path / name)
        return {path.relative_to(tmp_path / name / home).as_posix() for path in (tmp_path / name / home).rglob("*")}

    for name in ("build/lib/counted/a.py", "build/bdist.linux/a", "build/b", "it.egg-info/c", "src/it.egg-info/c"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("")
    assert not working_tree(project).dirty
    assert not {"build", "it.egg-info", "src"} & copied("first")
    git(root, "add", "-f", str(top / "build" / "b"), str(top / "it.egg-info"))
    git(root, "commit", "-qm", "kept")
    assert not working_tree(project).dirty
    assert {"build/b", "it.egg-info/c"} <= copied("second")
    (top / "build" / "new").write_text("")
    assert working_tree(project).dirty, "of a folder that git has"
    assert "build/new" in (third := copied("third"))
    assert not {"build/lib", "build/bdist.linux", "src"} & third


def test_a_damaged_index_is_told(tmp_path):
    project = find_project(make_project(tmp_path / "project"))
    (project.root / ".git" / "index").write_text("damaged")
    with pytest.raises(UsageError, match=r"git cannot list the files of .*project: .*index"):
        working_tree(project)


def test_a_hook_of_another_repository_does_not_lead_astray(project, tmp_path, monkeypatch):
    """A pre-push hook runs with GIT_DIR set: what is asked of a folder is answered for that folder."""
    git(tmp_path, "init", "-q")
    expected = find_revision(project, "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert find_project(project.root) == project
    assert find_revision(project, "HEAD") == expected
    assert working_tree(project).commit == expected.commit


def test_no_such_revision(project):
    with pytest.raises(NothingComparableError, match=r"--against v9: no such revision is here"):
        find_revision(project, "v9")


def test_what_does_not_build(project, tmp_path):
    (project.root / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nowhere'\n")
    try:
        with pytest.raises(UsageError, match=r"working tree \(.* and changes\) does not build: .*nowhere"):
            make_build(project, working_tree(project), tmp_path / "broken")
    finally:
        git(project.root, "checkout", "-q", "HEAD", "--", "pyproject.toml")


def test_what_is_no_project(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="is in no git repository"):
        find_project(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match=r"has no pyproject.toml or setup.py up to"):
        find_project(tmp_path)
    (tmp_path / "setup.py").write_text("")
    with pytest.raises(UsageError, match="has no commit yet"):
        working_tree(find_project(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="needs git, and there is none"):
        find_project(tmp_path)
