"""The plan: automatic options filled in, and what could not run to its end refused before it starts."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch

from fbench.errors import DataError, ForeignError, InputError, SweepError, TooLargeError, UnknownNameError, UsageError
from fbench.fisher.planning.plan import with_margin
from fbench.harness import parsing
from fbench.harness.registry import DATASETS, MODELS, STRATEGIES, SUITES, Model, Strategy
from fbench.harness.suite import values_of
from fbench.learning import arm_options, arms
from fbench.learning.arm_options import ArmPoint
from fbench.learning.seed_groups import parse_seeds
from fbench.learning.strategies import classifier_parameters
from fbench.units import format_bytes

SMALL = 9648  # weights of the small network on digits: 9·16 + 16 + 16 + 9·16·32 + …; held to by a test below
CLASSIFIER = 160


def resolve(**changed: Any) -> Any:
    """Options of ``fbench compare`` with nothing automatic left; ``changed`` holds values, not texts as typed."""
    return arms.resolve_plan(SUITES.get("compare").restored(changed))


def arm(strategy: str, *seeds: int) -> ArmPoint:
    return ArmPoint(strategy, seeds or (0,))


def design(point: ArmPoint, options: Any) -> Any:
    return arms.design(point, ("cpu",), options, options.fisher_samples)


def network(name: str = "small") -> Any:
    return MODELS.get(name).build(1, (1, 8, 8), 10)


def test_what_the_figures_below_rest_on() -> None:
    small = network()
    assert sum(p.numel() for p in small.parameters()) == SMALL
    assert sum(small.get_parameter(name).numel() for name in classifier_parameters(small)) == CLASSIFIER


def test_nothing_stays_automatic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FBENCH_DATA_DIR", raising=False)
    resolved = resolve()
    assert resolved.model == "small"
    assert resolved.data_dir is None
    assert resolved.mask_fraction > 0
    shown = {p.name for p in SUITES.get("compare").parameters if not p.option.hidden}
    texts = {value for name, value in values_of(resolved).items() if name in shown and isinstance(value, str)}
    assert not {"auto", ""} & texts


@pytest.mark.parametrize("model", ["small", "thin-resnet18", "resnet18"])
def test_an_automatic_mask_is_at_least_twice_the_classifier(model: str) -> None:
    fraction = resolve(model=model).mask_fraction
    built = network(model)
    total = sum(p.numel() for p in built.parameters())
    classifier = sum(built.get_parameter(name).numel() for name in classifier_parameters(built))
    assert fraction * total >= 2 * classifier
    assert (fraction - 0.001) * total < 2 * classifier  # and no larger than it has to be


def test_of_a_network_that_is_nothing_but_its_classifier_a_mask_chooses_among_its_weights() -> None:
    def build(replicas: int, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), classes))

    MODELS.add(Model("one-layer", "", build))
    try:
        whole = resolve(model="one-layer")
        assert whole.mask_fraction == 0.1
        assert arms.resolve_plan(whole) == whole  # as a run that is taken up again has it
        assert arms.sizes_of(whole).masked == 65  # of 64 · 10 + 10
        with pytest.raises(UsageError, match=r"--mask-fraction 0.001 keeps 0 of 650 weights, none at all"):
            resolve(model="one-layer", mask_fraction=0.001)
    finally:
        del MODELS._values["one-layer"]


def test_the_model_fits_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    images = arms.load_images("digits", None, False)
    monkeypatch.setattr(arms, "load_images", lambda *_: images)
    assert resolve(dataset="digits").model == "small"
    assert resolve(dataset="cifar10").model == "thin-resnet18"
    assert resolve(dataset="digits", model="resnet18").model == "resnet18"


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    images = arms.load_images("digits", None, False)
    monkeypatch.setattr(arms, "load_images", lambda *_: images)
    monkeypatch.setenv("FBENCH_DATA_DIR", "/somewhere")
    assert resolve(dataset="cifar10").data_dir == "/somewhere"
    assert resolve(dataset="cifar10", data_dir="/typed").data_dir == "/typed"


def test_a_folder_that_means_nothing_does_not_make_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBENCH_DATA_DIR", "/somewhere")
    assert resolve(dataset="digits").data_dir is None


def test_cifar10_without_a_folder_says_where_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FBENCH_DATA_DIR", raising=False)
    with pytest.raises(DataError, match=r"--data-dir FOLDER or set FBENCH_DATA_DIR.*--download"):
        resolve(dataset="cifar10")


def test_more_labels_than_the_pool_are_refused() -> None:
    match = r"--start 20 \+ 8 rounds × --batch 10 = 100 labels, more than the pool's 99; lower --rounds or --batch"
    with pytest.raises(UsageError, match=match):
        resolve(pool=99, rounds=8, batch=10)
    resolve(pool=100, rounds=8, batch=10)  # everything may be bought


def test_fewer_labels_than_classes_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"--start 9 is fewer labels than the 10 classes"):
        resolve(start=9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve(start=10)


@pytest.mark.parametrize(("option", "value"), [("pool", 1439), ("test", 10_000)])
def test_more_images_than_there_are_are_refused(option: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"--{option} {value}: this data set allows 1 to"):
        resolve(**{option: value})


@pytest.mark.parametrize("fraction", [0.001, 0.0165])
def test_a_mask_no_larger_than_the_classifier_names_the_least(fraction: float) -> None:
    match = rf"--mask-fraction {fraction:g} keeps .* of 9,648 weights.*classifier's 160.*; the least that works is"
    with pytest.raises(UsageError, match=match) as refused:
        resolve(mask_fraction=fraction)
    least = float(str(refused.value).rpartition(" ")[2])
    assert resolve(mask_fraction=least).mask_fraction == least
    with pytest.raises(UsageError, match="the least that works"):
        resolve(mask_fraction=least - 2e-6)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"dataset": "digit"}, r"unknown data set 'digit'; did you mean 'digits'\? Known: .*cifar10"),
        ({"model": "thin-resnet"}, r"unknown model 'thin-resnet'; did you mean 'thin-resnet18'\?"),
        (
            {"model": "zzz"},
            r"unknown model 'zzz'\. Known: linear, mlp, resnet18, small, thin-resnet18, torchvision:NAME",
        ),
    ],
)
def test_unknown_names_offer_the_nearest(changed: dict[str, Any], match: str) -> None:
    with pytest.raises(UnknownNameError, match=match):
        resolve(**changed)


def test_strategies_are_registered_ones_in_the_order_typed() -> None:
    assert arm_options.parse_strategies("bait, random") == ("bait", "random")
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'bait\+fisch'; did you mean 'bait\+fish'\?"):
        arm_options.parse_strategies("random,bait+fisch")
    with pytest.raises(SweepError, match="strategy 'bait' stands twice"):
        arm_options.parse_strategies("bait,random,bait")
    with pytest.raises(SweepError, match="a strategy is missing here"):
        arm_options.parse_strategies("bait,,random")


@pytest.mark.parametrize("text", ["0", "-0.1", "1.01", "2", "abc", "", "nan", "inf", "5%"])
def test_mask_fractions_outside_their_range_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=rf"--mask-fraction {text}: must be above 0 and at most 1, or auto"):
        arm_options.parse_mask_fraction(text)


@pytest.mark.parametrize(("text", "value"), [("auto", 0.0), ("1", 1.0), ("0.002", 0.002), ("2e-3", 0.002)])
def test_mask_fractions(text: str, value: float) -> None:
    assert arm_options.parse_mask_fraction(text) == value


@pytest.mark.parametrize(
    "text", ["0", "-1", "rel:", "rel:0", "rel:-1", "abc", "", "nan", "inf", "rel:nan", "1:rel", "deff:", "deff:-1"]
)
def test_regularisations_that_are_not_positive_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=rf"--regularisation {text}: must be a positive number, or rel:c"):
        arm_options.check_regularisation(text)


@pytest.mark.parametrize("text", ["1", "0.01", "1e-3", "rel:0.5", "rel:1e-2", "deff:12"])
def test_regularisations_are_kept_as_typed(text: str) -> None:
    assert arm_options.check_regularisation(text) == text


@pytest.mark.parametrize(
    ("option", "good", "bad", "near"),
    [("dtype", "float64", "float16", "float"), ("fisher_on", "labelled", "labeled", "labelled")],
)
def test_choices(option: str, good: str, bad: str, near: str) -> None:
    parameter = next(p for p in SUITES.get("compare").parameters if p.name == option)
    assert parameter.option.parse is not None
    assert parameter.option.parse(good) == good
    flag = "--" + option.replace("_", "-")
    with pytest.raises(UnknownNameError, match=rf"unknown {flag} '{bad}'; did you mean '{near}.*'\? Known: "):
        parameter.option.parse(bad)


@pytest.mark.parametrize(
    ("seeds", "model", "blocks"),
    [
        ("1", "small", [(0,)]),
        ("8", "small", [tuple(range(8))]),
        ("11", "small", [tuple(range(8)), (8, 9, 10)]),
        ("0..1,4..13", "small", [(0, 1), tuple(range(4, 12)), (12, 13)]),
        ("3", "thin-resnet18", [(0,), (1,), (2,)]),
    ],
)
def test_seeds_go_in_the_models_blocks(seeds: str, model: str, blocks: list[tuple[int, ...]]) -> None:
    assert arm_options.seed_blocks(parse_seeds(seeds), SUITES.get("compare").typed(model=model)) == blocks


def test_a_design_takes_every_option_along() -> None:
    options = resolve(
        pool=120, test=40, epochs=3, train_batch=9, learning_rate=0.5, weight_decay=0.25, oversample=1.5,
        regularisation="rel:2", fisher_on="labelled", dtype="float64", start=11, batch=7, rounds=2,
    )  # fmt: skip
    made = arms.design(arm("bait", 0, 3), ("cpu", "cpu"), options, 77)
    assert (made.strategy.name, made.model.name, made.seeds) == ("bait", "small", (0, 3))
    assert (made.start, made.batch, made.rounds) == (11, 7, 2)
    assert [len(pool.ids) for pool in made.pools] == [120, 120]
    assert [len(pool.test_targets) for pool in made.pools] == [40, 40]
    assert not torch.equal(made.pools[0].ids, made.pools[1].ids)
    recipe, how = made.recipe, made.acquisition
    assert (recipe.epochs, recipe.train_batch, recipe.learning_rate, recipe.weight_decay) == (3, 9, 0.5, 0.25)
    assert (how.regularisation, how.oversample, how.fisher_samples) == ("rel:2", 1.5, 77)
    assert (how.fisher_on, how.dtype, how.devices) == ("labelled", "float64", ("cpu", "cpu"))
    assert how.mask_fraction == options.mask_fraction


def test_a_prediction_counts_trainings_selections_and_the_dimension() -> None:
    options = resolve(pool=200, rounds=3, batch=5, start=12, epochs=2)
    bait = arms.predict_plan(arm("bait", 0, 1), options)
    assert bait["trainings"] == "8"
    assert bait["selections"] == "6"
    assert bait["images trained on"] == str(2 * (12 + 17 + 22 + 27) * 2)
    assert (bait["pool"], bait["d"]) == ("200", "160")
    assert arms.predict_plan(arm("random"), options)["d"] == ""
    assert int(arms.predict_plan(arm("bait+fish"), options)["d"]) >= 320


@pytest.mark.parametrize(
    ("name", "d", "rows"),
    [
        ("bait", 160, 9),
        ("bait-top2", 160, 2),
        ("bait-binary", 16, 1),
        ("bait-pca", 40, 9),
        ("bait-diagonal", 160, 9),
        ("bait+fish", 328, 9),
        ("bait+random-mask", 328, 9),
        ("bait+magnitude@200", 200, 9),
    ],
)
def test_every_arm_knows_its_dimension(name: str, d: int, rows: int) -> None:
    plan_of = STRATEGIES.get(name).plan
    assert plan_of is not None
    shape = plan_of(arms.sizes_of(resolve())).shape
    assert (shape.n, shape.dim, shape.rows) == (1438, d, rows)
    predicted = arms.predict_plan(arm(name), resolve())
    assert predicted["d"] == str(d)
    assert predicted["embedding"]
    assert predicted["a selection"]
    assert (predicted["d×d matrices"] == "") == (name == "bait-diagonal")


def test_a_subsamples_pool_is_that_of_the_last_round() -> None:
    plan_of = STRATEGIES.get("bait-subsample").plan
    assert plan_of is not None
    assert plan_of(arms.sizes_of(resolve(start=20, rounds=10, batch=20))).shape.n == 20 + 9 * 20 + 200
    assert plan_of(arms.sizes_of(resolve(start=20, rounds=2, batch=200))).shape.n == 1438


def test_an_arm_that_does_not_say_is_given_no_figures(registries: Any) -> None:
    STRATEGIES.add(Strategy("stranger", "", lambda state, size: None))
    predicted = arms.predict_plan(arm("stranger"), resolve())
    assert {predicted[name] for name in ("d", "embedding", "d×d matrices", "a selection")} == {""}
    assert arms.relative_cost("stranger", resolve()) == arms.relative_cost("bait+fish", resolve())
    arms.check_selection_fits("stranger", ("cpu",), resolve())


def test_an_arm_that_does_not_fit_is_refused_before_its_first_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the arms that would fit are named; the same function refuses as in a selection."""
    need = arms.plan_of("bait-diagonal", arms.sizes_of(resolve()))
    assert need is not None
    room = with_margin(need.growth + need.inputs)  # the embedding is yet to be made
    monkeypatch.setattr("fbench.fisher.planning.fitting.free_bytes", lambda device: room)
    match = (
        r"^bait\+fish: the selection needs .* beyond its inputs, .* to spare, and .* are free on cpu: d = 328; in .*"
        r".*\. Of --strategies badge, bait-binary, bait-diagonal, .*random, typiclust fit$"
    )
    with pytest.raises(TooLargeError, match=match) as refused:
        design(arm("bait+fish"), resolve())
    assert "bait+random-mask" not in str(refused.value)
    for name in ("random", "bait-binary", "bait-diagonal"):
        design(arm(name), resolve())
    monkeypatch.setattr("fbench.fisher.planning.fitting.free_bytes", lambda device: room - 1)
    with pytest.raises(TooLargeError, match=r"^bait-diagonal: the selection needs"):
        design(arm("bait-diagonal"), resolve())


