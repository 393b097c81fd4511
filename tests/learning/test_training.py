"""Training: replicas side by side are trainings alone, to the bit where that is promised."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

import fbench.learning.models  # noqa: F401  (registers the models)
from fbench.errors import InputError
from fbench.harness.registry import MODELS, Model
from fbench.learning.networks import ResNet18, SmallNet
from fbench.learning.recipe import Recipe
from fbench.learning.training import initial_network, train_block

SMALL = MODELS.get("small")
QUICK = Recipe(epochs=3, train_batch=8, learning_rate=0.01)
THIN = Model("thin", "", lambda s, shape, k: ResNet18(s, shape[0], k, widths=(16, 32, 64, 128)), block=2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other lose a hundredfold on cores shared with other programs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def labelled(seeds: Sequence[int], samples: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """A set that depends on each seed alone: images [S, n, 1, 8, 8] and targets [S, n] of four classes."""
    x, y = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        x.append(torch.rand(samples, 1, 8, 8, generator=generator, dtype=torch.float64).to(dtype))
        y.append(torch.randint(4, (samples,), generator=generator))
    return torch.stack(x), torch.stack(y)


def train(
    model: Model,
    seeds: Sequence[int],
    samples: int = 19,
    recipe: Recipe = QUICK,
    dtype: torch.dtype = torch.float32,
    round_index: int = 0,
) -> list[nn.Module]:
    x, y = labelled(seeds, samples, dtype)
    return train_block(model, x, y, seeds, classes=4, recipe=recipe, round_index=round_index)


def states(networks: Sequence[nn.Module]) -> list[dict[str, Tensor]]:
    return [network.state_dict() for network in networks]


def assert_states(state: Sequence[nn.Module], expected: Sequence[nn.Module], **tolerance: float) -> None:
    for one, two in zip(states(state), states(expected), strict=True):
        torch.testing.assert_close(one, two, **({"rtol": 0, "atol": 0} | tolerance))


def alone(model: Model) -> Model:
    return dataclasses.replace(model, block=1)


@pytest.mark.parametrize(("model", "seeds"), [(SMALL, range(8)), (THIN, (4, 1))], ids=["small", "thin"])
def test_side_by_side_equals_alone_in_float64(model: Model, seeds: Sequence[int]) -> None:
    together = train(model, seeds, samples=11, dtype=torch.float64)
    apart = [train(alone(model), [seed], samples=11, dtype=torch.float64)[0] for seed in seeds]
    assert_states(together, apart, atol=1e-9)


def test_side_by_side_equals_alone_in_float32_to_rounding() -> None:
    # Logits, not weights: AdamW's first steps have the rate's length whatever the gradient's, so a weight
    # whose gradient is rounding alone moves either way (by 5e-3 here), to no effect. Measured: 9e-4.
    x, _ = labelled(range(8), 19)
    together = train(SMALL, range(8))
    for seed, network in enumerate(together):
        apart = train(alone(SMALL), [seed])[0]
        torch.testing.assert_close(network(x[seed]), apart(x[seed]), rtol=0, atol=5e-3)


@pytest.mark.parametrize(("samples", "threads"), [(2, 1), (130, 1), (19, 2)])
def test_a_seed_does_not_depend_on_the_others(samples: int, threads: int) -> None:
    torch.set_num_threads(threads)
    recipe = Recipe(epochs=3)
    assert_states(train(SMALL, [3], samples, recipe), train(SMALL, range(8), samples, recipe)[3:4])


def test_a_seed_does_not_depend_on_its_place() -> None:
    assert_states(train(SMALL, [5, 2, 7])[1:2], train(SMALL, [2]))


def test_another_process_gives_the_same_bits() -> None:
    program = textwrap.dedent(f"""
        import torch
        import fbench.learning.models
        from fbench.learning.training import Recipe, train_block
        from fbench.harness.registry import MODELS
        torch.set_num_threads({torch.get_num_threads()})
        x = torch.arange(2 * 19 * 64).remainder(97).div(97).view(2, 19, 1, 8, 8)
        y = torch.arange(38).view(2, 19) % 4
        networks = train_block(MODELS.get("small"), x, y, [0, 1], classes=4, recipe=Recipe(epochs=3))
        found = [value.double().sum().item().hex() for n in networks for value in n.state_dict().values()]
    """)
    here: dict[str, list[str]] = {}
    exec(program, here)
    there = subprocess.run([sys.executable, "-c", program + "print(found)"], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == str(here["found"])


def test_nobody_elses_random_numbers_move() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train(SMALL, [0])
    assert torch.equal(torch.rand(3), expected)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    first, second = (initial_network(SMALL, 3, (1, 8, 8), 4) for _ in range(2))
    assert_states([first], [second])
    other = initial_network(SMALL, 4, (1, 8, 8), 4)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert_states([first], [initial_network(alone(SMALL), 3, (1, 8, 8), 4)])


def test_the_round_changes_the_batch_order() -> None:
    first, again, later = (train(SMALL, [0], round_index=index)[0] for index in (0, 0, 1))
    assert_states([first], [again])
    assert not torch.equal(first.classifier.weight, later.classifier.weight)


def test_it_learns() -> None:
    x, y = labelled([0, 1], 40)
    x += y[:, :, None, None, None]
    for network, images, targets in zip(
        train_block(SMALL, x, y, [0, 1], classes=4, recipe=Recipe(epochs=30)), x, y, strict=True
    ):
        assert (network(images).argmax(1) == targets).float().mean() > 0.9


def test_networks_come_back_in_eval_mode_and_of_one_replica() -> None:
    networks = train(SMALL, [0, 1])
    assert [network.training for network in networks] == [False, False]
    assert all(isinstance(network.classifier, nn.Linear) for network in networks)
    assert all(parameter.is_contiguous() for network in networks for parameter in network.parameters())


def test_statistics_are_those_of_the_labelled_images() -> None:
    x, _ = labelled([2], 19)
    network = train(SMALL, [2])[0]
    activations = network.convolutions[0](x[0]).transpose(0, 1).flatten(1)
    norm = network.norms[0]
    torch.testing.assert_close(norm.running_mean, activations.mean(1))
    torch.testing.assert_close(norm.running_var, activations.var(1))
    assert norm.momentum == 0.1


def test_sets_may_be_lists_and_may_lack_classes() -> None:
    x, y = labelled([0, 1], 5)
    recipe = Recipe(epochs=1)
    lists = train_block(SMALL, list(x), list(y), [0, 1], classes=9, recipe=recipe)
    assert lists[0].classifier.weight.shape == (9, 16)
    assert_states(lists, train_block(SMALL, x, y, [0, 1], classes=9, recipe=recipe))


def test_one_labelled_image_leaves_batch_norm_alone() -> None:
    network = train(SMALL, [0], samples=1)[0]
    assert network.norms[0].running_mean.eq(0).all()
    assert network.norms[0].running_var.eq(1).all()


def test_a_model_that_knows_no_replicas() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
            self.head = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x))  # type: ignore[no-any-return]

    model = Model("plain", "", lambda replicas, shape, classes: Plain())
    first, again = train(model, [6]), train(model, [6])
    assert isinstance(first[0], Plain)
    assert_states(first, again)


def test_too_many_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="9 seeds for model 'small'; one call trains 1 to 8"):
        train(SMALL, range(9))


def test_unequal_sets_are_refused() -> None:
    x, y = labelled([0, 1], 5)
    with pytest.raises(InputError, match="differ in shape; give every seed equally many labels"):
        train_block(SMALL, [x[0], x[1, :4]], [y[0], y[1, :4]], [0, 1], classes=4, recipe=QUICK)


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, y = labelled([0, 1], 5)
    with pytest.raises(InputError, match=r"targets \(2, 4\) and 2 seeds do not fit; give \[S, n, c, h, w\]"):
        train_block(SMALL, x, y[:, :4], [0, 1], classes=4, recipe=QUICK)


def test_a_class_out_of_range_is_refused() -> None:
    x, _ = labelled([0], 5)
    with pytest.raises(InputError, match=r"targets go from 0 to 7; 4 classes are 0 to 3"):
        train_block(SMALL, x, torch.tensor([[0, 1, 7, 2, 3]]), [0], classes=4, recipe=QUICK)


def test_a_training_that_diverges_is_named() -> None:
    x, y = labelled([0, 1], 5)
    x[1, 2] = float("nan")
    message = r"training of seed 1 diverged: .*; lower the learning rate from 0\.01, or look for NaN"
    with pytest.raises(InputError, match=message):
        train_block(SMALL, x, y, [0, 1], classes=4, recipe=QUICK)


def test_the_small_network_trained_alone_is_a_plain_loop() -> None:
    """The fast path against a loop that is evidently right, in float64."""
    x, y = labelled([1], 9, dtype=torch.float64)
    recipe = Recipe(epochs=2, train_batch=64, learning_rate=0.01, warmup=0.0)
    state = train_block(SMALL, x, y, [1], classes=4, recipe=recipe)[0]
    network = initial_network(SMALL, 1, (1, 8, 8), 4).double()
    assert isinstance(network, SmallNet)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.01)
    for rate in (0.01, 0.005):  # a whole cosine in two steps
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(network(x[0]), y[0]))
        optimiser.step()
    expected = dict(network.named_parameters())
    torch.testing.assert_close(dict(state.named_parameters()), expected, rtol=0, atol=1e-9)


# Other inputs, other models


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_perceptrons_of_many_seeds_are_trained_as_alone(name: str) -> None:
    x, y = (values.flatten(2) if values.dim() > 2 else values for values in labelled(range(3), 19, torch.float64))
    model = MODELS.get(name)
    together = train_block(model, x, y, range(3), classes=4, recipe=QUICK)
    apart = [train_block(alone(model), x[s : s + 1], y[s : s + 1], [s], classes=4, recipe=QUICK)[0] for s in range(3)]
    assert_states(together, apart, atol=1e-9)
    assert model.block == 8


def test_token_ids_are_trained_on_as_they_are() -> None:
    def build(replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.EmbeddingBag(50, 6), nn.Linear(6, classes))

    tokens, y = torch.randint(50, (1, 19, 7), generator=torch.Generator().manual_seed(0)), torch.arange(19)[None] % 4
    (network,) = train_block(Model("bag", "", build), tokens, y, [0], classes=4, recipe=QUICK)
    assert network(tokens[0]).dtype == torch.float32


# Training to an accuracy


def bands() -> tuple[Tensor, Tensor]:
    """Three seeds' sets: two that are learned, the second later; the last one's targets are noise."""
    x, y = labelled(range(3), 40)
    x[0] += 2.0 * y[0, :, None, None, None]
    x[1] += 0.5 * y[1, :, None, None, None]
    return x, y


def test_training_stops_once_the_labelled_are_learned() -> None:
    """Each seed at its own epoch, as if it were alone; one that never gets there is trained to the end."""
    x, y = bands()
    recipe = Recipe(epochs=4, train_batch=8, stop=0.9)
    together = train_block(SMALL, x, y, range(3), classes=4, recipe=recipe)
    for seed, network in enumerate(together):
        (by_itself,) = train_block(SMALL, x[seed : seed + 1], y[seed : seed + 1], [seed], classes=4, recipe=recipe)
        assert_states([network], [by_itself])
    longer = train_block(SMALL, x, y, range(3), classes=4, recipe=dataclasses.replace(recipe, epochs=5))
    assert_states(together[:1], longer[:1])
    assert not torch.equal(together[2].classifier.weight, longer[2].classifier.weight)


def test_a_training_that_stops_is_the_plain_loop_to_its_epoch() -> None:
    """The rate is constant, and the accuracy counted as the batches are trained on."""
    x, y = bands()
    recipe = Recipe(epochs=12, train_batch=64, stop=0.9, learning_rate=0.02)
    (network,) = train_block(alone(SMALL), x[:1], y[:1], [0], classes=4, recipe=recipe)
    plain = initial_network(SMALL, 0, (1, 8, 8), 4).train()
    optimiser = torch.optim.AdamW(plain.parameters(), lr=0.02, weight_decay=0.01)
    for _ in range(12):
        optimiser.zero_grad()
        logits = plain(x[0])
        torch.autograd.backward(nn.functional.cross_entropy(logits, y[0]))
        optimiser.step()
        if (logits.argmax(1) == y[0]).float().mean() >= 0.9:
            break
    else:
        pytest.fail("the loop never got there")
    torch.testing.assert_close(dict(network.named_parameters()), dict(plain.named_parameters()), rtol=0, atol=1e-3)


# Flips and crops


def test_training_sees_views_and_nothing_else_does() -> None:
    x, y = labelled([0, 1], 19)
    before = x.clone()
    recipe = dataclasses.replace(QUICK, augment=True)
    augmented, plain = (train_block(SMALL, x, y, [0, 1], classes=4, recipe=how) for how in (recipe, QUICK))
    assert torch.equal(x, before)
    assert not torch.equal(augmented[0].classifier.weight, plain[0].classifier.weight)
    norm, network = augmented[0].norms[0], augmented[0]
    torch.testing.assert_close(norm.running_mean, network.convolutions[0](x[0]).transpose(0, 1).flatten(1).mean(1))
    assert_states(augmented[1:], train_block(SMALL, x[1:], y[1:], [1], classes=4, recipe=recipe))


def test_views_of_what_is_no_image_are_refused() -> None:
    x, y = labelled([0], 19)
    recipe = dataclasses.replace(QUICK, augment=True)
    with pytest.raises(InputError, match="--augment flips and crops images"):
        train_block(MODELS.get("linear"), x.flatten(2), y, [0], classes=4, recipe=recipe)


# Warm starts


def test_a_training_goes_on_from_what_it_is_given() -> None:
    x, y = labelled([4, 5], 19)
    begun = [network.state_dict() for network in train(SMALL, [4, 5])]
    still = Recipe(epochs=1, learning_rate=1e-30)
    networks = train_block(SMALL, x, y, [4, 5], classes=4, recipe=still, begun=begun)
    for network, state in zip(networks, begun, strict=True):
        assert torch.equal(network.classifier.weight, state["classifier.weight"])


@pytest.mark.gpu
@pytest.mark.parametrize("model", [SMALL, alone(THIN)], ids=["small", "thin"])
def test_cuda_repeats_itself_and_agrees_with_the_cpu(model: Model) -> None:
    x, y = labelled([3], 11, torch.float64)
    one, two, cpu = (
        train_block(model, x, y, [3], classes=4, recipe=QUICK, device=name) for name in ("cuda", "cuda", "cpu")
    )
    assert_states(one, two)
    assert_states([one[0].cpu()], cpu, atol=1e-6)
