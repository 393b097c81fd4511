"""A run's fingerprint is of what its numbers depend on, and two runs that differ are told apart by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fbench.errors import FolderError
from fbench.harness import identity as identities
from fbench.harness import registry
from fbench.harness.identity import differences, identify, read_identity


@pytest.fixture(autouse=True)
def forgetful(toy):
    """The sources are hashed once a process; a test changes them."""
    identities.package_digest.cache_clear()
    yield
    identities.package_digest.cache_clear()


def identity(name="toy", devices=("cpu",), threads=1, loads=(), **typed):
    suite = registry.SUITES.get(name)
    return identify(suite, suite.typed(**typed), devices, threads, loads)


def fingerprint(*arguments, **more):
    identities.package_digest.cache_clear()
    return identity(*arguments, **more)["fingerprint"]


def test_the_fingerprint_is_of_what_the_numbers_depend_on(toy):
    plain = fingerprint()
    assert len(plain) == 64
    assert plain == fingerprint()
    others = [
        fingerprint(steps=4),
        fingerprint(sizes="3,2,1"),
        fingerprint(rate=0.2),
        fingerprint("toyblocks"),
        fingerprint(threads=2),
        fingerprint(devices=("cuda:0",)),
        fingerprint(loads=(toy,)),
    ]
    assert len({plain, *others}) == 1 + len(others)


def test_what_is_only_recorded_is_not_in_it(tmp_path):
    typed = {"strategies": "random", "model": "small"}
    plain = fingerprint("compare", **typed)
    assert fingerprint("compare", **typed, data_dir=str(tmp_path)) == plain
    assert fingerprint("compare", **typed, download=True) == plain
    assert fingerprint("compare", **typed, epochs=3) != plain


def test_the_fingerprint_is_of_the_code(toy, tmp_path, monkeypatch):
    plain, loaded = fingerprint(), fingerprint(loads=(toy,))
    text = toy.read_text()
    toy.write_text(
        "# a comment\n" + text.replace("Suites without mathematics", "Suites with another docstring") + "\n\n"
    )
    assert (fingerprint(), fingerprint(loads=(toy,))) == (plain, loaded)
    toy.write_text(text + "more = 1\n")
    assert fingerprint() != plain
    assert fingerprint(loads=(toy,)) != loaded
    copy = tmp_path / "fbench"
    copy.mkdir()
    (copy / "__init__.py").write_text("1")
    monkeypatch.setattr(identities.fbench, "__file__", str(copy / "__init__.py"))
    first = fingerprint()
    (copy / "__init__.py").write_text("2")
    assert fingerprint() != first


def test_another_path_to_the_same_file_is_the_same(toy, tmp_path):
    other = tmp_path / "copied.py"
    other.write_bytes(toy.read_bytes())
    assert fingerprint(loads=(toy,)) == fingerprint(loads=(other,))


def test_the_fingerprint_is_of_every_suite(tmp_path, monkeypatch):
    """A suite may import another: ``compare --drift`` does."""
    (tmp_path / "drift").mkdir()
    (tmp_path / "drift" / "watcher.py").write_text("1")
    monkeypatch.setattr(sys.modules["fbench.suites"], "__path__", [str(tmp_path)])
    typed = {"strategies": "random", "model": "small"}
    first = fingerprint("compare", **typed)
    (tmp_path / "drift" / "watcher.py").write_text("2")
    assert fingerprint("compare", **typed) != first


def said_of(there, wanted):
    return [str(difference) for difference in differences(registry.SUITES.get("toy"), there, wanted)]


def test_differences_are_named(toy):
    plain = identity()
    assert said_of(plain, plain) == []
    assert said_of(plain, identity(steps=4, sizes="1")) == ["--sizes was 3,1,2, is 1", "--steps was 3, is 4"]
    assert said_of(plain, identity(threads=2, devices=("cpu", "cpu"))) == [
        "--device was cpu, is cpu,cpu",
        "--threads was 1, is 2",
    ]
    assert said_of(plain, identity("toyblocks")) == ["suite was toy, is toyblocks"]
    assert said_of(plain, identity(loads=(toy,))) == ["the number of --load files was 0, is 1"]
    (version,) = differences(registry.SUITES.get("toy"), plain, {**plain, "fbench": "9.9"})
    assert version.version
    assert str(version).startswith("fbench was 0.1.0 (")


def test_other_code_in_a_loaded_file_is_named(toy):
    before = identity(loads=(toy,))
    toy.write_text(toy.read_text() + "more = 1\n")
    told = [text for text in said_of(before, identity(loads=(toy,))) if "--load" in text]
    assert len(told) == 1
    assert told[0].startswith(f"the code of --load {toy} was ")


DAMAGE = {
    "": "is no JSON",
    "[]": "holds no names and values",
    "{}": "names no suite and options",
    "not json": "is no JSON",
    '{"fingerprint"': "is no JSON",
    "[" * 100_000: "is no JSON",
    '{"suite": "toy", "fingerprint": "f"}': "names no suite and options",
}


@pytest.mark.parametrize("text", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_identity(tmp_path, text):
    (tmp_path / "options.json").write_text(text)
    with pytest.raises(FolderError, match=f"options\\.json is damaged.*{DAMAGE[text]}.*; restore it, or take another"):
        read_identity(tmp_path)


def test_an_edited_identity(tmp_path):
    from fbench.harness.disk import write_checked

    assert read_identity(tmp_path) is None
    path = tmp_path / "options.json"
    write_checked(path, identity())
    assert read_identity(tmp_path) == json.loads(json.dumps(identity()))
    path.write_text(path.read_text().replace('"steps": 3', '"steps": 4'))
    with pytest.raises(FolderError, match=r"options\.json was changed: its SHA-256 is not that of what it says"):
        read_identity(tmp_path)


def test_an_identity_that_cannot_be_read(tmp_path):
    (tmp_path / "options.json").mkdir()
    with pytest.raises(FolderError, match=r"options\.json is no file; restore it"):
        read_identity(Path(tmp_path))
