"""Groups by dimension; a resumed run ends on the same bits."""

from io import BytesIO

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from torchvision import models

from plumbline.errors import PlumblineError
from plumbline.models.speed_nets import SPEED_NETS, speed_net
from plumbline.optim import MuonSgdLinear, Optimization
from plumbline.streams import stream_generator
from trainers import quiet_trainer

STEPS = 20
FACTORY = MuonSgdLinear(head_rate=0.05, bias_rate=1.0)


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, 8, 2)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.head = nn.Linear(8, 4)
        self.whitening.weight.requires_grad_(False)
        generator = stream_generator(0, "init")
        with torch.no_grad():
            for parameter in (self.whitening.weight, self.conv1.weight, self.conv2.weight, self.head.weight):
                parameter.normal_(0, 0.2, generator=generator)
            for bias in (self.whitening.bias, self.head.bias):
                assert bias is not None
                bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.conv1(self.whitening(images).relu())).relu()
        logits: Tensor = self.head(self.conv2(x).mean((2, 3)))
        return logits


def _batch(step: int) -> tuple[Tensor, Tensor]:
    """Give images of noise that are the redder the higher their class."""
    generator = stream_generator(0, "order", step)
    labels = torch.randint(4, (32,), generator=generator)
    images = torch.randn(32, 3, 8, 8, generator=generator)
    images[:, 0] += labels.view(32, 1, 1)
    return images, labels


def _train(model: nn.Module, *, optimization: Optimization, steps: range) -> list[float]:
    losses = []
    for step in steps:
        images, labels = _batch(step)
        optimization.optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimization.optimizer.step()
        assert optimization.scheduler is not None
        optimization.scheduler.step()
        losses.append(float(loss.detach()))
    return losses


def test_parameters_are_grouped_by_their_dimensions() -> None:
    """Filters come first; each trained parameter is in one group, at its rate and share of decay."""
    model = _Network()
    groups = FACTORY(model, total_steps=STEPS).optimizer.param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    assert [{names[id(p)] for p in group["params"]} for group in groups] == [
        {"conv1.weight", "conv2.weight"},
        {"head.weight"},
        {"norm.weight", "norm.bias", "head.bias"},
        {"whitening.bias"},
    ]
    assert [group["kind"] for group in groups] == ["muon", "sgd", "sgd", "sgd"]
    assert [group["lr"] for group in groups] == [0.24, 0.05, 1.0, 1.0]
    assert [group["momentum"] for group in groups] == [0.6, 0.85, 0.85, 0.85]
    assert [group["weight_decay"] for group in groups] == pytest.approx([0, 0.08, 0.004, 0.004])
    assert [group.get("ends_at_fraction") for group in groups] == [None, None, None, 0.375]


@pytest.mark.parametrize("name", [*SPEED_NETS, "resnet18", "resnet50"])
def test_the_filters_of_known_networks_are_all_of_their_dimensions(name: str) -> None:
    """In the speed networks and ResNets each group is what its dimensions say, so old checkpoints fit."""
    with torch.device("meta"):
        model = speed_net(name, num_classes=10) if name in SPEED_NETS else getattr(models, name)()
    if name in SPEED_NETS:
        model.whitening.weight.requires_grad_(False)
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad and key != "whitening.bias"}
    groups = FACTORY(model, total_steps=STEPS).optimizer.param_groups
    for group, dimensions in zip(groups, ({3, 4}, {2}, {1}), strict=False):
        expected = [p for p in trained.values() if p.ndim in dimensions]
        assert [id(p) for p in group["params"]] == [id(p) for p in expected]


