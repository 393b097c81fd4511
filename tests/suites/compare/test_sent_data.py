"""``fbench compare --executor ray``: data that a machine lacks are sent to it once, and what is there is read there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Ended, table

from fbench import cli
from fbench.errors import UsageError
from fbench.harness import ray_executor, registry
from fbench.learning import arms, sending
from fbench.learning.data import Images
from fbench.learning.training import initial_network
from fbench.stored_samples import StoredSamples

ray = pytest.importorskip("ray")


def words_of(text: str) -> list[str]:
    return text.split()


TINY = words_of(
    "--rounds 1 --seeds 2 --epochs 2 --batch 4 --start 6 --fisher-samples 16 --threads 1 --device cpu "
    "--figure-format svg"
)
TIMES = {"train_s", "select_s"}


@pytest.fixture(scope="module", autouse=True)
def _one_ray() -> Iterator[None]:
    """Begun once: a command in this process runs its cases there, and leaves it."""
    threads = torch.get_num_threads()
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    yield
    ray.shutdown()
    torch.set_num_threads(threads)


@pytest.fixture
def puts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is put into Ray's object store."""
    seen = []
    put = ray.put

    def noted(value: Any) -> Any:
        seen.append(type(value).__name__)
        return put(value)

    monkeypatch.setattr(ray, "put", noted)
    return seen


@pytest.fixture
def fbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run ``fbench compare`` in this process, in a folder of the test's: the tiny settings, and what is typed."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ended:
        capfd.readouterr()
        arms.load_images.cache_clear()
        code = cli.run(["compare", *TINY, *words])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Three blobs, in a file."""
    random = np.random.default_rng(0)
    targets = np.arange(90) % 3
    path = tmp_path / "mine.npz"
    np.savez(path, features=random.normal(size=(90, 5)) + targets[:, None], targets=targets)
    return path


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Files that only the driver reads: workers find them nowhere, as on a machine without them."""

    def lack(*paths: Path) -> None:
        ordered, loaded, read = ray_executor._ordered, ray_executor._loaded_data, []

        def order(*asked: Any) -> Any:
            made = ordered(*asked)
            read.append(loaded(*asked))  # by the driver, which has them; no worker sees them come and go
            for path in paths:
                path.rename(f"{path}.away")
            return made

        monkeypatch.setattr(ray_executor, "_ordered", order)
        monkeypatch.setattr(ray_executor, "_loaded_data", lambda *_: read[0])

    return lack


def rows(folder: Path, name: str = "results") -> list[dict[str, str]]:
    """The rows but for what is measured."""
    return [{k: v for k, v in row.items() if k not in TIMES} for row in table(folder, name)]


def assert_equal_runs(tmp_path: Path, *tables: str) -> None:
    for name in ("results", *tables):
        assert rows(tmp_path / "there", name) == rows(tmp_path / "here", name) != []


def test_data_that_are_there_are_read_there(
    fbench: Callable[..., Ended], features: Path, tmp_path: Path, puts: list[Any]
) -> None:
    words = ["--features", "mine.npz", "--strategies", "random,margin"]
    assert fbench(*words, "--executor", "ray", "--out", "there").code == 0
    assert puts == ["_Order"]
    assert fbench(*words, "--jobs", "1", "--out", "here").code == 0
    assert_equal_runs(tmp_path, "selections")


def test_data_that_are_not_there_are_sent_once(
    fbench: Callable[..., Ended], features: Path, tmp_path: Path, puts: list[Any], lacking: Callable[..., None]
) -> None:
    """Not once a case: there are four, in two workers."""
    words = ["--features", "mine.npz", "--strategies", "random,margin,entropy,badge"]
    assert fbench(*words, "--jobs", "1", "--out", "here").code == 0
    lacking(features)
    ended = fbench(*words, "--executor", "ray", "--out", "there")
    assert ended.code == 0, ended.err
    assert not features.exists()
    assert puts == ["_Order", "bytes"]
    assert_equal_runs(tmp_path, "selections")


def test_weights_picks_and_curves_are_sent_too(
    fbench: Callable[..., Ended], features: Path, tmp_path: Path, puts: list[Any], lacking: Callable[..., None]
) -> None:
    mlp = registry.MODELS.get("mlp")
    torch.save(initial_network(mlp, 3, (5,), 3).state_dict(), tmp_path / "weights.pt")
    words = ["--features", "mine.npz", "--model", "mlp", "--weights", "weights.pt", "--strategies", "random"]
    assert fbench(*words, "--jobs", "1", "--out", "chosen").code == 0
    picks, curves = tmp_path / "picks.csv", tmp_path / "curves.csv"
    picks.write_text((tmp_path / "chosen/selections.csv").read_text())
    points = [f"theirs,{seed},{labels},0.5" for seed, labels in itertools.product((0, 1), (6, 10))]
    curves.write_text("\n".join(["strategy,seed,labels,accuracy", *points]) + "\n")
    words = [*words, "--replay", "mine=picks.csv", "--curves", "curves.csv"]
    assert fbench(*words, "--jobs", "1", "--out", "here").code == 0
    lacking(features, tmp_path / "weights.pt", picks, curves)
    ended = fbench(*words, "--executor", "ray", "--out", "there")
    assert ended.code == 0, ended.err
    assert puts == ["_Order", "bytes"]
    assert_equal_runs(tmp_path, "selections", "curves")


def test_other_data_under_the_same_path_fail_their_cases(
    fbench: Callable[..., Ended], features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with another version of the file gives no rows."""
    ordered = ray_executor._ordered

    def order(*asked: Any) -> Any:
        made = ordered(*asked)
        np.savez(features, features=np.zeros((90, 5)), targets=np.arange(90) % 3)
        return made

    monkeypatch.setattr(ray_executor, "_ordered", order)
    ended = fbench("--features", "mine.npz", "--strategies", "random", "--executor", "ray", "--out", "there")
    assert ended.code == 4  # nothing was measured
    assert {row["status"] for row in rows(tmp_path / "there")} == {"failed"}
    assert "mine.npz: is not what this run was begun with" in table(tmp_path / "there")[0]["reason"]


def test_data_that_are_too_large_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = StoredSamples(lambda rows: rows[:, None].float(), torch.arange(9), (1,), torch.float32)
    images = Images("features", stored, torch.arange(9) % 3, classes=3)
    monkeypatch.setattr(arms, "images_of", lambda options: images)
    options = registry.SUITES.get("drift").typed(features="mine.npy")
    with pytest.raises(
        UsageError, match=r"^mine\.npy: a machine of the cluster lacks it, and it is too large to be held in memory and"
    ):
        sending.read_to_send([options])


@pytest.mark.parametrize("suite", ["compare", "drift"])
def test_what_is_sent_is_what_is_read(suite: str, features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both suites of arms, each by its own declaration."""
    declared = registry.SUITES.get(suite)
    options = declared.typed(features=str(features))
    assert declared.data.paths(options) == [str(features)]
    monkeypatch.setattr(arms, "_sent", {})
    sent = declared.data.load(options)
    features.unlink()
    arms.load_images.cache_clear()
    declared.data.hold(options, sent)
    assert len(arms.images_of(options).targets) == 90
    arms.load_images.cache_clear()
