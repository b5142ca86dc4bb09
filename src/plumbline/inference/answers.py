"""What a trained model says of pictures on disk."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from plumbline.errors import PlumblineError
from plumbline.inference.decoding import Decoded, decode_in_order
from plumbline.inference.trained import TrainedModel, probabilities, to_batch

BATCH_SIZE = 128


@dataclass(frozen=True)
class ClassProbability:
    """A class and how probable it is, from 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What was said of one picture: the likeliest classes first, or the reason why nothing could be."""

    path: Path
    top: tuple[ClassProbability, ...]
    fault: str | None = None


def answer_all(
    trained: TrainedModel,
    *,
    paths: Iterable[Path],
    top: int = 1,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
) -> Generator[Answer]:
    """Say of each picture what it shows, in the order of `paths`, holding a few batches at a time.

    Args:
        trained: what answers.
        paths: of the pictures.
        top: how many classes to name, all of them where it has fewer.
        batch_size: pictures that are classified at once.
        workers: threads that decode; None: one for each processor.

    Raises:
        PlumblineError: `top` or `batch_size` below 1.

    """
    if top < 1 or batch_size < 1:
        raise PlumblineError(
            f"expected to name 1 class or more of 1 picture or more, got {top}, {batch_size}."
        )
    decoded = decode_in_order(paths, size=trained.stored_size, workers=workers)
    try:
        while batch := list(islice(decoded, batch_size)):
            yield from _answer(trained, batch=batch, top=top)
    finally:
        decoded.close()


def _answer(trained: TrainedModel, *, batch: list[Decoded], top: int) -> Iterator[Answer]:
    pictures = [one.pixels for one in batch if one.pixels is not None]
    rows: Iterator[tuple[ClassProbability, ...]] = iter(())
    if pictures:
        found = probabilities(trained, images=to_batch(pictures)).topk(min(top, len(trained.classes)), dim=1)
        rows = (
            tuple(ClassProbability(trained.classes[index], value) for index, value in zip(*row, strict=True))
            for row in zip(found.indices.tolist(), found.values.tolist(), strict=True)
        )
    for one in batch:
        yield Answer(one.path, next(rows) if one.fault is None else (), one.fault)