def test_an_arm_that_says_what_it_holds_is_planned_and_refused_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """K of 1,438 · 9 rows in float32, and another of its size for d_eff."""
    held = 2 * 4 * (1438 * 9) ** 2
    assert arms.held_bytes(arm("bait-full"), resolve()) == held
    predicted = arms.predict_plan(arm("bait-full"), resolve())
    assert predicted["a selection"] == format_bytes(held)
    assert predicted["d×d matrices"] == ""
    monkeypatch.setattr("fbench.fisher.planning.fitting.free_bytes", lambda device: with_margin(held) - 1)
    match = r"^bait-full: the selection holds .*, .* with 15 % to spare, and .* are free on cpu\. Of --strategies .*"
    with pytest.raises(TooLargeError, match=match) as refused:
        design(arm("bait-full"), resolve())
    assert "bait-full," not in str(refused.value)
    monkeypatch.setattr("fbench.fisher.planning.fitting.free_bytes", lambda device: with_margin(held))
    design(arm("bait-full"), resolve())


def test_an_arm_is_planned_with_its_own_picks() -> None:
    few, many = (arms.plan_of("bait", arms.sizes_of(resolve(oversample=times, batch=20))) for times in (1.0, 3.0))
    assert few is not None
    assert many is not None
    assert (few.sizes.picks, few.sizes.removals) == (20, 0)
    assert (many.sizes.picks, many.sizes.removals) == (60, 40)


