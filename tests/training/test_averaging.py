"""Averages are means, and BatchNorm's statistics are those of the averaged weights."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from plumbline.errors import PlumblineError
from plumbline.training.averaging import WeightAverager, refresh_batch_norm, swa_update
from trainers import quiet_trainer


def small_model() -> nn.Sequential:
    """Give a network with BatchNorm and dropout."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 2)
    )


def image_batches(count: int = 3) -> list[tuple[Tensor, Tensor]]:
    """Give batches of 8x8 images."""
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(5, 3, 8, 8, generator=generator) * 2 + 1, torch.zeros(5, dtype=torch.int64))
        for _ in range(count)
    ]


def test_the_average_of_many_sets_is_their_mean() -> None:
    """Updating one by one gives the mean of all, in fp32 even for bf16 weights."""
    sets = [{"w": torch.randn(7, generator=torch.Generator().manual_seed(i)).bfloat16()} for i in range(9)]
    average: dict[str, Tensor] = {}
    for count, weights in enumerate(sets):
        average = swa_update(average, weights=weights, count=count)
    expected = torch.stack([weights["w"].float() for weights in sets]).mean(0)
    torch.testing.assert_close(average["w"], expected)


def test_whole_numbers_are_taken_from_the_newest() -> None:
    """A count of batches has no mean."""
    first = swa_update({}, weights={"n": torch.tensor(3)}, count=0)
    assert swa_update(first, weights={"n": torch.tensor(8)}, count=1)["n"].item() == 8


def test_the_average_does_not_share_memory_with_the_model() -> None:
    """Training on does not change what was averaged before."""
    weights = {"w": torch.ones(2), "n": torch.tensor(1)}
    average = swa_update({}, weights=weights, count=0)
    weights["w"].zero_()
    weights["n"].zero_()
    assert average["w"].tolist() == [1.0, 1.0]
    assert average["n"].item() == 1


def test_other_names_are_refused() -> None:
    """Weights of another model cannot be averaged in."""
    with pytest.raises(PlumblineError, match="other names"):
        swa_update({"a": torch.ones(1)}, weights={"b": torch.ones(1)}, count=1)


def test_refreshed_statistics_are_those_of_the_data() -> None:
    """Running mean and variance become the means over the batches, dropout draws nothing, the mode stays."""
    model, batches = small_model(), image_batches()
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean = torch.full((4,), 99.0)
    state = torch.get_rng_state()
    assert refresh_batch_norm(model, batches=batches) == 3
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        features = [model[0](images) for images, _ in batches]
    means = torch.stack([f.mean((0, 2, 3)) for f in features]).mean(0)
    variances = torch.stack([f.var((0, 2, 3)) for f in features]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert norm.momentum == 0.1
    assert model.training
    assert norm.training


def test_a_model_without_batchnorm_needs_no_pass() -> None:
    """The batches are not even looked at."""
    assert refresh_batch_norm(nn.Linear(2, 2), batches=[]) == 0


def test_no_batches_are_an_error_where_statistics_are_needed() -> None:
    """An average without statistics would be silently wrong."""
    with pytest.raises(PlumblineError, match="from no batches"):
        refresh_batch_norm(small_model(), batches=[])


class TinyModule(LightningModule):
    """The least that a Trainer trains."""

    def __init__(self) -> None:
        super().__init__()
        self.model = small_model()
        self.history: list[dict[str, Tensor]] = []
        self.steps: list[dict[str, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Give logits."""
        logits: Tensor = self.model(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Give the loss."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def weights(self) -> dict[str, Tensor]:
        """Give the weights as they are."""
        return {name: value.detach().clone() for name, value in self.model.named_parameters()}

    def on_train_batch_end(self, *_: object) -> None:
        """Remember the weights of each step."""
        self.steps.append(self.weights())

    def on_train_epoch_end(self) -> None:
        """Remember the weights of each epoch."""
        self.history.append(self.weights())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(averager: WeightAverager, *, batch_size: int) -> TinyModule:
    """Train three epochs of five images with any Trainer."""
    images, labels = image_batches(1)[0]
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch_size)
    module = TinyModule()
    trainer = quiet_trainer(max_epochs=3, callbacks=[averager], log_every_n_steps=1)
    trainer.fit(module, loader)
    return module


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
def test_the_callback_averages_from_its_epoch_on() -> None:
    """The averaged copy holds the mean of epochs 1 and 2, its own statistics, and shares nothing."""
    averager = WeightAverager(start_epoch=1)
    module = train(averager, batch_size=5)
    assert averager.count == 2
    twin = averager.averaged(module, batches=image_batches())
    for name, value in twin.model.named_parameters():
        torch.testing.assert_close(value, (module.history[1][name] + module.history[2][name]) / 2)
    expected = small_model()
    expected.load_state_dict(twin.model.state_dict())
    refresh_batch_norm(expected, batches=image_batches())
    assert torch.equal(expected.state_dict()["1.running_mean"], twin.model.state_dict()["1.running_mean"])
    assert not torch.equal(
        module.model.state_dict()["1.running_mean"], twin.model.state_dict()["1.running_mean"]
    )


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
def test_single_steps_can_be_averaged_in_the_place_of_epochs() -> None:
    """Of epochs of three steps, from epoch 1 on: every second step from the start, which are 4, 6 and 8."""
    averager = WeightAverager(start_epoch=1, every_steps=2)
    module = train(averager, batch_size=2)
    assert averager.count == 3
    taken = [module.steps[step - 1] for step in (4, 6, 8)]
    for name, value in averager.averaged(module, batches=image_batches()).model.named_parameters():
        torch.testing.assert_close(value, sum(weights[name] for weights in taken) / 3)


def test_nothing_averaged_is_an_error() -> None:
    """A run that ended before its average began has none to give; a span below one step cannot be."""
    with pytest.raises(PlumblineError, match=r"start_epoch=5 did\.$"):
        WeightAverager(start_epoch=5).averaged(small_model(), batches=image_batches())
    with pytest.raises(PlumblineError, match="before every_steps=9 steps"):
        WeightAverager(every_steps=9).averaged(small_model(), batches=image_batches())
    with pytest.raises(PlumblineError, match="every_steps is 0; expected 1 or more"):
        WeightAverager(every_steps=0)


def test_a_restored_averager_goes_on_as_the_one_that_was_saved() -> None:
    """Its state is all there is to it."""
    one = WeightAverager()
    one.average, one.count = swa_update({}, weights={"w": torch.ones(2)}, count=0), 1
    other = WeightAverager()
    other.load_state_dict(one.state_dict())
    assert other.count == 1
    assert torch.equal(other.average["w"], one.average["w"])
