"""Measure how many test images of CIFAR-10 have a near duplicate in training, and draw some of the pairs.

`python -m bench.near_duplicates --data FOLDER` writes results/near-duplicates-cifar10.json and
docs/near-duplicates.jpg anew. Nothing is taken from the cache.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch

from plumbline.cli.check_pairs import shown_pair
from plumbline.cli.console import make_progress
from plumbline.data import load_dataset
from plumbline.data.duplicates import (
    FLOOR,
    NEAR,
    PARTNERS,
    POSSIBLE,
    DuplicatePair,
    NearDuplicates,
    duplicates_within,
    near_duplicates,
)
from plumbline.data.pair_sheet import draw_sheet
from plumbline.records import write_text
from plumbline.training.journal import now, versions

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "results" / "near-duplicates-cifar10.json"
SHEET = ROOT / "docs" / "near-duplicates.jpg"
ON_THE_SHEET = 48

# Barz and Denzler, arXiv 1902.00423, and the list of pairs they publish (github.com/cvjena/cifair, meta/).
STUDY = {
    "source": "arXiv 1902.00423; github.com/cvjena/cifair, meta/duplicates_cifar10.csv",
    "with_one_in_training": 286,
    "of_these": {"exact": 0, "near": 249, "very similar": 37},
    "inside_test": 39,
    "fraction_of_test_images_in_all": 0.0325,
}

# Best pairs of test images, chosen at random by similarity (from, to), judged by eye, once, by one judge,
# at three times their size: the same picture, or not. The threshold was chosen before, on other pairs.
# Doubtful pairs count as not.
JUDGED = [
    {"from": 0.80, "to": 1.00, "test_images": 428, "judged": 60, "same_picture": 59},
    {"from": 0.80, "to": 0.85, "test_images": 101, "judged": 40, "same_picture": 36},
    {"from": 0.75, "to": 0.80, "test_images": 60, "judged": 40, "same_picture": 28},
]


def main() -> None:
    """Measure, write the record and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of CIFAR-10; default: where plumbline finds it")
    data = parser.parse_args().data
    dataset = load_dataset("cifar10", data_dir=data, progress=make_progress())
    progress = make_progress()
    searches: dict[str, Callable[[], NearDuplicates]] = {
        "across": lambda: near_duplicates(dataset.train, test=dataset.test, progress=progress),
        "test": lambda: duplicates_within(dataset.test, title="test", progress=progress),
        "training": lambda: duplicates_within(dataset.train, title="training", progress=progress),
    }
    counts = {"across": len(dataset.test), "test": len(dataset.test), "training": len(dataset.train)}
    parts: dict[str, dict[str, Any]] = {}
    found: dict[str, NearDuplicates] = {}
    for where, search in searches.items():
        began, used = perf_counter(), process_time()
        found[where] = search()
        seconds = {"wall": round(perf_counter() - began, 1), "processor": round(process_time() - used, 1)}
        parts[where] = summary(found[where], count=counts[where]) | {"seconds": seconds}
    content = {
        "date": now(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "method": found["across"].method,
        "thresholds": {"near": NEAR, "possible": POSSIBLE, "partners": PARTNERS, "sketch_floor": FLOOR},
        **parts,
        "study": STUDY,
        "judged": JUDGED,
        "pairs": [
            [pair.first, pair.second, round(pair.similarity, 3), pair.kind] for pair in found["across"].pairs
        ],
    }
    write_text(RECORD, one_pair_a_line(content))
    chosen = spread(found["across"])
    title = (
        f"CIFAR-10: {len(chosen)} of the {len(found['across'].duplicated)} test images (left) that have a "
    )
    title += "duplicate in training (right), evenly over all of them, the most alike first"
    sheet = draw_sheet([shown_pair(pair, dataset=dataset) for pair in chosen], title=title)
    sheet.save(SHEET, quality=80, optimize=True)


def summary(found: NearDuplicates, *, count: int) -> dict[str, Any]:
    """Give the number of images that have one, its fraction, and the pairs of each kind."""
    many = len(found.duplicated)
    return {
        "images": many,
        "of": count,
        "fraction": many / count,
        "pairs": dict(Counter(pair.kind for pair in found.pairs)),
    }


def spread(found: NearDuplicates) -> list[DuplicatePair]:
    """Choose pairs evenly over all test images that have one, of each the best, the most alike first."""
    best: dict[int, DuplicatePair] = {}
    for pair in found.pairs:
        if pair.kind != "possible":
            best.setdefault(pair.first, pair)
    all_pairs = list(best.values())
    step = max(1.0, len(all_pairs) / ON_THE_SHEET)
    return [all_pairs[int(place * step)] for place in range(min(ON_THE_SHEET, len(all_pairs)))]


def one_pair_a_line(content: dict[str, Any]) -> str:
    """Give JSON whose pairs take a line each."""
    pairs = ",\n".join(f"  {json.dumps(pair)}" for pair in content["pairs"])
    head = json.dumps(content | {"pairs": "PAIRS"}, indent=1)
    return head.replace('"PAIRS"', f"[\n{pairs}\n ]") + "\n"


if __name__ == "__main__":
    main()
