"""Sets of pictures as people have them, from `plumbline fit --data FOLDER` to `plumbline predict`."""

from __future__ import annotations

import colorsys
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from plumbline.records import RunFolder, read_record

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import Outcome, Plumbline
    from plumbline.records import Record


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))


def write_discs(
    root: Path, *, counts: dict[str, int], size: tuple[int, int] = (32, 32), suffix: str = "png"
) -> Path:
    """Write `counts[class]` pictures of each class: a disc somewhere on noise, both in its own colours."""
    random = np.random.default_rng(0)
    width, height = size
    down, right = np.mgrid[:height, :width]
    for label, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.normal(colour(label // 10) / 2, 20, (height, width, 3))
            radius = min(size) * random.uniform(0.25, 0.35)
            across, along = random.uniform(radius, width - radius), random.uniform(radius, height - radius)
            pixels[(right - across) ** 2 + (down - along) ** 2 < radius**2] = colour(label % 10)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(root / name / f"{number:03}.{suffix}")
    return root


def colour(number: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give one of ten colours as red, green and blue."""
    return np.array(colorsys.hsv_to_rgb(number / 10, 1, 0.9)) * 255


def fit(plumbline: Plumbline, folder: Path, *options: str) -> tuple[Outcome, Record]:
    run = folder.with_name("run")
    done = plumbline("fit", "--data", str(folder), "--device", "cpu", "--out", str(run), *options)
    assert done.code == 0, done.err
    return done, read_record(run)


def last_accuracy(record: Record) -> float:
    return next(score.accuracy for score in reversed(record.scores) if score.split == "test")


def test_a_hundred_classes(plumbline: Plumbline, tmp_path: Path) -> None:
    """Eight pictures of each are told apart far above chance, and the report knows all of them."""
    names = [f"class {number:02}" for number in range(100)]
    done, record = fit(
        plumbline, write_discs(tmp_path / "hundred", counts=dict.fromkeys(names, 8)), "--epochs", "4"
    )
    assert list(record.dataset.classes) == names
    assert last_accuracy(record) >= 0.5
    assert "Recipe pictures" in done.err
    assert names[99] in RunFolder(tmp_path / "run").report.read_text(encoding="utf-8")


def test_twenty_large_photographs_of_each_of_two_classes(plumbline: Plumbline, tmp_path: Path) -> None:
    """They are brought to a size that is chosen and told, and learned in a quarter of the recipe's epochs."""
    folder = write_discs(
        tmp_path / "photos", counts={"left": 20, "right": 20}, size=(1200, 900), suffix="jpg"
    )
    done, record = fit(plumbline, folder, "--epochs", "15")
    assert "96 x 96 pixels" in done.err
    assert record.recipe.resolution.test == 96
    assert last_accuracy(record) == 1.0


def test_one_broken_file_in_a_hundred(plumbline: Plumbline, tmp_path: Path) -> None:
    """The error names the file and the way out; skipped, the two are counted and the rest is trained on."""
    folder = write_discs(tmp_path / "broken", counts={"a": 100, "b": 100})
    for name in ("a/007.png", "b/050.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    refused = plumbline("fit", "--data", str(folder), "--out", str(tmp_path / "refused"))
    assert refused.code == 2
    assert "a/007.png" in refused.err
    assert "--on-bad-image skip" in refused.err
    assert not (tmp_path / "refused").exists()
    done, record = fit(plumbline, folder, "--on-bad-image", "skip", "--epochs", "2")
    assert "cannot be used were left out: 2." in done.err
    counts = record.dataset.counts
    assert counts.train + counts.validation + counts.test == 198


def test_a_class_of_a_hundredth(plumbline: Plumbline, tmp_path: Path) -> None:
    """It is told with its counts, and one switch lets its few pictures weigh as much as the many."""
    folder = write_discs(tmp_path / "uneven", counts={"common": 400, "rare": 4})
    done, record = fit(plumbline, folder, "--set", "class_weighting=balanced", "--epochs", "2")
    assert "400 pictures of 'common' and 4 of 'rare'" in done.err
    assert "balanced accuracy" in done.err
    assert all(score.balanced_accuracy is not None for score in record.scores)


def test_classes_named_in_any_script(plumbline: Plumbline, tmp_path: Path) -> None:
    """Japanese and spaces come back from `predict` as they stand on disk."""
    names = ["blue sky", "赤い 花"]
    folder = write_discs(tmp_path / "色々", counts=dict.fromkeys(names, 20))
    _, record = fit(plumbline, folder, "--epochs", "10")
    assert list(record.dataset.classes) == names
    done = plumbline("predict", str(tmp_path / "run"), str(folder), "--format", "json")
    right = [one["class"] in one["path"] for one in json.loads(done.out)["predictions"]]
    assert len(right) == 40
    assert sum(right) >= 36
