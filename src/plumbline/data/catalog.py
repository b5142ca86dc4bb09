"""The data sets that plumbline knows: what they must contain, and where they can be had."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.errors import PlumblineError, nearest_of

IMAGE_SIZE = 32

_HUGGING_FACE = "https://huggingface.co/datasets/uoft-cs"
# Revisions are pinned: a mirror that changes its files cannot change a training run.
_CIFAR10_PARQUET = f"{_HUGGING_FACE}/cifar10/resolve/0b2714987fa478483af9968de7c934580d0bb9a2/plain_text"
_CIFAR100_PARQUET = f"{_HUGGING_FACE}/cifar100/resolve/aadb3af77e9048adbea6b47c21a81e47dd092ae5/cifar100"
_TORONTO = "https://www.cs.toronto.edu/~kriz"

_CIFAR100_CLASSES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly "
    "camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile "
    "cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp "
    "lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom "
    "oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine "
    "possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake "
    "spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor "
    "train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)


@dataclass(frozen=True)
class PublishedFile:
    """A file as its publisher offers it: where, how many bytes, and their sha256."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The last part of the URL, also the file's name on disk."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Mirror:
    """One place that offers a whole data set, as one or more files; the cache keeps them in `folder`."""

    title: str
    folder: str
    files: tuple[PublishedFile, ...]


@dataclass(frozen=True)
class BinaryLayout:
    """The official binary form: a folder of `.bin` files, each a row of (label bytes, planar RGB) records."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int  # the last one is the label that is used (CIFAR-100: coarse, then fine)


@dataclass(frozen=True)
class CifarSpec:
    """What a CIFAR data set must contain, and where it can be had.

    `fingerprint` is the known content hash; None where only the publishers' file hashes are known, and then
    only files with these hashes are accepted.
    """

    name: str
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    label_column: str
    parquet_folder: str
    binary: BinaryLayout
    mirrors: tuple[Mirror, ...]
    fingerprint: str | None

    @property
    def published(self) -> dict[str, PublishedFile]:
        """Every published file by its sha256."""
        return {file.sha256: file for mirror in self.mirrors for file in mirror.files}


CIFAR10 = CifarSpec(
    name="cifar10",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train_count=50_000,
    test_count=10_000,
    label_column="label",
    parquet_folder="plain_text",
    binary=BinaryLayout(
        archive="cifar-10-binary.tar.gz",
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test=("test_batch.bin",),
        label_bytes=1,
    ),
    mirrors=(
        Mirror(
            "Hugging Face",
            "plain_text",
            (
                PublishedFile(
                    f"{_CIFAR10_PARQUET}/train-00000-of-00001.parquet",
                    119_705_255,
                    "8428b53a88a11ac374111006708df51469e315a22ac6d66470afd9c78d2ae883",
                ),
                PublishedFile(
                    f"{_CIFAR10_PARQUET}/test-00000-of-00001.parquet",
                    23_940_850,
                    "841389e6f2d64f28bf17310e430aebac20ec3ba611a3c5e231dc93c645ce84de",
                ),
            ),
        ),
        Mirror(
            "University of Toronto",
            ".",
            (
                PublishedFile(
                    f"{_TORONTO}/cifar-10-binary.tar.gz",
                    170_052_171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                ),
            ),
        ),
    ),
    # Computed here from all 60,000 official images; any file format and any row order gives it.
    fingerprint="7ae605b53565cad7ecb0eb7e9e92759ec4fed678ee33bb45db7930a00edc4923",
)

CIFAR100 = CifarSpec(
    name="cifar100",
    classes=tuple(_CIFAR100_CLASSES.split()),
    train_count=50_000,
    test_count=10_000,
    label_column="fine_label",
    parquet_folder="cifar100",
    binary=BinaryLayout(
        archive="cifar-100-binary.tar.gz",
        folder="cifar-100-binary",
        train=("train.bin",),
        test=("test.bin",),
        label_bytes=2,
    ),
    mirrors=(
        Mirror(
            "Hugging Face",
            "cifar100",
            (
                PublishedFile(
                    f"{_CIFAR100_PARQUET}/train-00000-of-00001.parquet",
                    118_518_617,
                    "694865d6b990e234804f01268586c41e88bcbbb75e20858432c05ad4081aca23",
                ),
                PublishedFile(
                    f"{_CIFAR100_PARQUET}/test-00000-of-00001.parquet",
                    23_772_751,
                    "98776c529bb146a9c791229df74a5cf076be9b43d82dbbd334b6a7788d73dc68",
                ),
            ),
        ),
        Mirror(
            "University of Toronto",
            ".",
            (
                PublishedFile(
                    f"{_TORONTO}/cifar-100-binary.tar.gz",
                    168_513_733,
                    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                ),
            ),
        ),
    ),
    fingerprint=None,
)

CIFARS = {spec.name: spec for spec in (CIFAR10, CIFAR100)}
DATASETS = (*CIFARS, "digits")


def check_name(name: str) -> str:
    """Give `name` back, or raise `PlumblineError` with the known names and the nearest one.

    >>> check_name("cifar10")
    'cifar10'
    """
    if name in DATASETS:
        return name
    hint = nearest_of(name.lower().replace("-", ""), DATASETS)
    raise PlumblineError(f"There is no data set '{name}'.{hint} Expected one of {', '.join(DATASETS)}.")