def test_scales_and_embeddings_are_no_filters() -> None:
    """A ConvNeXt's scales of maps and a transformer's embeddings are left to SGD, with the biases."""
    with torch.device("meta"):
        convnext = models.convnext_tiny()
        transformer = models.VisionTransformer(32, 8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32)
    for model in (convnext, transformer):
        names = {id(p): name for name, p in model.named_parameters()}
        filters, _, biases = (
            [names[id(p)] for p in group["params"]]
            for group in FACTORY(model, total_steps=STEPS).optimizer.param_groups
        )
        others = [name for name, p in model.named_parameters() if p.ndim > 2 and name not in filters]
        assert others
        assert all(name.endswith(("layer_scale", "class_token", "pos_embedding")) for name in others)
        assert set(others) <= set(biases)


def test_a_step_at_the_full_rate_takes_the_decay_away() -> None:
    """With gradients and momentum of zero, head and biases shrink by the share."""
    model = _Network()
    optimization = MuonSgdLinear(decay=0.01, momentum=0.0)(model, total_steps=STEPS)
    for parameter in (model.head.weight, model.norm.weight):
        parameter.grad = torch.zeros_like(parameter)
    before = model.head.weight.detach().clone()
    optimization.optimizer.step()
    torch.testing.assert_close(model.head.weight.detach(), 0.99 * before)
    torch.testing.assert_close(model.norm.weight.detach(), torch.full((8,), 0.99))


def test_only_a_whole_name_is_the_whitening_bias() -> None:
    """It may lie deeper in the model; a layer whose name only ends like it is an ordinary one."""
    model = nn.ModuleDict({"net": _Network(), "unwhitening": nn.Conv2d(3, 4, 1)})
    groups = FACTORY(model, total_steps=STEPS).optimizer.param_groups
    network = model["net"]
    assert isinstance(network, _Network)
    assert groups[-1]["params"] == [network.whitening.bias]


def test_a_second_training_of_the_same_model_has_the_same_groups() -> None:
    """The whitening bias, frozen at the end of the first training, is trained again."""
    model = _Network()
    takes_gradients = [p.requires_grad for p in model.parameters()]
    first = FACTORY(model, total_steps=STEPS)
    _train(model, optimization=first, steps=range(STEPS))
    assert [p.requires_grad for p in model.parameters()] != takes_gradients
    second = FACTORY(model, total_steps=STEPS)
    assert [p.requires_grad for p in model.parameters()] == takes_gradients
    second.optimizer.load_state_dict(first.optimizer.state_dict())


def test_without_filters_or_rates_nothing_is_built() -> None:
    """A model without filters or without anything to train, and a rate of zero, are refused."""
    with pytest.raises(PlumblineError, match=r"filters.*none in Linear"):
        FACTORY(nn.Linear(3, 2), total_steps=STEPS)
    with pytest.raises(PlumblineError, match="nothing to train"):
        FACTORY(_Network().requires_grad_(False), total_steps=STEPS)
    with pytest.raises(PlumblineError, match="bias_rate"):
        MuonSgdLinear(bias_rate=0.0)(_Network(), total_steps=STEPS)


