"""The two ways to take a step: as a script is usually written, and as `plumbline fit` builds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, pad
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchvision import transforms

from plumbline.data import Dataset
from plumbline.data.normalization import cifar10_normalization
from plumbline.data.pictures import PictureSet, picture_loader
from plumbline.models import create_model
from plumbline.recipes import MuonSgd, Recipe
from plumbline.training.build import Built, build_phase
from plumbline.training.device import Compute, computes_bf16_natively

Batches = Iterator[tuple[Tensor, Tensor]]
SEED = 7


@dataclass(frozen=True)
class Arm:
    """What a loop of plain Python needs to train."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    batches: Batches
    device: torch.device
    autocast: torch.dtype | None
    label_smoothing: float

    def step(self) -> None:
        """Take one step: a batch, forward, backward, the optimizer."""
        images, labels = next(self.batches)
        images, labels = images.to(self.device), labels.to(self.device)
        self.optimizer.zero_grad()
        with self._format():
            loss = cross_entropy(self.model(images), labels, label_smoothing=self.label_smoothing)
        torch.autograd.backward(loss)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()

    def _format(self) -> AbstractContextManager[None]:
        kind, dtype = self.device.type, self.autocast
        format_: AbstractContextManager[None] = torch.autocast(kind, dtype=dtype, enabled=dtype is not None)
        return format_


def fit_arm(recipe: Recipe, *, dataset: Dataset, compute: Compute) -> Arm:
    """Give what `plumbline fit` builds, at the image size of the recipe's last epoch."""
    built = build_phase(recipe, phase="fit", dataset=dataset, seed=SEED, compute=compute)
    return arm_of(built, compute=compute, epoch=recipe.epochs - 1)


def arm_of(built: Built, *, compute: Compute, epoch: int) -> Arm:
    """Give a built phase without a Trainer around it, with the batches and the rates of one epoch."""
    classifier = built.classifier.to(compute.device).train()
    total = built.steps_per_epoch * built.epochs
    optimization = classifier.optimization(classifier.model, total_steps=total)
    if optimization.scheduler is not None:
        optimization.scheduler.step(epoch * built.steps_per_epoch)
    batches = built.data.train_batches(device=compute.device)
    batches.set_epoch(epoch)
    return Arm(
        model=classifier,
        optimizer=optimization.optimizer,
        scheduler=optimization.scheduler,
        batches=iter(batches),
        device=compute.device,
        autocast=compute.autocast,
        label_smoothing=classifier.label_smoothing,
    )


def plain_arm(recipe: Recipe, *, dataset: Dataset, device: torch.device) -> Arm:
    """Give the same network and batch size as they are usually written.

    For SGD that is the tutorial: fp32, channels first, torchvision transforms on PIL pictures in two loader
    workers. For the speed recipes it is a script: bf16 autocast where the hardware computes bf16, channels
    first, all images in one tensor, batches by indexing, SGD. Nothing is told to the C allocator.
    """
    is_script = isinstance(recipe.optimizer, MuonSgd)
    size = recipe.resolution.train[-1]
    model = create_model(recipe.model.name, num_classes=len(dataset.classes), image_size=size, seed=SEED)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    make = script_batches if is_script else tutorial_batches
    return Arm(
        model=model.to(device).train(),
        optimizer=torch.optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=5e-4),
        scheduler=None,
        batches=make(recipe, dataset=dataset, device=device),
        device=device,
        autocast=torch.bfloat16 if is_script and computes_bf16_natively(device.type) else None,
        label_smoothing=recipe.label_smoothing,
    )


def tutorial_batches(recipe: Recipe, *, dataset: Dataset, device: torch.device) -> Batches:  # noqa: ARG001
    """Give batches on the CPU, as torchvision transforms in a DataLoader make them."""
    size = recipe.resolution.train[-1]
    steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    steps += [transforms.Resize(size)] if size != 32 else []
    transform = transforms.Compose([*steps, transforms.ToTensor(), cifar10_normalization()])
    pictures = PictureSet(dataset.train, transform=transform)
    return iter(
        picture_loader(pictures, batch_size=recipe.batch_size, num_workers=2, seed=SEED, shuffle=True)
    )


def script_batches(recipe: Recipe, *, dataset: Dataset, device: torch.device) -> Batches:
    """Give batches on the device, cut from one normalised tensor by indexing, shifted and half mirrored."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (dataset.mean, dataset.std))
    images = dataset.train.images.float().div_(255).sub_(mean).div_(std).to(device)
    labels, margin, size = dataset.train.labels.to(device), recipe.augmentation.crop_padding, images.shape[-1]
    for chosen in torch.split(torch.randperm(len(images), device=device), recipe.batch_size):
        padded = pad(images[chosen], [margin] * 4, mode="reflect")
        corners = torch.randint(0, 2 * margin + 1, (2, len(chosen), 1), device=device)
        rows, columns = corners + torch.arange(size, device=device)
        each = torch.arange(len(chosen), device=device)[:, None, None]
        cut = padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
        mirrored = torch.rand(len(chosen), device=device)[:, None, None, None] < 0.5
        cut = torch.where(mirrored, cut.flip(-1), cut)
        wanted = recipe.resolution.train[-1]
        yield cut if wanted == size else interpolate(cut, wanted, mode="bilinear"), labels[chosen]
