"""Pictures on disk are found, decoded by threads and answered in order, a bounded number at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inference.handmade import digits, handmade_run, write_digits
from plumbline.inference import load_trained, probabilities
from plumbline.inference.answers import answer_all
from plumbline.inference.decoding import decode_in_order
from plumbline.inference.sources import find_sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_answers_are_those_of_the_images_in_their_order(tmp_path: Path) -> None:
    """PNG files say what the same pixels say, whatever the batch size, likeliest class first."""
    trained = load_trained(handmade_run(tmp_path / "run"), device="cpu")
    paths = write_digits(tmp_path / "pictures", count=40)
    expected = probabilities(trained, images=digits().test.take(slice(40)))
    for batch_size in (7, 40):
        found = list(answer_all(trained, paths=paths, top=3, batch_size=batch_size))
        assert [answer.path for answer in found] == paths
        assert [int(answer.top[0].name) for answer in found] == expected.argmax(1).tolist()
        best = np.array([[one.probability for one in answer.top] for answer in found])
        assert np.abs(best - expected.topk(3).values.numpy()).max() < 1e-5


def test_a_bad_file_is_told_in_its_place_and_the_rest_is_done(tmp_path: Path) -> None:
    """Broken, missing and empty: each has its reason, and the pictures around them have answers."""
    trained = load_trained(handmade_run(tmp_path / "run"), device="cpu")
    first, last = write_digits(tmp_path / "pictures", count=2)
    broken = tmp_path / "broken.png"
    broken.write_bytes(first.read_bytes()[:60])
    (tmp_path / "nothing").mkdir()
    paths = [first, broken, tmp_path / "missing.png", tmp_path / "nothing", last]
    found = list(answer_all(trained, paths=paths, batch_size=2))
    assert [answer.fault is None for answer in found] == [True, False, False, False, True]
    assert all(str(answer.path) in str(answer.fault) for answer in found[1:4])


def test_no_more_is_read_ahead_than_a_few_tasks(tmp_path: Path) -> None:
    """Of an endless list only as much is taken as is worked on: memory does not grow with the list."""
    (path,) = write_digits(tmp_path, count=1)
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield path

    decoded = decode_in_order(endless(), size=32, workers=2)
    for _ in range(40):
        next(decoded)
    assert taken <= 40 + 2 * 5 * 16
    decoded.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_what_a_person_types_finds_pictures(tmp_path: Path) -> None:
    """Folders are searched below, without what is hidden or no picture; patterns reach below with **."""
    one, two = write_digits(tmp_path / "猫 と 犬", count=2)
    (hidden,) = write_digits(tmp_path / "猫 と 犬" / ".hidden", count=1)
    (tmp_path / "notes.txt").write_text("no picture")
    assert list(find_sources([str(tmp_path)])) == [one, two]
    assert list(find_sources([str(tmp_path / "**" / "*1.png")])) == [two]
    assert list(find_sources([str(hidden), str(one)])) == [hidden, one]
    assert next(find_sources(["none-*.png"])).name == "none-*.png"


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    """[1].png is taken as the file it is."""
    (picture,) = write_digits(tmp_path, count=1)
    bracketed = picture.rename(tmp_path / "[1].png")
    assert list(find_sources([str(bracketed)])) == [bracketed]


@pytest.mark.parametrize("top", [1, 99])
def test_no_more_classes_are_named_than_there_are(tmp_path: Path, top: int) -> None:
    """Asked for 99 of 10 classes, all are named, and their probabilities add up to one."""
    trained = load_trained(handmade_run(tmp_path / "run"), device="cpu")
    (answer,) = answer_all(trained, paths=write_digits(tmp_path, count=1), top=top)
    assert len(answer.top) == min(top, 10)
    assert top == 1 or abs(sum(one.probability for one in answer.top) - 1) < 1e-5
