"""What is built and measured: a revision of a git repository, or its working tree, copied into a folder of its own.

Revisions are written by an index of their own (``read-tree``, ``checkout-index``): no worktree is registered that would
have to be removed, the user's index is not touched, and no ``export-ignore`` leaves the tests out, as ``git archive``
would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fbench.errors import NothingComparableError, UsageError, shorten
from fbench.measure.environment import git_environment

_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_OF_SETUPTOOLS = re.compile(r"build/(lib|(lib|bdist|temp)\.[^/]+)/.*|(src/)?[^/]+\.egg-info/.*")
"""What ``pip install .`` leaves in a project's home."""


class Project(NamedTuple):
    """A project in a git repository.

    Attributes:
        root: the repository's folder.
        home: the folder in it that is built, ``.`` where it is the root.
    """

    root: Path
    home: Path


class Source(NamedTuple):
    """Files to build from.

    Attributes:
        revision: as it was asked for; ``working tree`` for the files as they are.
        commit: 40 letters; of a working tree, the commit that it began from.
        changed: files of the working tree that its commit has not, or not so.
    """

    revision: str
    commit: str
    changed: tuple[str, ...] = ()

    @property
    def dirty(self) -> bool:
        """Whether the working tree differs from its commit."""
        return bool(self.changed)

    @property
    def called(self) -> str:
        """How sentences and the file of pairs name it.

        Example:
            >>> Source("v1.0", "a" * 40).called, Source("working tree", "a" * 40, ("a.py",)).called
            ('v1.0', 'working tree (aaaaaaaaa and changes)')
        """
        if self.revision != "working tree":
            return self.revision
        return f"working tree ({self.commit[:9]}{' and changes' if self.dirty else ''})"


def find_project(folder: Path) -> Project:
    """The project that a folder belongs to: the nearest one above that can be built, in its git repository.

    Raises:
        UsageError: there is no git, no repository, or nothing that could be built.
    """
    if shutil.which("git") is None:
        raise UsageError("fbench gate needs git, and there is none on the PATH: install it")
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise UsageError(f"{folder} is in no git repository: fbench gate compares revisions of one")
    root = Path(done.stdout.strip()).resolve()
    here = folder.resolve()
    for place in (here, *here.parents):
        if any((place / name).is_file() for name in _PROJECT_FILES):
            return Project(root, place.relative_to(root))
        if place == root:
            break
    raise UsageError(f"{folder} has no pyproject.toml or setup.py up to {root}: there is nothing to build")


def find_revision(project: Project, revision: str) -> Source:
    """A commit by any name that git knows.

    Raises:
        NothingComparableError: there is no such commit.
    """
    commit = _git(project.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode or not commit.stdout.strip():
        raise NothingComparableError(
            f"--against {shorten(revision)}: no such revision is here; a shallow clone needs git fetch first"
        )
    return Source(revision, commit.stdout.strip())


def working_tree(project: Project, besides: Path | None = None) -> Source:
    """The files as they are, whether they are committed or not; ``besides`` is one that we write, and no change.

    Nor is one what earlier builds left.

    Raises:
        UsageError: nothing was ever committed, or git cannot read its index.
    """
    head = _git(project.root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head.returncode:
        raise UsageError(f"{project.root} has no commit yet: there is nothing to compare with")
    lines = _git(project.root, "status", "--porcelain", "--untracked-files=no").stdout.splitlines()
    names = [*(line[3:] for line in lines), *_new_files(project)]
    ours = besides.resolve() if besides else None
    changed = tuple(name for name in names if project.root / name != ours)
    return Source("working tree", head.stdout.strip(), changed)


def write_source(project: Project, source: Source, folder: Path) -> None:
    """Write the files of a source into a folder, which is made.

    Raises:
        UsageError: git cannot write them, or the disk is full.
    """
    folder.mkdir(parents=True)
    try:
        if source.revision == "working tree":
            _copy_tree(project, folder)
        else:
            _check_out(project.root, source.commit, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{source.called} cannot be written to {folder}: {' '.join(why.split())}") from error


def _check_out(root: Path, commit: str, folder: Path) -> None:
    index = {"GIT_INDEX_FILE": str(folder.with_name(folder.name + ".index"))}
    _git(root, "read-tree", commit, variables=index).check_returncode()
    _git(root, "checkout-index", "--all", f"--prefix={folder}{os.sep}", variables=index).check_returncode()


def _copy_tree(project: Project, folder: Path) -> None:
    """Tracked files and new ones."""
    for name in dict.fromkeys([*_listed(project.root, "--cached"), *_new_files(project)]):
        path = project.root / name
        if path.is_file() or path.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / name, follow_symlinks=False)


def _new_files(project: Project) -> list[str]:
    """Untracked files, without those that git ignores, and without earlier builds: they would ship what was deleted."""
    names = _listed(project.root, "--others", "--exclude-standard")
    if not names:
        return []
    home = "" if project.home == Path() else f"{project.home.as_posix()}/"
    keeps_build = bool(_listed(project.root, "--cached", "--", f":(literal){home}build"))
    return [
        name
        for name in names
        if not (name.startswith(home) and _is_left(name.removeprefix(home), keeps_build=keeps_build))
    ]


def _is_left(inside: str, *, keeps_build: bool) -> bool:
    """Whether such a file in a project's home is of an earlier build; ``keeps_build``: git has files in ``build``.

    Example:
        >>> [_is_left(name, keeps_build=True) for name in ("build/lib/a.py", "a.egg-info/PKG-INFO", "build/new.py")]
        [True, True, False]
    """
    return bool(_OF_SETUPTOOLS.fullmatch(inside)) or (inside.startswith("build/") and not keeps_build)


def _listed(root: Path, *which: str) -> list[str]:
    """Names from the root, as they are.

    Raises:
        UsageError: git cannot read its index.
    """
    listed = _git(root, "ls-files", "-z", *which)
    if listed.returncode:
        raise UsageError(f"git cannot list the files of {root}: {' '.join(listed.stderr.split())}")
    return [name for name in listed.stdout.split("\0") if name]


def _git(folder: Path, *words: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(folder), *words]
    environment = git_environment() | dict(variables or {})
    return subprocess.run(command, capture_output=True, text=True, env=environment, errors="replace", check=False)
