"""``fbench compare`` with other networks, ways of training and metrics, as it is typed."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Ended, table

from fbench import cli
from fbench.harness.registry import MODELS, PRESETS, SUITES, Preset
from fbench.learning.metrics import score_predictions
from fbench.learning.prediction_files import load_predictions
from fbench.learning.seed_groups import every_seed
from fbench.learning.training import initial_network
from fbench.suites.compare.presets import PROTOCOLS
from fbench.suites.compare.questions import parse_questions


def words_of(text: str) -> list[str]:
    return text.split()


TINY = words_of(
    "--strategies random,bait --questions bait>random --rounds 1 --seeds 2 --epochs 2 --pool 100 --test 60 --batch 5 "
    "--start 12 --threads 1 --jobs 1 --device cpu"
)


@pytest.fixture(autouse=True, scope="module")
def _surroundings() -> Iterator[None]:
    """One thread, no data folder from outside, and everything as it was after."""
    threads, folder = torch.get_num_threads(), os.environ.pop("FBENCH_DATA_DIR", None)
    yield
    torch.set_num_threads(threads)
    if folder is not None:
        os.environ["FBENCH_DATA_DIR"] = folder


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str], showwarning: Any) -> Callable[..., Ended]:
    def run(*words: Any) -> Ended:
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            code = cli.run(["compare", *TINY, *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def metric_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits by regression, judged by their worst class, with predictions kept."""
    path = tmp_path_factory.mktemp("metric") / "run"
    words = ["--model", "linear", "--metric", "worst-recall", "--keep-predictions", "--seeds", "4"]
    assert cli.run(["compare", *TINY, *words, "--out", str(path)]) == 0
    return path


def test_areas_and_questions_are_about_the_metric(metric_run: Path) -> None:
    rows = [row for row in table(metric_run, "scores") if row["strategy"] == "bait"]
    areas = {seed: [float(r["worst_recall"]) for r in rows if r["seed"] == seed] for seed in "0123"}
    mean = sum(sum(values) / 2 for values in areas.values()) / 4  # two rounds: the area is their mean
    text = (metric_run / "summary.md").read_text()
    assert f"| bait | {mean:.4f} |" in text
    assert "AULC: worst recall averaged over labels" in text
    assert "final worst recall" in text
    assert "Every score at the end" in text
    assert "figures/cost_curves" in text
    assert (metric_run / "figures/cost_curves.svg").exists()


@pytest.mark.parametrize("metric", ["nll", "calibration-error"])
def test_less_of_a_metric_may_be_better(metric_run: Path, tmp_path: Path, metric: str) -> None:
    """The same rows, judged by another of their scores."""
    other = tmp_path / "run"
    words = ["--model", "linear", "--metric", metric, "--seeds", "4"]
    assert cli.run(["compare", *TINY, *words, "--out", str(other)]) == 0
    text = (other / "summary.md").read_text()
    assert f"AULC: {metric.replace('-', ' ')} averaged over labels, lower is better;" in text
    assert "Is bait better than random (lower is better)?" in text
    kept = [[row["accuracy"] for row in table(folder)] for folder in (metric_run, other)]
    assert kept[0] == kept[1]


def test_kept_predictions_give_every_score(metric_run: Path) -> None:
    kept = load_predictions(metric_run)
    pairs = list(zip(table(metric_run), table(metric_run, "scores"), strict=True))
    assert len(kept) == len(pairs) == 2 * 4 * 2
    for row in ({**beside, **row} for row, beside in pairs):
        scores = score_predictions(*kept[row["strategy"], int(row["seed"]), int(row["round"])])  # type: ignore[index]
        assert {name: float(row[name]) for name in scores._fields} == pytest.approx(scores._asdict(), rel=1e-6)
        assert 0 <= float(row["train_accuracy"]) <= 1


def test_labels_bought_are_counted_by_class(metric_run: Path) -> None:
    bought = table(metric_run, "classes")
    for strategy in ("random", "bait"):
        of_round = [row for row in bought if (row["strategy"], row["seed"], row["round"]) == (strategy, "1", "1")]
        assert sum(int(row["bought"]) for row in of_round) == 5
        assert len({row["class"] for row in of_round}) == len(of_round)