def test_the_whitening_bias_is_trained_at_first_only() -> None:
    """It moves up to its end and not after it; at the end of training all others still take gradients."""
    model = _Network()
    bias = model.whitening.bias
    assert bias is not None
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    optimization = FACTORY(model, total_steps=STEPS)
    end = round(0.375 * STEPS + 0.5)
    _train(model, optimization=optimization, steps=range(end))
    assert bias.any()
    kept = bias.detach().clone()
    _train(model, optimization=optimization, steps=range(end, STEPS))
    assert torch.equal(bias, kept)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == trained - {"whitening.bias"}


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("middle", [4, 12])
def test_a_resumed_run_ends_on_the_same_bits(middle: int, channels_last: bool) -> None:  # noqa: FBT001
    """Saved before or behind the whitening bias's end and read without running code, it goes on the same."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    whole, half, resumed = (_Network().to(memory_format=form) for _ in range(3))
    _train(whole, optimization=FACTORY(whole, total_steps=STEPS), steps=range(STEPS))

    optimization = FACTORY(half, total_steps=STEPS)
    _train(half, optimization=optimization, steps=range(middle))
    assert optimization.scheduler is not None
    states = [half.state_dict(), optimization.optimizer.state_dict(), optimization.scheduler.state_dict()]
    file = BytesIO()
    torch.save(states, file)
    file.seek(0)
    weights, optimizer_state, scheduler_state = torch.load(file, weights_only=True)

    optimization = FACTORY(resumed, total_steps=STEPS)
    resumed.load_state_dict(weights)
    optimization.optimizer.load_state_dict(optimizer_state)
    assert optimization.scheduler is not None
    optimization.scheduler.load_state_dict(scheduler_state)
    _train(resumed, optimization=optimization, steps=range(middle, STEPS))
    ends = resumed.state_dict()
    assert all(torch.equal(value, ends[name]) for name, value in whole.state_dict().items())
    assert not torch.equal(half.conv1.weight, whole.conv1.weight)


def test_the_loss_falls() -> None:
    """A tiny problem is learned in twenty steps."""
    model = _Network()
    losses = _train(model, optimization=FACTORY(model, total_steps=STEPS), steps=range(STEPS))
    assert sum(losses[-3:]) < 0.4 * sum(losses[:3])


class _Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = _Network()
        self.rates: list[float] = []

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> lightning.pytorch.utilities.types.OptimizerLRScheduler:
        built = FACTORY(self.network, total_steps=6)
        assert built.scheduler is not None
        return {
            "optimizer": built.optimizer,
            "lr_scheduler": {"scheduler": built.scheduler, "interval": "step"},
        }


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_plain_trainer_runs_it() -> None:
    """In mixed precision a Lightning Trainer steps it through its closure, and the rates fall in a line."""
    module = _Module()
    trainer = quiet_trainer(max_epochs=2, precision="bf16-mixed", log_every_n_steps=1)
    before = module.network.conv1.weight.detach().clone()
    trainer.fit(module, DataLoader(TensorDataset(*_batch(0)), batch_size=11))
    assert module.rates == pytest.approx([0.24 * (1 - step / 6) for step in range(6)])
    assert not torch.equal(module.network.conv1.weight, before)
    assert module.network.conv1.weight.dtype == torch.float32


def test_a_gradient_scaler_steps_it_or_leaves_it_out() -> None:
    """With a scaler the weights are those without one, and an overflow changes nothing."""
    plain, scaled = _Network(), _Network()
    _train(plain, optimization=FACTORY(plain, total_steps=STEPS), steps=range(1))
    optimizer = FACTORY(scaled, total_steps=STEPS).optimizer
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    images, labels = _batch(0)
    scaler.scale(cross_entropy(scaled(images), labels)).backward()  # type: ignore[no-untyped-call]
    scaler.step(optimizer)
    scaler.update()
    torch.testing.assert_close(scaled.conv1.weight, plain.conv1.weight)
    torch.testing.assert_close(scaled.head.weight, plain.head.weight)
    before = scaled.conv1.weight.detach().clone()
    for parameter in scaled.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    scaler.step(optimizer)
    assert torch.equal(scaled.conv1.weight, before)


def test_a_rate_of_zero_is_as_good_as_being_left_out() -> None:
    """Without `freeze`, as several processes need it, the same weights come out, and gradients stay on."""
    ends = []
    for freeze in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential()
        model.add_module("whitening", nn.Conv2d(1, 2, 2))
        model.add_module("body", nn.Conv2d(2, 2, 2))
        built = MuonSgdLinear(bias_rate=0.1, whitening_bias_fraction=0.4, freeze=freeze)(model, total_steps=6)
        for step in range(6):
            images = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(step))
            built.optimizer.zero_grad()
            torch.autograd.backward(model(images).square().mean())
            built.optimizer.step()
            assert built.scheduler is not None
            built.scheduler.step()
        bias = model.get_submodule("whitening").bias
        assert isinstance(bias, nn.Parameter)
        assert bias.requires_grad is not freeze
        ends.append(model.state_dict())
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
