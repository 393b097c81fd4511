"""What a trained network says, and what is said of networks that cannot say it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.learning.inference import classifier_name, evaluate, logits_and_features, predict
from fbench.learning.models import linear_head
from fbench.learning.networks import ResNet18, SmallNet
from fbench.stored_samples import StoredSamples

IMAGES = torch.rand(11, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class TwoHeads(nn.Module):
    """A pixel-wise linear layer, then the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = nn.Linear(8, 3)
        self.top = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(24, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.top(self.pixels(x[:, 0]))  # type: ignore[no-any-return]


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return SmallNet(1, 1, 4).eval()


def test_batches_give_what_one_pass_gives(network: nn.Module) -> None:
    torch.testing.assert_close(predict(network, IMAGES, batch_size=4), network(IMAGES))
    assert not predict(network, IMAGES).requires_grad


def test_no_images_give_no_logits(network: nn.Module) -> None:
    assert predict(network, IMAGES[:0]).shape == (0, 4)
    logits, features = logits_and_features(network, IMAGES[:0])
    assert (logits.shape, features.shape) == ((0, 4), (0, 16))


def test_dropout_and_batch_norm_are_frozen_and_modes_put_back() -> None:
    network = TwoHeads().train()
    network.pixels.eval()
    assert torch.equal(predict(network, IMAGES), predict(network, IMAGES))
    assert [network.training, network.pixels.training, network.top[1].training] == [True, False, True]


@pytest.mark.parametrize("build", [lambda: SmallNet(1, 1, 4), lambda: ResNet18(1, 1, 4, widths=(2, 3, 4, 5))])
def test_the_features_are_what_enters_the_last_layer(build: type[nn.Module]) -> None:
    network = build()
    logits, features = logits_and_features(network, IMAGES, batch_size=4)
    torch.testing.assert_close(features @ network.classifier.weight.T, logits)
    assert features.shape == (11, network.classifier.in_features)
    assert not features.requires_grad
    assert not network.classifier._forward_hooks


def test_the_last_linear_layer_is_the_classifier() -> None:
    network = TwoHeads()
    assert classifier_name(network) == "top.2"
    assert classifier_name(nn.Linear(2, 2)) == ""
    assert logits_and_features(network, IMAGES)[1].shape == (11, 24)


def test_a_network_without_linear_layer_is_refused() -> None:
    with pytest.raises(InputError, match=r"Conv2d has no nn.Linear layer; last-layer methods need one"):
        classifier_name(nn.Conv2d(1, 1, 1))


@pytest.mark.parametrize("name", ["top", "nowhere"])
def test_a_classifier_that_is_no_linear_layer_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"classifier '{name}' is not an nn.Linear layer of TwoHeads"):
        logits_and_features(TwoHeads(), IMAGES, name)


def test_a_layer_entered_by_more_than_features_is_refused() -> None:
    with pytest.raises(InputError, match=r"'pixels' is not entered once by features \[n, h\]; name the"):
        logits_and_features(TwoHeads(), IMAGES, "pixels")


def test_accuracy_and_likelihood(network: nn.Module) -> None:
    logits = network(IMAGES).double()
    targets = logits.argmax(1)
    targets[:3] = (targets[:3] + 1) % 4
    scores = evaluate(network, IMAGES, targets)
    assert scores.accuracy == 8 / 11
    assert scores.nll == pytest.approx(-logits.softmax(1)[torch.arange(11), targets].log().mean().item(), rel=1e-6)


def test_no_test_images_are_refused(network: nn.Module) -> None:
    with pytest.raises(InputError, match="there are no test images; accuracy needs at least 1"):
        evaluate(network, IMAGES[:0], torch.zeros(0, dtype=torch.int64))


def test_a_batch_size_below_one_is_refused(network: nn.Module) -> None:
    with pytest.raises(InputError, match="batch size is 0; it must be at least 1"):
        predict(network, IMAGES, batch_size=0)


class Drawer:
    """Inputs [n, h] in a file, so to say, and the most of them that were read together."""

    def __init__(self, values: Tensor) -> None:
        self._values, self.most = values, 0
        self.samples = StoredSamples(self._read, torch.arange(len(values)), tuple(values.shape[1:]), values.dtype)

    def _read(self, rows: Tensor) -> Tensor:
        self.most = max(self.most, len(rows))
        return self._values[rows]


INPUTS = torch.rand(50, 6, generator=torch.Generator().manual_seed(1))


def test_stored_inputs_of_a_linear_head_are_left_where_they_lie() -> None:
    drawer, network = Drawer(INPUTS), linear_head(1, (6,), 3)
    logits, features = logits_and_features(network, drawer.samples, batch_size=8, leave_stored=True)
    assert features is drawer.samples
    assert drawer.most == 8
    held = logits_and_features(network, INPUTS, batch_size=8, leave_stored=True)
    assert torch.equal(logits, held[0])
    assert torch.equal(features[:], held[1])


@pytest.mark.parametrize(
    "network", [nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 3)), nn.Sequential(nn.Tanh(), nn.Linear(6, 3))]
)
def test_features_that_a_network_makes_are_held(network: nn.Module) -> None:
    _, features = logits_and_features(network, Drawer(INPUTS).samples, leave_stored=True)
    assert type(features) is Tensor
    torch.testing.assert_close(features, network[0](INPUTS).detach())


def test_who_does_not_ask_gets_them_in_memory() -> None:
    _, features = logits_and_features(linear_head(1, (6,), 3), Drawer(INPUTS).samples)
    assert type(features) is Tensor


def test_images_that_are_flattened_are_held() -> None:
    _, features = logits_and_features(
        linear_head(1, (2, 3), 3), Drawer(INPUTS.view(50, 2, 3)).samples, leave_stored=True
    )
    assert features.shape == (50, 6)
    assert type(features) is Tensor
