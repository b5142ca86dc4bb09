"""The sheet that `plumbline data check --sheet` draws."""

from __future__ import annotations

from PIL import Image

from plumbline.data import Dataset
from plumbline.data.duplicates import DuplicatePair, NearDuplicates
from plumbline.data.pair_sheet import SheetPair, draw_sheet

_MOST = 240


def pairs_sheet(dataset: Dataset, *, found: NearDuplicates) -> Image.Image:
    """Draw pairs across the splits, the most alike first: of each test image the best, 240 at most."""
    best: dict[int, DuplicatePair] = {}
    for pair in found.pairs:
        if pair.kind != "possible":
            best.setdefault(pair.first, pair)
    chosen = list(best.values())[:_MOST]
    title = (
        f"{dataset.name}: {len(chosen)} of the {len(best)} test images (left) that have a duplicate in "
        "training (right)"
    )
    return draw_sheet([shown_pair(pair, dataset=dataset) for pair in chosen], title=title)


def shown_pair(pair: DuplicatePair, *, dataset: Dataset) -> SheetPair:
    """Give one pair across the splits, with the indices and class names under it."""
    test = dataset.classes[int(dataset.test.labels[pair.first])]
    train = dataset.classes[int(dataset.train.labels[pair.second])]
    return SheetPair(
        left=dataset.test.take(slice(pair.first, pair.first + 1))[0],
        right=dataset.train.take(slice(pair.second, pair.second + 1))[0],
        left_lines=(f"test {pair.first}", test),
        right_lines=(f"train {pair.second}", train),
        note=f"{pair.kind} {pair.similarity:.2f}{', mirrored' if pair.mirrored else ''}",
    )
