"""A small project that is not fbench: a git repository of two commits, the second of which slows one function."""

from __future__ import annotations

import subprocess
from pathlib import Path

SETUP = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "counting-things"
version = "1.0"

[tool.setuptools]
packages = ["counted"]

[tool.pytest.ini_options]
addopts = ["-n", "2", "--benchmark-disable"]
"""
CODE = """
import time


def busy(n):
    return sum(i * i for i in range(n))


def steady(n=STEADY):
    return busy(n)


def changing(seconds=CHANGING):
    '''Sleeps, and so takes as long on any machine.'''
    time.sleep(seconds)


def answer():
    return ANSWER
"""
BENCHMARKS = '''
import pytest

import counted


def test_changing(benchmark):
    """No value: what returns None has none that could differ."""
    benchmark(counted.changing)


def test_steady(benchmark):
    assert benchmark.pedantic(counted.steady, rounds=20, iterations=2) > 0


def test_answer(benchmark):
    @benchmark
    def result():
        return counted.answer()


def test_not_timed():
    raise AssertionError("never run: it is no benchmark")
'''


def commit(root: Path, files: dict[str, str], message: str = "a change") -> str:
    """Write files and commit them; gives the commit."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def code(changing: float = 0.0016, answer: int = 42, steady: int = 2000) -> str:
    """The package, whose function ``changing`` takes so many seconds."""
    return CODE.replace("CHANGING", str(changing)).replace("ANSWER", str(answer)).replace("STEADY", str(steady))


def make_project(root: Path, benchmarks: str = BENCHMARKS) -> Path:
    """Two commits, tagged ``before`` and ``after``: the second is slower by 25 % in one of three benchmarks."""
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    commit(root, {"pyproject.toml": SETUP, "counted/__init__.py": code(), "benchmarks/test_counted.py": benchmarks})
    git(root, "tag", "before")
    commit(root, {"counted/__init__.py": code(0.002, 43)})
    git(root, "tag", "after")
    return root
