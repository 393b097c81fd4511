"""What can be watched of a run, and what is refused before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import fbench.learning.models  # noqa: F401  (registers the models)
from fbench.errors import UnknownNameError, UsageError
from fbench.harness import registry
from fbench.harness.parsing import some_of
from fbench.learning.arm_options import ArmPoint
from fbench.suites.drift import plan
from fbench.suites.drift.options import Options, parse_mask_fractions
from fbench.suites.drift.plan import halves, resolve_drift, shown, watched

POOL = 1438
ARM = ArmPoint("random", (0,))


def options(**values: Any) -> Options:
    """The defaults of ``fbench drift`` on the digits' own small network, but for these values."""
    made: Options = registry.SUITES.get("drift").restored({"model": "small", **values})
    return made


def test_automatic_options() -> None:
    resolved = resolve_drift(options())
    assert resolved.fisher_samples == (POOL // 10,)
    assert resolved.fractions == (0.034, 0.05, 0.2)
    assert resolve_drift(options(mask_fraction=0.2)).fractions == (0.2,)
    assert resolve_drift(options(fisher_on="labelled")).fisher_samples == (2,)
    assert resolve_drift(options(fisher_on="unlabelled")).fisher_samples == ((POOL - 220) // 10,)


def test_published_samples_where_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.arms, "pool_length", lambda options: 50_000)
    assert resolve_drift(options()).fisher_samples == (1024,)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (
            {"fisher_samples": (8, 720)},
            r"--fisher-samples 720: two disjoint draws .* --fisher-on pool has 1,438 .*; 719 is",
        ),
        (
            {"fisher_samples": (11,), "fisher_on": "labelled"},
            "--fisher-on labelled has 20 in the round .*; 10 is the most",
        ),
        ({"fisher_samples": (610,), "fisher_on": "unlabelled"}, "--fisher-on unlabelled has 1,218 .*; 609 is the most"),
        ({"fractions": (0.05, 0.01)}, "--fractions 0.01 keeps 96 of 9,648 weights, no more than the classifier's 160"),
        (
            {"fractions": (1e-5,), "classifier": ("free",)},
            "--fractions 1e-05 keeps 0 of 9,648 weights, none at all; the least that works is 0.000104",
        ),
        ({"batch": 200}, "more than the pool's 1,438"),
    ],
)
def test_what_cannot_be_had_is_refused(values: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        resolve_drift(options(**values))


def test_one_batch_for_all_labels_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="one batch of --train-batch 220 holds all of the 220 labels"):
        resolve_drift(options(train_batch=220))
    resolve_drift(options(train_batch=220, retrain=0))
    resolve_drift(options(train_batch=219))


def test_redraws_are_bounded() -> None:
    resolve_drift(options(redraws=(1, 100)))
    with pytest.raises(UsageError, match="--redraws 1,000: must be at most 100"):
        resolve_drift(options(redraws=(1000,)))


def test_a_free_classifier_allows_less() -> None:
    assert resolve_drift(options(fractions=(0.001,), classifier=("free",))).fractions == (0.001,)


def test_the_least_fraction_named_works() -> None:
    assert resolve_drift(options(fractions=(0.000104,), classifier=("free",)))
    assert resolve_drift(options(fractions=(0.016688,)))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("auto", ()),
        (" auto ", ()),
        ("0.05", (0.05,)),
        ("0.2, 0.01,0.2", (0.2, 0.01)),
        ("1", (1.0,)),
        ("1e-3", (0.001,)),
    ],
)
def test_fractions_keep_their_order(text: str, values: tuple[float, ...]) -> None:
    assert parse_mask_fractions(text) == values


@pytest.mark.parametrize("text", ["0", "1.5", "0.1,,0.2", "0.1..0.2", "", "nan", "-0.1", "half"])
def test_what_is_no_fraction_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="must be above 0 and at most 1, as 0"):
        parse_mask_fractions(text)


def test_some_of_several_choices() -> None:
    parse = some_of("--rules", "global", "layer")
    assert parse("layer,global") == ("layer", "global")
    with pytest.raises(UnknownNameError, match="layr"):
        parse("layr")


def test_a_strategy_selects_on_both_draws() -> None:
    resolved = resolve_drift(options(fisher_samples=(50, 100), redraws=(1, 2), rules=("layer",), classifier=("free",)))
    design, grid = watched(ARM, ("cpu",), resolved)
    assert design.acquisition.fisher_samples == 200
    assert design.acquisition.fisher_cuts == grid.samples == (50, 100)
    assert (grid.redraws, grid.rules, grid.classifier) == ((1, 2), ("layer",), ("free",))
    assert grid.fractions == resolved.fractions
    assert len(grid.recipes) == 2 * len(resolved.fractions)


@pytest.mark.parametrize(
    ("samples", "values", "half"),
    [(1024, {}, 512), (5000, {}, POOL // 2), (7, {}, 3), (1024, {"fisher_on": "labelled"}, 10)],
)
def test_an_arm_of_compare_shows_its_own_mask_by_halves(samples: int, values: dict[str, Any], half: int) -> None:
    resolved = replace(resolve_drift(options(mask_fraction=0.05)), **values)
    design, grid = shown(ARM, ("cpu",), resolved, samples)
    assert grid.samples == design.acquisition.fisher_cuts == (half,)
    assert grid.fractions == (0.05,)
    assert design.acquisition.fisher_samples == samples


@pytest.mark.parametrize(("samples", "values"), [(1, {}), (9, {"fisher_on": "labelled", "start": 1})])
def test_a_single_image_has_no_halves(samples: int, values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--drift compares masks from two halves .* make none; 2 are the least"):
        halves(replace(resolve_drift(options()), **values), samples)