def test_masked_arms_cost_more_than_bait_and_bait_more_than_random() -> None:
    costs = [arms.relative_cost(name, resolve()) for name in ("random", "bait", "bait+fish", "bait-full")]
    assert costs == sorted(costs)
    assert len(set(costs)) == 4


def test_every_built_in_data_set_has_a_description() -> None:
    assert all(dataset.description for dataset in DATASETS)


def test_sweeps_and_budgets_may_be_left_open() -> None:
    assert (parsing.parse_auto_sweep("auto"), parsing.parse_auto_sweep(" auto ")) == ((), ())
    assert parsing.parse_auto_sweep("4..16") == (4, 8, 16)
    assert (parsing.parse_budget(""), parsing.parse_budget("2KiB")) == (None, 2048)
    for text in ("automatic", "0", ""):
        with pytest.raises(SweepError):
            parsing.parse_auto_sweep(text)
    for text in ("lots", "0", "-1"):
        with pytest.raises(UsageError, match=text):
            parsing.parse_budget(text)


def test_all_is_planned_with_its_one_training() -> None:
    options = resolve(strategies=("random", "all"), pool=200, rounds=3, batch=5, start=12, epochs=2)
    planned = arms.predict_plan(arm("all", 0, 1), options)
    assert (planned["trainings"], planned["selections"]) == ("2", "0")
    assert planned["images trained on"] == str(2 * 200 * 2)
    assert arms.relative_cost("all", options) == 300 * 200 / (4 * (12 + 3 * 5 / 2))


def test_all_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="--strategies all: trains on the whole pool and buys nothing; name an arm"):
        resolve(strategies=("all",))


def test_an_arm_that_cannot_work_with_the_model_is_refused_before_the_run() -> None:
    with pytest.raises(UsageError, match=r"SmallNet has none; take --model mlp --dropout 0\.2, or another"):
        resolve(strategies=("random", "bald"))


def test_an_effort_that_is_none(registries: Any) -> None:
    propose = STRATEGIES.get("random").propose
    STRATEGIES.add(Strategy("stranger", "", propose, plan=lambda sizes: None, effort=lambda sizes: 3))
    match = "effort of strategy 'stranger' gave a int; it must give an Effort"
    with pytest.raises(ForeignError, match=match):
        arms.effort_of("stranger", arms.sizes_of(resolve()))
