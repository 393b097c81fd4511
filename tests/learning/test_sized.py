"""Arms on D weights of one's own: their names, their masks at equal d, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

import fbench.fisher.gradients.masked
import fbench.fisher.gradients.sketched
from fbench.errors import InputError, UnknownNameError, UsageError
from fbench.fisher.embeddings import DenseEmbedding
from fbench.fisher.masks import Mask
from fbench.fisher.planning.operations import selection_operations
from fbench.harness.registry import STRATEGIES
from fbench.learning.arm_options import parse_strategies
from fbench.learning.data import Pool
from fbench.learning.strategies import Acquisition, LearnerState, Sizes
from fbench.learning.strategies.masked import RULES, fish_mask
from fbench.learning.strategies.sketched import sketch_of

N, CLASSES = 24, 3
LABELLED = (5, 0, 17)
HEAD, TOTAL = 8 * 3 + 3, 16 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3
MASKED = [rule.name for rule in RULES]


def small_network() -> nn.Sequential:
    g = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    for p in network.parameters():
        nn.init.normal_(p, std=0.5, generator=g)
    return network.eval()


@pytest.fixture(scope="module")
def state() -> LearnerState:
    g = torch.Generator().manual_seed(1)
    images = torch.rand(N, 1, 4, 4, generator=g)
    targets = torch.randint(CLASSES, (N,), generator=g)
    pool = Pool(images, targets, torch.arange(N), images[:2], targets[:2], CLASSES)
    how = Acquisition(mask_fraction=0.4, fisher_samples=16)
    return LearnerState(small_network(), pool, torch.tensor(LABELLED), seed=0, round=1, acquisition=how)


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> list[Mask]:
    """Every mask that an embedding was made on."""
    made: list[Mask] = []
    real = fbench.fisher.gradients.masked.masked_embedding

    def spy(network: nn.Module, images: torch.Tensor, mask: Mask, **how: Any) -> Any:
        made.append(mask)
        return real(network, images, mask, **how)

    monkeypatch.setattr(fbench.fisher.gradients.masked, "masked_embedding", spy)
    return made


@pytest.mark.parametrize("name", MASKED)
def test_an_arm_keeps_exactly_so_many_weights(state: LearnerState, masks: list[Mask], name: str) -> None:
    for size in (HEAD + 1, 77, 120):
        proposal = STRATEGIES.get(f"{name}@{size}").propose(state, 4)
        assert masks.pop().size == proposal.facts["dim"] == size
        assert len(set(proposal.positions.tolist()) - set(LABELLED)) == 4
    without = STRATEGIES.get(name).propose(state, 4)
    assert masks.pop().size == without.facts["dim"] == int(0.4 * TOTAL)
    same = STRATEGIES.get(f"{name}@{int(0.4 * TOTAL)}").propose(state, 4)
    assert same.positions.tolist() == without.positions.tolist()


def flat(values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([layer.flatten() for layer in values.values()])


def test_which_weights_the_controls_keep(state: LearnerState, masks: list[Mask]) -> None:
    """Each against the plain meaning of its name, on the same diagonal and network."""
    names = [
        f"bait+{rule}" for rule in ("fish", "fish-layer", "fish-body", "magnitude", "random-global", "random-mask")
    ]
    assert sorted(names) == sorted(MASKED)
    for name in names:
        STRATEGIES.get(f"{name}@90").propose(state, 4)
    fish, by_layer, body, magnitude, anywhere, like_fish = masks
    F, parameters = state.fisher.whole(), dict(state.network.named_parameters())
    head = [name.startswith("5.") for name, p in parameters.items() for _ in range(p.numel())]
    below = ~torch.tensor(head)

    def largest(values: Mapping[str, torch.Tensor], count: int) -> set[int]:
        return set(flat(values).where(below, -torch.inf).topk(count).indices.tolist())

    def free(mask: Mask) -> set[int]:
        return set((flat(mask) & below).nonzero()[:, 0].tolist())

    assert free(fish) == largest(F, 90 - HEAD)
    assert free(body) == largest(F, 90)
    assert free(magnitude) == largest({name: p.abs() for name, p in parameters.items()}, 90 - HEAD)
    shares = [by_layer.counts()[name] / p.numel() for name, p in parameters.items() if name not in by_layer.always]
    assert max(shares) - min(shares) <= 1 / 8  # a bias has 8 weights
    for name in ("1.weight", "3.weight"):
        assert F[name][by_layer[name]].min() >= F[name][~by_layer[name]].max()
    assert like_fish.counts() == fish.counts()
    assert len({frozenset(free(mask)) for mask in masks}) == len(names)
    for mask in (fish, by_layer, magnitude, anywhere, like_fish):
        assert bool(flat(mask)[~below].all())
    assert not flat(body)[~below].any()


def test_random_weights_of_the_network_are_drawn_anew_every_round(state: LearnerState, masks: list[Mask]) -> None:
    for index in (1, 1, 2):
        STRATEGIES.get("bait+random-global@90").propose(dataclasses.replace(state, round=index), 4)
    first, again, later = masks
    assert first.jaccard(again) == 1
    assert first.jaccard(later) != 1


def test_a_sketch_hashes_all_weights_alike_in_all_rounds(state: LearnerState, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[DenseEmbedding] = []
    real = fbench.fisher.gradients.sketched.sketched_embedding
    monkeypatch.setattr(
        fbench.fisher.gradients.sketched, "sketched_embedding", lambda *words: made.append(real(*words)) or made[-1]
    )
    for size in (1, 90, TOTAL):
        for changed in ({}, {"round": 2}, {"seed": 1}):
            proposal = STRATEGIES.get(f"bait+sketch@{size}").propose(dataclasses.replace(state, **changed), 4)
            assert proposal.facts["dim"] == size
        first, later, another = (V.dense() for V in made[-3:])
        torch.testing.assert_close(first, real(state.network, state.pool.images, sketch_of(state, size)).dense())
        assert torch.equal(first, later)
        assert not torch.equal(first, another)
    check = STRATEGIES.get(f"bait+sketch@{TOTAL + 1}").check
    assert check is not None
    with pytest.raises(InputError, match=rf"it keeps 1 to {TOTAL}; take a number from there, as bait\+sketch@2$"):
        check(state.network)


def test_a_sketch_says_what_it_costs() -> None:
    """The passes of every row, and additions for every weight, beside the selection that a mask of its size takes."""
    sizes = Sizes(n=100, labels=10, batch=5, classes=4, features=16, masked=50, weights=1000)
    plain, sized = (STRATEGIES.get(name).effort for name in ("bait+sketch", "bait+sketch@80"))
    assert plain is not None
    assert sized is not None
    assert plain(sizes).passes == sized(sizes).passes == 1 + 2 * 3
    more = selection_operations(sizes.mask(80), sizes.counts) - selection_operations(sizes.mask(), sizes.counts)
    assert sized(sizes).operations - plain(sizes).operations == pytest.approx(more)
    twice = plain(dataclasses.replace(sizes, weights=2000)).operations - plain(sizes).operations
    assert twice == 110 * 100 * 3 * 1000
    assert STRATEGIES.get("bait+fish@80").effort is None


def test_the_size_is_planned_with() -> None:
    sizes = Sizes(n=100, labels=10, batch=5, classes=4, features=16, masked=50)
    for name, d in (("bait+fish", 50), ("bait+fish@77", 77), ("bait+random-mask@5000", 5000), ("bait+sketch@60", 60)):
        declared = STRATEGIES.get(name).plan
        assert declared is not None
        assert declared(sizes).shape.dim == d


def test_a_size_is_part_of_the_name() -> None:
    assert parse_strategies("random,bait+fish,bait+fish@328") == ("random", "bait+fish", "bait+fish@328")
    assert STRATEGIES.get("bait+fish@328") is STRATEGIES.get("bait+fish@328")
    assert STRATEGIES.get("bait+fish@1234").description.endswith("; 1,234 in all")
    assert not any("@" in name for name in STRATEGIES.names())
    assert "bait+NAME@D" in [family.name for family in STRATEGIES.families()]


@pytest.mark.parametrize("number", ["", "0", "-3", "+5", "0328", "1e3", "2^9", "3.0", "9" * 400])
def test_a_size_is_a_whole_number(number: str) -> None:
    match = r"^strategy bait\+fish@.*: behind the @ stands how many weights it keeps in all, .* as bait\+fish@328$"
    with pytest.raises(UsageError, match=match):
        STRATEGIES.get(f"bait+fish@{number}")


@pytest.mark.parametrize("name", ["bait+fisch@328", "random@5", "@5", "bait+fish@3@4", "skactiveml:Badge@5"])
def test_other_arms_take_no_size(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown strategy .* Known: .*bait\+fish@D, "):
        STRATEGIES.get(name)


@pytest.mark.parametrize("size", [HEAD, TOTAL + 1])
def test_a_size_lies_between_the_classifier_and_all_weights(state: LearnerState, size: int) -> None:
    match = (
        rf"^strategy bait\+fish@{size}: {size} weights; of the {TOTAL} of Sequential it keeps {HEAD + 1} to {TOTAL}, "
        rf"the classifier's {HEAD} always among them; take a number from there, as bait\+fish@{2 * HEAD + 2}$"
    )
    check = STRATEGIES.get(f"bait+fish@{size}").check
    assert check is not None
    with pytest.raises(InputError, match=match):
        check(state.network)


def test_a_fraction_is_held_to_the_same_limits(state: LearnerState) -> None:
    little = dataclasses.replace(state, acquisition=dataclasses.replace(state.acquisition, mask_fraction=0.01))
    with pytest.raises(InputError, match=rf"^strategy bait\+fish: 2 weights; .* keeps {HEAD + 1} to {TOTAL}, "):
        STRATEGIES.get("bait+fish").propose(little, 4)


def test_what_leaves_the_classifier_out_needs_other_weights(state: LearnerState) -> None:
    most = TOTAL - HEAD
    check = STRATEGIES.get(f"bait+fish-body@{most + 1}").check
    assert check is not None
    with pytest.raises(InputError, match=rf"keeps 1 to {most}, the classifier's {HEAD} never among them; .*-body@2$"):
        check(state.network)
    for name in ("bait+fish-body", "bait+fish-body@5"):
        check = STRATEGIES.get(name).check
        assert check is not None
        with pytest.raises(
            InputError, match=r"^strategy bait\+fish-body: Linear has no weights that it could keep, the"
        ):
            check(nn.Linear(16, 3))


def test_of_a_network_that_is_its_classifier_a_mask_takes_any_part(state: LearnerState, masks: list[Mask]) -> None:
    head = dataclasses.replace(state, network=nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval())
    for size in (1, 51):
        check = STRATEGIES.get(f"bait+fish@{size}").check
        assert check is not None
        check(head.network)
        STRATEGIES.get(f"bait+fish@{size}").propose(head, 4)
        assert masks.pop().size == size
    with pytest.raises(InputError, match=r"of the 51 of Sequential it keeps 1 to 51; take a number from there"):
        STRATEGIES.get("bait+fish@52").check(head.network)  # type: ignore[misc] # it has one


def test_a_larger_fish_mask_holds_the_smaller(state: LearnerState) -> None:
    few, many = fish_mask(state, 60), fish_mask(state, 90)
    assert all(bool((many[name] | ~few[name]).all()) for name in few)
