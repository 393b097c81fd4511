"""What a user copies, run: the shell steps of both workflows as GitHub runs them, and the hook as git does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from gated_project import commit, git, make_project

CI = Path(__file__).resolve().parents[2] / "fbench" / "gate" / "ci"
PAGE = (CI / "README.md").read_text(encoding="utf-8")


def scripts(name):
    """The ``run: |`` blocks of a workflow, by the names of their steps."""
    text = (CI / name).read_text(encoding="utf-8")
    found = re.findall(r"- name: (.+)\n(?:.*\n)*?( +)run: \|\n((?:\2  .*\n|\n)+)", text)
    return {step: textwrap.dedent(block) for step, _, block in found}


def program(folder, name, text):
    """A program that stands in the place of another on the PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}")
    (folder / name).chmod(0o755)


def run(script, folder, stubs=None, **variables):
    """As a runner does: bash -e, in a checkout."""
    path = os.pathsep.join(filter(None, [str(stubs or ""), str(Path(sys.executable).parent), os.environ["PATH"]]))
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GIT_"))}
    words = ["bash", "--noprofile", "--norc", "-e", "-c", script]
    return subprocess.run(
        words, cwd=folder, env={**alone, "PATH": path, **variables}, capture_output=True, text=True, check=False
    )


GATE = {"GITHUB_STEP_SUMMARY": "summary.md", "BENCHMARKS": "benchmarks", "THRESHOLD": "0.05", "BUDGET": "7"}


@pytest.mark.parametrize(
    ("code", "ends", "said"),
    [
        (0, 0, ""),
        (1, 1, ""),
        (2, 2, ""),
        (3, 0, "::notice title=fbench gate::Inconclusive"),
        (4, 0, "::warning title=fbench gate::No benchmark is on both sides yet"),
        (70, 70, ""),
    ],
)
def test_every_exit_code_ends_the_step_as_it_should(tmp_path, code, ends, said):
    measured = code in (0, 1, 3)
    shown = "echo '**report**'\n" if measured else ""
    program(tmp_path / "bin", "fbench", f'echo "$@" > words\n{shown}echo Building. >&2\necho why >&2\nexit {code}\n')
    told = {**GATE, "RUNNER_TEMP": str(tmp_path / "its own")}
    done = run(scripts("fbench-gate.yml")["Gate"], tmp_path, tmp_path / "bin", **told)
    assert (done.returncode, done.stderr) == (ends, "Building.\nwhy\n")
    assert said in done.stdout
    assert bool(done.stdout) == bool(said)
    words = (tmp_path / "words").read_text().split()
    assert words[:8] == ["gate", "--against", "HEAD^1", "benchmarks", "--threshold", "0.05", "--budget", "7"]
    summary = (tmp_path / "summary.md").read_text()
    assert summary == (tmp_path / "its own" / "gate" / "comment.md").read_text()
    assert summary == ("**report**\n" if measured else "**fbench gate measured nothing.**\n\n```\nwhy\n```\n")


def test_the_steps_run_on_a_small_package(tmp_path):
    """Its second commit against the first, really, with a budget that ends before anything could be shown.

    What ``pip install .`` leaves, and what the gate writes, are no changes of the pull request.
    """
    project = make_project(tmp_path / "project")
    leaves = "mkdir -p build/lib/counted it.egg-info; touch build/lib/counted/__init__.py it.egg-info/PKG-INFO\n"
    program(tmp_path / "bin", "python", f'echo "$@" > ../installed\n{leaves}')
    steps = scripts("fbench-gate.yml")
    assert run(steps["Install"], project, tmp_path / "bin", FBENCH="git+https://a/b").returncode == 0
    assert (tmp_path / "installed").read_text() == "-m pip install . setuptools git+https://a/b\n"
    told = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "RUNNER_TEMP": str(tmp_path)}
    done = run(steps["Gate"], project, **{**GATE, **told, "BUDGET": "0.5"})
    assert done.returncode == 0, done.stderr
    assert "::notice title=fbench gate::Inconclusive" in done.stdout
    assert "against HEAD^1: of 3 benchmarks, 3 inconclusive; no regression is confirmed.**" in " ".join(
        (tmp_path / "summary.md").read_text().replace("\\", "").split()
    )
    assert "not committed" not in (tmp_path / "summary.md").read_text()
    assert {path.name for path in (tmp_path / "gate").iterdir()} >= {"comment.md", "errors.txt"}


def test_where_fbench_comes_from_is_to_be_filled_in(tmp_path):
    """It is on no index: the workflow names none by itself, and the page says what to put."""
    text = (CI / "fbench-gate.yml").read_text()
    for name in ("FBENCH", "BENCHMARKS", "THRESHOLD", "BUDGET"):
        assert f"\n  {name}: " in text
        assert f"| `{name}` |" in PAGE
    program(tmp_path / "bin", "python", "touch installed\n")
    done = run(scripts("fbench-gate.yml")["Install"], tmp_path, tmp_path / "bin", FBENCH="")
    assert done.returncode != 0
    assert "FBENCH: is empty: say at the top of this workflow where pip gets it" in done.stderr
    assert not (tmp_path / "installed").exists()


