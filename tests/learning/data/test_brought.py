"""What a user brings, from the command line to the rows: checked, carried through, and refused when it changed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from command import Ended, table
from PIL import Image

from fbench import cli
from fbench.errors import DataError, UsageError
from fbench.harness.registry import SUITES
from fbench.learning import arm_options, arms
from fbench.learning.data.brought import NOTHING, Brought
from fbench.learning.prediction_files import load_predictions

TINY = [
    *("--model", "small", "--strategies", "random", "--rounds", "2", "--seeds", "2", "--epochs", "1", "--batch", "3"),
    *("--start", "6", "--threads", "1", "--jobs", "1", "--device", "cpu"),
]


@pytest.fixture(autouse=True)
def unread() -> Iterator[None]:
    """Every test reads its own files."""
    arms.load_images.cache_clear()
    yield
    arms.load_images.cache_clear()


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str], showwarning: Any) -> Iterator[Callable[..., Ended]]:
    """Run ``fbench compare`` in this process."""

    def run(*words: object) -> Ended:
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            code = cli.run(["compare", *TINY, *map(str, words)])
        spoken = capfd.readouterr()
        return Ended(code, spoken.out, " ".join(spoken.err.split()))

    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty images of 9 × 8 in three classes, of 40, 15 and 5."""
    for number in range(60):
        name = "ant" if number < 40 else "bee" if number < 55 else "wasp"
        path = tmp_path / "photos" / name / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (9, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def test_a_folder_from_the_command_line_to_the_rows(folder: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    out = tmp_path / "run"
    words = ["--dataset", "images:duplicates=0.5", "--keep-predictions"]
    assert fbench("--images", folder, *words, "--out", out).code == 0
    rows = table(out, "selections")
    listed = sorted(folder.rglob("*.png"))
    for (_, seed, _), kept in load_predictions(out).items():
        assert [folder / name for name in kept.ids] == [listed[i] for i in kept.indices.tolist()]  # type: ignore[union-attr]
        assert [["ant", "bee", "wasp"][k] for k in kept.targets] == [name.split("/")[0] for name in kept.ids]
        assert not {row["id"] for row in rows if row["seed"] == str(seed)} & set(kept.ids)
    assert len(rows) == 2 * (6 + 3 + 3)
    for row in rows:
        name, _, file = row["id"].partition("/")
        assert int(file.removesuffix(".png")) == int(row["index"]) % 60
        assert (folder / name / file).is_file()
    options = json.loads((out / "options.json").read_text())["options"]
    assert (options["dataset"], json.loads(options["class_names"])) == ("images:duplicates=0.5", ["ant", "bee", "wasp"])
    assert options["fixed_test"] is False
    moved = folder.rename(tmp_path / "elsewhere")  # where it lies changes no number
    arms.load_images.cache_clear()
    assert fbench("--images", moved, "--rounds", 3, "--out", out).code == 0
    assert all(len(kept.ids) == len(kept.targets) == 12 for kept in load_predictions(out).values())
    first = np.array(Image.open(moved / "ant" / "00.png"))
    (moved / "ant" / "00.png").unlink()
    arms.load_images.cache_clear()
    ended = fbench("--images", moved, "--rounds", 4, "--out", out)
    assert ended.code == 2
    assert "elsewhere: is not what this run was begun with (its SHA-256 was" in ended.err
    again = tmp_path / "again"
    ended = fbench("--images", moved, "--replicate", out, "--seeds", "2..3", "--out", again)
    assert ended.code == 2
    assert "elsewhere: is not what this run was begun with (its SHA-256 was" in ended.err
    assert "put it back, or begin a run of its own, by another --out and without --replicate" in ended.err
    assert not again.exists()
    Image.fromarray(first).save(moved / "ant" / "00.png")
    arms.load_images.cache_clear()
    assert fbench("--images", moved, "--replicate", out, "--seeds", "2..3", "--out", again).code == 0
    assert {row["seed"] for row in table(again)} == {"2", "3"}


def test_images_that_are_read_as_they_are_used_change_no_number(
    folder: Path, tmp_path: Path, fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--images", folder, "--strategies", "random,bait+fish", "--rounds", 1, "--fisher-samples", 8]
    assert fbench(*words, "--out", tmp_path / "held").code == 0
    monkeypatch.setattr("fbench.learning.data.files.stored.HELD_BYTES", 10)
    arms.load_images.cache_clear()
    assert fbench(*words, "--out", tmp_path / "kept").code == 0
    assert (tmp_path / "held" / "selections.csv").read_bytes() == (tmp_path / "kept" / "selections.csv").read_bytes()
    held, kept = ([(row["accuracy"], row["nll"]) for row in table(tmp_path / name)] for name in ("held", "kept"))
    assert held == kept


@pytest.mark.filterwarnings("ignore:.*carried along as metadata")
def test_a_table_from_the_command_line_to_the_rows(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    """Without a line of Python, and without naming a model."""
    rng, n = np.random.default_rng(0), 90
    codes = np.arange(n) % 3
    columns = {"a": rng.normal(codes), "b": rng.normal(-codes), "kind": np.array(["x", "y", "z"])[codes]}
    sites = np.array(["north", "south"])[codes % 2]
    table_of_all = pd.DataFrame({**columns, "key": [f"p{i}" for i in range(n)], "site": sites})
    table_of_all.to_csv(tmp_path / "people.csv", index=False)
    words = ["--features", tmp_path / "people.csv", "--target-column", "kind", "--id-column", "key", "--model", "auto"]
    ended = fbench(*words, "--strategies", "random,bait", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "people.csv: column holds texts and no features: site; carried along as metadata" in ended.err
    for row in table(tmp_path / "run", "selections"):
        assert row["id"] == f"p{row['index']}"
        assert json.loads(row["metadata"]) == {"site": sites[int(row["index"])]}
    options = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert (options["dataset"], options["model"], options["class_names"]) == ("features", "linear", '["x", "y", "z"]')
    assert {row["status"] for row in table(tmp_path / "run")} == {"ok"}


TOKENS = """
import torch
from fbench.learning.data import Images
from fbench.registry import dataset, model


@dataset("words", "the class is the first token", in_folder=False)
def words(folder, download):
    tokens = torch.randint(0, 9, (80, 6), generator=torch.Generator().manual_seed(0))
    tokens[:, 0] = torch.arange(80) % 2
    return Images("words", tokens, tokens[:, 0].clone(), 2)


class Bag(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(9, 5)
        self.head = torch.nn.Linear(5, classes)

    def forward(self, x):
        return self.head(self.embedding(x))


@model("bag", "a bag of words")
def bag(replicas, shape, classes):
    return Bag(classes)
"""


def test_token_ids_reach_a_users_model(tmp_path: Path, fbench: Callable[..., Ended], registries: Any) -> None:
    (tmp_path / "mine.py").write_text(TOKENS)
    words = ["--load", tmp_path / "mine.py", "--dataset", "words:noise=0.1", "--model", "bag", "--mask-fraction", 1]
    assert fbench(*words, "--strategies", "random,bait", "--out", tmp_path / "run").code == 0
    assert {row["status"] for row in table(tmp_path / "run")} == {"ok"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "."], "has 0 folders of images; give one for each of at least 2 classes"),
        (["--features", "none.npz"], "none.npz: no such file"),
        (["--images", "a", "--features", "b"], "--images a and --features b: give one of them"),
        (["--targets", "y.npy"], "--targets y.npy belongs to --features FILE; give both, or neither"),
        (["--dataset", "cifar10", "--features", "b"], "--dataset cifar10 and --features b: give one of them"),
        (["--dataset", "digits", "--features", "b"], "--dataset digits and --features b: give one of them"),
        (["--dataset", "features:noise=0.1", "--images", "b"], "--dataset features:noise=0.1 and --images b: give one"),
        (["--dataset", "features"], "data set features is read from a file; give --features FILE"),
        (["--dataset", "images"], "data set images is read from a folder; give --images FOLDER"),
        (["--dataset", "digits:missing=11"], "dataset …:missing=11: there are 10 classes; the start set needs"),
        (
            ["--dataset", "digits:missing=9", "--start", 200],
            "--start 200: without 9 classes there may be 1",
        ),
        (["--dataset", "digits:noise=2"], "--dataset digits:noise=2: noise is 2; it must be a decimal above 0"),
        (["--image-size", "0x3"], "--image-size 0x3: give height and width, such as 48x40"),
        (["--image-size", "1x2x3"], "--image-size 1x2x3: give height and width"),
        (["--image-size", "big"], "--image-size big: give height and width"),
        (["--metadata-columns", "a,,b"], "--metadata-columns a,,b: give names of columns, every one once"),
        (["--scale", "max"], "unknown --scale 'max'"),
    ],
)
def test_what_cannot_be_is_refused_before_a_run(
    words: list[str], message: str, tmp_path: Path, fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = fbench(*words, "--out", tmp_path / "run")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()


NUMBERS = {"features": np.random.default_rng(0).normal(size=(60, 3)), "targets": np.arange(60) % 3}


@pytest.mark.parametrize(
    ("arrays", "more", "message"),
    [
        (
            {"targets": None},
            [],
            "a.npz: has no targets; save them with the features, np.savez(path, features=…, targets",
        ),
        (
            {"targets": NUMBERS["targets"].astype(object)},
            [],
            "a.npz: targets holds Python objects, which are never unp",
        ),
        (
            {"test_features": np.zeros((4, 3)), "test_targets": np.arange(4)},
            [],
            "a.npz: test_targets have class '3', which no training sample is of; move some of it to the",
        ),
        (
            {},
            ["--target-column", "kind"],
            "a.npz: has no array 'kind' (it holds features, targets); name one by --targ",
        ),
    ],
    ids=["no targets", "objects", "another class in the test part", "no such array"],
)
def test_arrays_that_cannot_be_are_refused_before_a_run(
    arrays: dict[str, Any], more: list[str], message: str, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    kept = {name: values for name, values in {**NUMBERS, **arrays}.items() if values is not None}
    np.savez(tmp_path / "a.npz", **kept)
    ended = fbench("--features", tmp_path / "a.npz", *more, "--model", "linear", "--out", tmp_path / "run")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert not (tmp_path / "run").exists()


def test_an_empty_class_and_a_column_that_is_not_there_are_refused_before_a_run(
    folder: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    (folder / "cat").mkdir()
    people = tmp_path / "people.parquet"
    pd.DataFrame({"a": [0.5, 1.5], "kind": ["x", "y"]}).to_parquet(people)
    for words, message in (
        (["--images", folder], "photos/cat: holds no image; fill it, or delete it"),
        (["--features", people], "people.parquet: has no column 'target'. It has a, kind; name one by --target-column"),
        (["--features", people, "--target-column", "knd"], "has no column 'knd'; did you mean 'kind'? It has a, kind"),
    ):
        ended = fbench(*words, "--out", tmp_path / "run")
        assert (ended.code, ended.out) == (2, "")
        assert message in ended.err
        assert not (tmp_path / "run").exists()


def test_a_sparse_matrix_from_the_command_line_to_the_rows(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    """With names of classes, whose numbers are written down."""
    scipy.sparse.save_npz(tmp_path / "x.npz", scipy.sparse.csc_array(NUMBERS["features"]))
    np.save(tmp_path / "y.npy", np.array(["wasp", "ant", "bee"])[NUMBERS["targets"]])
    words = ["--features", tmp_path / "x.npz", "--targets", tmp_path / "y.npy", "--model", "linear", "--rounds", 1]
    assert fbench(*words, "--out", tmp_path / "run").code == 0
    assert {row["status"] for row in table(tmp_path / "run")} == {"ok"}
    options = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert json.loads(options["class_names"]) == ["ant", "bee", "wasp"]


def test_a_corrupt_image_ends_a_run_before_it_begins(
    folder: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    (folder / "bee" / "50.png").write_bytes(b"no image")
    ended = fbench("--images", folder, "--out", tmp_path / "run")
    assert ended.code == 2
    assert "bee/50.png: cannot be read as an image" in ended.err
    assert not (tmp_path / "run").exists()
    ended = fbench("--images", folder, "--skip-corrupt", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "bee/50.png" in ended.err
    assert "bee/50.png" not in {row["id"] for row in table(tmp_path / "run", "selections")}
    options = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert json.loads(options["left_out"]) == ["bee/50.png"]
    said = "1 image could not be read and is left out by --skip-corrupt: bee/50.png."
    assert said in (tmp_path / "run" / "summary.md").read_text()


def test_features_are_resolved_with_what_was_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    targets = np.array(["no", "yes"])[np.arange(60) % 2]
    np.savez(path, features=rng.normal(size=(60, 3)), targets=targets, test_features=rng.normal(size=(9, 3)),
             test_targets=targets[:9])  # fmt: skip
    options = SUITES.get("compare").typed(features=str(path), dataset="digits:noise=0.5", start=4, batch=2)
    resolved = arms.resolve_plan(options)
    assert (resolved.dataset, resolved.model) == ("features:noise=0.5", "linear")
    assert json.loads(resolved.class_names) == ["no", "yes"]
    assert resolved.fixed_test
    assert arms.images_of(resolved).images.shape == (60, 3)
    assert arms.pool_length(resolved) == 60


def test_a_mask_of_a_tiny_head_keeps_a_weight(tmp_path: Path) -> None:
    """Of six weights a tenth is none."""
    np.savez(tmp_path / "a.npz", features=np.arange(60.0)[:, None], targets=np.arange(60) % 3)
    options = SUITES.get("compare").typed(features=str(tmp_path / "a.npz"), start=4, batch=2)
    assert arms.sizes_of(arms.resolve_plan(options)).masked == 1


def test_the_labels_that_are_bought_are_the_noisy_ones() -> None:
    options = SUITES.get("compare").typed(dataset="digits:noise=0.5")
    plain = SUITES.get("compare").typed()
    noisy, right = (arms._pool(asked, 0, arms.images_of(asked)) for asked in (options, plain))
    assert torch.equal(noisy.ids, right.ids)
    assert int((noisy.targets != right.targets).sum()) == round(0.5 * len(right.ids))
    assert torch.equal(noisy.test_targets, right.test_targets)


def test_nothing_brought_has_no_name() -> None:
    assert NOTHING.name == ""
    assert (Brought(images="a").name, Brought(features="b").name) == ("images", "features")


def test_options_are_read() -> None:
    assert arm_options.parse_dataset("digits:noise=0.10:missing=1") == "digits:missing=1:noise=0.1"
    assert arm_options.parse_columns("") == ()
    with pytest.raises(UsageError, match="--metadata-columns a,a: give names of columns, every one once"):
        arm_options.parse_columns("a,a")


def test_what_is_brought_is_checked_as_a_users_data_set_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of ours that lets NaN through."""
    monkeypatch.setattr("fbench.learning.data.files.matrices._check_finite", lambda *_: None)
    np.savez(tmp_path / "a.npz", features=np.full((9, 2), np.nan), targets=np.arange(9) % 2)
    with pytest.raises(DataError, match=r"a.npz: features hold NaN or infinity in 9 of 9, first in 0; drop or mend"):
        arms.load_images("features", None, False, Brought(features=str(tmp_path / "a.npz")))