def test_predictions_are_kept_on_request_alone(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    assert fbench("--model", "linear", "--out", tmp_path / "run").code == 0
    path = tmp_path / "run/predictions.csv"
    assert not path.exists() or len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        "--model mlp --hidden 20",
        "--model torchvision:shufflenet_v2_x0_5 --seeds 1 --pool 40 --test 20 --strategies random --questions=",
        "--model mlp --dropout 0.2 --strategies random,bald --questions bald>random",
        "--warm --stop 0.9 --augment",
        "--freeze",
    ],
    ids=["mlp", "torchvision", "bald", "warm", "freeze"],
)
def test_ways_of_learning(fbench: Callable[..., Ended], tmp_path: Path, words: str) -> None:
    ended = fbench(*words.split(), "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert {row["status"] for row in table(tmp_path / "run")} == {"ok"}
    if words == "--freeze":
        assert "--freeze without --weights: the features are those of small with random weights" in ended.err
        assert {row["dim"] for row in table(tmp_path / "run")} == {"", "160"}  # features of the small network
    if "--hidden" in words:
        assert {row["dim"] for row in table(tmp_path / "run")} == {"", "200"}


def test_pretrained_weights_are_those_of_the_file(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(initial_network(MODELS.get("small"), 9, (1, 8, 8), 10).state_dict(), file)
    assert fbench("--freeze", "--weights", file, "--out", tmp_path / "run").code == 0
    stored = json.loads((tmp_path / "run/options.json").read_text())["options"]["weights"]
    assert stored.startswith(f"{file}#sha256-")
    assert "Rendering again" in fbench("--freeze", "--weights", file, "--out", tmp_path / "run").err
    torch.save(initial_network(MODELS.get("small"), 8, (1, 8, 8), 10).state_dict(), file)
    ended = fbench("--freeze", "--weights", file, "--rounds", "2", "--out", tmp_path / "run")
    assert ended.code == 2
    assert "weights" in ended.err


def test_bait_as_published_trains_to_an_accuracy(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    """On the digits, by the small network: at a constant rate until nearly all that is labelled is right."""
    words = ["--preset", "bait-paper", "--dataset", "digits", "--model", "small", "--epochs", 90]
    assert fbench(*words, "--learning-rate", 0.01, "--out", tmp_path / "run").code == 0
    options = json.loads((tmp_path / "run/options.json").read_text())["options"]
    names = ("stop", "train_batch", "weight_decay", "regularisation", "oversample")
    assert [options[name] for name in names] == [0.99, 128, 0.0, "0.01", 2.0]
    assert {row["train_accuracy"] for row in table(tmp_path / "run", "scores")} == {"1.0"}
    published = PRESETS.get("bait-paper").options
    assert (published["learning_rate"], published["epochs"], published["model"]) == (0.0001, 100, "resnet18")


LEFT_OUT = {
    *("images", "image_size", "skip_corrupt", "features", "targets", "target_column", "id_column", "metadata_columns"),
    *("scale", "data_dir", "download", "weights", "keep_predictions", "drift", "paired_curves"),
}
"""Options that name what a user brings, or change no number of a protocol."""


@pytest.mark.parametrize("preset", PROTOCOLS, ids=lambda preset: preset.name)
def test_a_preset_is_a_whole_protocol(preset: Preset) -> None:
    """Every option that changes a number is written out; the short form and the reasons are of such options."""
    compare = SUITES.get("compare")
    names = {p.name for p in compare.parameters if not p.option.hidden} - LEFT_OUT
    missing = names - set(preset.options) - {"same_state", "replay", "curves"}
    assert missing == set()
    assert set(preset.quick) | set(preset.chosen) <= set(preset.options)
    for options in (preset.options, {**preset.options, **preset.quick}):
        restored = compare.typed(**options)
        questions = parse_questions(restored.questions)
        assert {name for q in questions for name in (q.first, q.second)} <= set(restored.strategies)
        assert len(every_seed(restored.seeds)) >= 4


def test_the_short_form_of_a_preset(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    words = ["--rounds", "1", "--seeds", "5", "--epochs", "2", "--strategies", "random,bait", "--questions"]
    ended = fbench("--preset", "poster", "--quick", *words, "bait > random", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    options = json.loads((tmp_path / "run/options.json").read_text())["options"]
    assert (options["dataset"], options["rounds"], options["folds"]) == ("digits", 1, 5)
    assert options["regularisation"] == "1,0.1,0.01"
    assert "What it cannot show: with 5 seeds, 80 % of runs see" in (tmp_path / "run/summary.md").read_text()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--quick", "--quick is the short form of a preset; give --preset NAME beside it, or fewer --seeds"),
        ("--preset fishermask --quick", "preset fishermask has no short form; give it fewer --seeds or --rounds"),
        ("--metric recall", "unknown --metric 'recall'"),
        ("--metric train-accuracy", "unknown --metric 'train-accuracy'"),
        ("--stop 1.1", "--stop 1.1: must be at most 1"),
        ("--hidden -1", "--hidden -1: must be at least 0"),
        ("--hidden 9", "--hidden 9: model small has no hidden width to choose; leave it out"),
        ("--dropout 1", "--dropout 1: must be at most 0.95"),
        ("--dropout 0.2", "--dropout 0.2: model small has no dropout to choose; take --model mlp, or leave it out"),
        (
            "--model mlp --dropout 0.2 --freeze",
            "--dropout changes nothing with --freeze, whose backbone is never trained; leave one out",
        ),
        ("--freeze --model linear", "--freeze changes nothing of --model linear, which has nothing below its head"),
        ("--freeze --augment", "--augment changes nothing with --freeze, whose features are computed once"),
        ("--weights nowhere.pt", "--weights nowhere.pt: no such file; give a file that torch.save wrote"),
        ("--model torchvision:nothing", "unknown model 'torchvision:nothing'"),
        (
            "--model torchvision:densenet121",
            "--model torchvision:densenet121 does not run on inputs of shape [1, 8, 8]",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_a_run(
    fbench: Callable[..., Ended], tmp_path: Path, words: str, text: str
) -> None:
    ended = fbench(*words.split(), "--out", tmp_path / "run")
    assert (ended.code, ended.out) == (2, "")
    assert text in " ".join(ended.err.split()), ended.err
    assert not (tmp_path / "run").exists()


def test_torchvision_is_listed_as_a_family(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["list", "models"]) == 0
    assert "torchvision:NAME" in capfd.readouterr().out
