from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from plumbline.errors import PlumblineError
from plumbline.evaluation import Predictions, predict
from plumbline.progress import Task

_Batches = list[tuple[torch.Tensor, torch.Tensor]]


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def _batches(*sizes: int) -> _Batches:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(size, 3, 2, 2, generator=generator), torch.randint(3, (size,), generator=generator))
        for size in sizes
    ]


def test_every_image_is_predicted_once_in_order() -> None:
    """A short last batch counts, order is kept, and results are float32 and int64 on the CPU."""
    model, batches = _network(), _batches(4, 4, 1)
    predictions = predict(model, batches=batches)
    model.eval()
    expected = model(torch.cat([images for images, _ in batches]))
    torch.testing.assert_close(predictions.logits, expected.detach())
    assert predictions.labels.tolist() == [label for _, labels in batches for label in labels.tolist()]
    assert (predictions.logits.dtype, predictions.labels.dtype) == (torch.float32, torch.int64)
    assert len(predictions) == 9


def test_how_images_are_batched_does_not_matter() -> None:
    """Statistics of BatchNorm are the stored ones, so batches of one give the same logits."""
    model, (batch, *_) = _network(), _batches(6)
    whole = predict(model, batches=[batch])
    single = predict(model, batches=[(batch[0][i : i + 1], batch[1][i : i + 1]) for i in range(6)])
    torch.testing.assert_close(whole.logits, single.logits)


def test_the_model_is_as_before() -> None:
    """Training flags, also of a layer that was frozen by hand, buffers and parameters are untouched."""
    model = _network().train()
    model[2].eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    predict(model, batches=_batches(4))
    assert [layer.training for layer in model] == [True, True, False, True, True]
    assert model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_the_model_is_as_before_after_an_error() -> None:
    """A batch that the model cannot take leaves it in training mode."""
    model = _network().train()
    with pytest.raises(RuntimeError):
        predict(model, batches=[(torch.zeros(2, 3, 5, 5), torch.zeros(2))])
    assert all(layer.training for layer in model.modules())


def test_no_random_number_is_drawn() -> None:
    """Torch's random state is as before, though a DataLoader draws a number each time it starts."""
    images, labels = _batches(8)[0]
    loader = DataLoader(TensorDataset(images, labels), batch_size=3)
    model = _network()
    before = torch.get_rng_state()
    assert len(predict(model, batches=loader)) == 8
    assert torch.equal(torch.get_rng_state(), before)


def test_autocast_computes_in_the_given_type() -> None:
    """Under bfloat16 autocast the logits are rounded to bfloat16 and handed out as float32."""
    model, batches = _network(), _batches(4)
    logits = predict(model, batches=batches, autocast=torch.bfloat16).logits
    assert logits.dtype == torch.float32
    assert torch.equal(logits, logits.bfloat16().float())
    torch.testing.assert_close(logits, predict(model, batches=batches).logits, atol=0.05, rtol=0.05)


def test_logits_can_be_built_upon() -> None:
    """A later fit on the logits, such as of a temperature, gets gradients."""
    predictions = predict(_network(), batches=_batches(4))
    temperature = torch.ones((), requires_grad=True)
    torch.autograd.backward(nn.functional.cross_entropy(predictions.logits / temperature, predictions.labels))
    assert temperature.grad is not None


class _Watcher:
    def __init__(self) -> None:
        self.opened: list[tuple[int | None, str]] = []
        self.done = 0

    @contextmanager
    def task(self, title: str, *, total: int | None, unit: str, done: int = 0) -> Iterator[Task]:
        assert title
        assert done == 0
        self.opened.append((total, unit))
        yield self

    def advance(self, amount: int = 1) -> None:
        self.done += amount

    def note(self, text: str) -> None: ...

    def say(self, text: str) -> None: ...


def test_progress_hears_of_every_batch() -> None:
    """The total is the number of batches where it is known, else unknown."""
    watcher, batches = _Watcher(), _batches(2, 2, 1)
    predict(_network(), batches=batches, progress=watcher)
    predict(_network(), batches=iter(batches), progress=watcher)
    assert watcher.opened == [(3, "steps"), (None, "steps")]
    assert watcher.done == 6


def test_nothing_to_evaluate_is_refused() -> None:
    """No batch at all is an error and not a score of nothing."""
    with pytest.raises(PlumblineError, match="at least one image"):
        predict(_network(), batches=[])


def test_labels_that_do_not_fit_the_logits_are_refused() -> None:
    """One label for each row of logits, or an error that shows both shapes."""
    with pytest.raises(PlumblineError, match=r"\(4, 3\) and \(5,\)"):
        Predictions(torch.zeros(4, 3), torch.zeros(5))
