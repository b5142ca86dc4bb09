"""Data modules for CIFAR-10 and CIFAR-100, in the place of those that lightning-bolts had."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning import LightningDataModule

from plumbline.data.catalog import CIFAR10, CIFAR100, IMAGE_SIZE
from plumbline.data.image_module import ImageDataModule
from plumbline.data.load import fetch_cifar, load_cifar
from plumbline.data.normalization import cifar10_normalization, cifar100_normalization
from plumbline.data.pictures import PictureSet, picture_loader
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torchvision.transforms import Compose, Normalize

    from plumbline.data.catalog import CifarSpec

    Transform = Callable[[Any], Any]


class _CifarDataModule(LightningDataModule):
    """What both modules do; the subclasses say which data set."""

    spec: CifarSpec
    normalization: Callable[[], Normalize]

    dims = (3, IMAGE_SIZE, IMAGE_SIZE)

    def __init__(
        self,
        data_dir: str | Path | None = None,
        batch_size: int = 256,
        val_split: float = 5000,
        num_workers: int = 0,
        seed: int = 42,
        train_transforms: Transform | None = None,
        val_transforms: Transform | None = None,
        test_transforms: Transform | None = None,
    ) -> None:
        super().__init__()
        self.name = self.spec.name
        self.num_classes = len(self.spec.classes)
        self.data_dir = None if data_dir is None else Path(data_dir)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.val_count = _validation_count(val_split, total=self.spec.train_count)
        self._transforms = {"train": train_transforms, "validation": val_transforms, "test": test_transforms}
        self._images: ImageDataModule | None = None

    @property
    def num_samples(self) -> int:
        """How many images are trained on: all training images but those held out."""
        return self.spec.train_count - self.val_count

    @property
    def images(self) -> ImageDataModule:
        """The fast path that this module stands on, at its `batch_size`; there from `setup` on."""
        if self._images is None:
            raise PlumblineError(
                f"{type(self).__name__} has no images yet: call setup() (a Trainer does) first"
            )
        # Lightning's search for a batch size sets it after `setup`.
        self._images.batch_size = self._images.evaluation_batch_size = self.batch_size
        return self._images

    def default_transforms(self) -> Compose:
        """Give the transforms that stand for "as it is": to a tensor, then normalised."""
        normalization = type(self).normalization()
        from torchvision import transforms

        return transforms.Compose([transforms.ToTensor(), normalization])

    def prepare_data(self) -> None:
        """Download the data unless it is at hand; Lightning calls this in one process only."""
        fetch_cifar(self.spec, data_dir=self.data_dir)

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Load the images and split them, once; every stage needs the same."""
        if self._images is None:
            self._images = ImageDataModule(
                load_cifar(self.spec, data_dir=self.data_dir),
                batch_size=self.batch_size,
                validation_count=self.val_count,
                seed=self.seed,
            )

    def train_dataloader(self) -> Iterable[Any]:
        """Give shuffled training batches."""
        return self._loader("train", shuffle=True) or self._fast().train_dataloader()

    def val_dataloader(self) -> Iterable[Any]:
        """Give the held-out training images, in order; [] where there are none."""
        if not self.val_count:
            return []
        return self._loader("validation") or self._fast().val_dataloader()

    def test_dataloader(self) -> Iterable[Any]:
        """Give the test images, in order."""
        return self._loader("test") or self._fast().test_dataloader()

    def teardown(self, stage: str) -> None:
        """Let go of the copies on the device."""
        if self._images is not None:
            self._images.teardown(stage)

    def _fast(self) -> ImageDataModule:
        self.images.trainer = self.trainer
        return self.images

    def _loader(self, split: str, *, shuffle: bool = False) -> Iterable[Any] | None:
        transform = self._transforms[split]
        if transform is None:
            return None
        return picture_loader(
            PictureSet(self.images.image_set(split), transform=transform),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            seed=self.seed,
            shuffle=shuffle,
        )


class CIFAR10DataModule(_CifarDataModule):
    """CIFAR-10 for a Lightning Trainer: the arguments of lightning-bolts' module, a seeded stratified split.

    A split without transforms takes the fast path: uint8 images on the training device, cropped (training
    only: padding 4), flipped (training only) and normalised batch by batch, with random numbers that depend
    on `seed` alone. A split with transforms gives them one PIL picture at a time in an ordinary DataLoader
    with `num_workers`; random transforms then draw from torch's global generator
    (`lightning.seed_everything`).

    Args:
        data_dir: folder that holds the data; None: $PLUMBLINE_DATA, the cache, then a download.
        batch_size: images a step; in training over all processes together on the fast path.
        val_split: training images to hold out: a number, or, below 1, a fraction.
        num_workers: processes that apply given transforms; not used on the fast path.
        seed: root of the split, the order and the fast path's augmentation.
        train_transforms: torchvision transforms for training, instead of the fast path; likewise
        val_transforms: for validation and
        test_transforms: for test.

    """

    spec = CIFAR10
    normalization = staticmethod(cifar10_normalization)


class CIFAR100DataModule(_CifarDataModule):
    """CIFAR-100 (the 100 fine labels) for a Lightning Trainer; see `CIFAR10DataModule`."""

    spec = CIFAR100
    normalization = staticmethod(cifar100_normalization)


def _validation_count(val_split: float, *, total: int) -> int:
    count = round(val_split * total) if 0 < val_split < 1 else int(val_split)
    if val_split < 0 or count >= total or (val_split >= 1 and count != val_split):
        raise PlumblineError(
            f"expected val_split as a number from 0 to {total - 1:,} or a fraction below 1, got {val_split}"
        )
    return count