GH = """
echo "$@" | tr '\\n' ' ' >> calls; echo >> calls
case "$*" in
    "run download"*) mkdir gate; [ -z "$NOTHING" ] || exit 1; echo '**report**' > gate/comment.md ;;
    *"--method GET"*) printf '%s' "$NUMBERS" ;;
    *--paginate*) printf '%s' "$OURS" ;;
    *) cp comment.md posted.md ;;
esac
"""
RUN = {"GH_TOKEN": "t", "REPOSITORY": "me/it", "RUN": "9", "BRANCH": "you:a;b $(c)", "COMMIT": "a" * 40}


@pytest.mark.parametrize(
    ("ours", "call"),
    [
        ("", "api --method POST repos/me/it/issues/5/comments -F body=@comment.md"),
        ("77\n78\n", "api --method PATCH repos/me/it/issues/comments/77 -F body=@comment.md"),
    ],
)
def test_the_comment_is_written_or_replaced(tmp_path, ours, call):
    program(tmp_path / "bin", "gh", GH)
    step = scripts("fbench-gate-comment.yml")["Comment"]
    done = run(step, tmp_path, tmp_path / "bin", **RUN, NUMBERS="5\n", OURS=ours)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0].startswith("run download 9 --repo me/it --name fbench-gate --dir gate")
    assert "-f head=you:a;b $(c) --jq" in calls[1]
    assert calls[-1].strip() == call
    assert (tmp_path / "posted.md").read_text() == "<!-- fbench gate -->\n**report**\n"


@pytest.mark.parametrize("lost", [{"NOTHING": "1"}, {"NUMBERS": ""}])
def test_nothing_is_written_without_an_artifact_or_an_open_pull_request(tmp_path, lost):
    program(tmp_path / "bin", "gh", GH)
    told = {"NUMBERS": "5\n", "OURS": "", "NOTHING": "", **lost}
    done = run(scripts("fbench-gate-comment.yml")["Comment"], tmp_path, tmp_path / "bin", **RUN, **told)
    assert done.returncode == 0
    assert not (tmp_path / "posted.md").exists()


def test_a_fork_gets_no_token_and_no_say():
    gate, comment = ((CI / name).read_text() for name in ("fbench-gate.yml", "fbench-gate-comment.yml"))
    assert "permissions:\n  contents: read\n" in gate
    assert "pull_request_target" not in gate + comment
    assert "checkout" not in comment
    for text in (gate, comment):
        assert not [script for script in re.findall(r"run: \|\n((?: {10}.*\n|\n)+)", text) if "${{" in script]
    assert "fetch-depth: 0" in gate


def test_the_page_shows_the_hook_and_names_the_files():
    assert f"```sh\n{(CI / 'pre-push').read_text()}```" in PAGE
    assert os.access(CI / "pre-push", os.X_OK)
    for path in CI.glob("*.yml"):
        assert f"]({path.name})" in PAGE


@pytest.fixture
def pushed(tmp_path):
    """A repository with the hook, whose first commit a remote has."""
    root = tmp_path / "project"
    root.mkdir()
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    git(root, "init", "-q", "-b", "main")
    commit(root, {"pyproject.toml": "[project]\nname = 'a'\n"})
    git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(root, "push", "-q", "-u", "origin", "main")
    hook = root / ".git" / "hooks" / "pre-push"
    hook.write_bytes((CI / "pre-push").read_bytes())
    hook.chmod(0o755)
    return root


def push(root, *words, stubs=None, **variables):
    return run(f"git push -q {' '.join(words) or 'origin HEAD'}", root, stubs, **variables)


def test_git_asks_the_hook_before_it_pushes(pushed, tmp_path):
    program(tmp_path / "bin", "fbench", 'cat > /dev/null; echo "$@" >> "$LOG"; exit "$CODE"\n')
    told = {"stubs": tmp_path / "bin", "LOG": str(tmp_path / "log")}
    assert push(pushed, "origin", "HEAD:fresh", CODE="1", **told).returncode == 0, "a new branch has no base"
    first = git(pushed, "rev-parse", "HEAD").strip()
    commit(pushed, {"a.py": ""})
    assert push(pushed, CODE="1", **told).returncode == 1
    assert git(pushed, "rev-parse", "origin/main").strip() == first
    for code in ("3", "4"):
        assert push(pushed, CODE=code, **told).returncode == 0
        commit(pushed, {f"{code}.py": ""})
    log = (tmp_path / "log").read_text().splitlines()
    assert log[:2] == [f"gate --against {first} benchmarks"] * 2
    assert len(log) == 3
    assert push(pushed, "origin", ":fresh", CODE="1", **told).returncode == 0, "nothing of a deleted branch is measured"


def test_the_real_gate_knows_its_repository_in_a_hook(pushed, tmp_path):
    """In a linked worktree git tells a hook its GIT_DIR; there are no benchmarks, which fails nothing."""
    git(pushed, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    tree = tmp_path / "other"
    commit(tree, {"a.py": ""})
    done = push(tree, "origin", "HEAD:main")
    assert done.returncode == 0, done.stderr
    assert "fbench: benchmarks: there is no such file or folder of benchmarks" in done.stderr
