"""POST /api/predict: what the model says, picture by picture, for one client and for many."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from plumbline.errors import PlumblineError
from plumbline.inference.trained import probabilities, to_batch
from plumbline.serve.limits import Limits
from serve.running import digits, one_colour, png, serving, wait_for_index

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from numpy.typing import NDArray

    from plumbline.data import Dataset
    from plumbline.inference.trained import TrainedModel
    from plumbline.progress import Progress


def held_out_picture(index: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(digits().test.images[index].permute(1, 2, 0).numpy())


def ask(client: httpx.Client, *contents: bytes, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    files = [("files", (f"{at}.png", content)) for at, content in enumerate(contents)]
    answer = client.post("/api/predict", files=files, params=query)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_probabilities_are_the_models(client: httpx.Client, trained: TrainedModel) -> None:
    """Several pictures in one request get the calibrated probabilities of each, the most likely first."""
    pictures = [held_out_picture(index) for index in range(3)]
    results = ask(client, *map(png, pictures), top=10)
    expected = probabilities(trained, images=to_batch(pictures))
    assert [result["name"] for result in results] == ["0.png", "1.png", "2.png"]
    for result, shares in zip(results, expected.tolist(), strict=True):
        said = {one["name"]: one["probability"] for one in result["classes"]}
        assert said == pytest.approx(dict(zip(trained.classes, shares, strict=True)), abs=1e-5)
        assert [*said.values()] == sorted(said.values(), reverse=True)


def test_what_is_not_asked_for_is_not_given(client: httpx.Client) -> None:
    """By default there are five classes, no heat map and no neighbours; asked for, they have their shapes."""
    content = png(held_out_picture(0))
    (plain,) = ask(client, content)
    assert (len(plain["classes"]), plain["heat_map"], plain["neighbours"]) == (5, None, [])
    wait_for_index(client)
    (rich,) = ask(client, content, heat_map=True, neighbours=3, top=1)
    heat = np.array(rich["heat_map"])
    assert heat.shape[0] >= 6
    assert (heat.min() >= 0, heat.max()) == (True, 1.0)
    assert [len(rich["neighbours"]), len(rich["classes"])] == [3, 1]


def test_the_nearest_to_a_training_picture_is_itself(client: httpx.Client, trained: TrainedModel) -> None:
    """It is found with a cosine of 1; a picture that was held out is not among those compared with."""
    wait_for_index(client)
    train = digits().train
    count = client.get("/api/model").json()["training_pictures"]["total"]
    assert count == trained.record.dataset.counts.train < len(train)
    hits = set()
    for index in range(30):
        picture = np.ascontiguousarray(train.images[index].permute(1, 2, 0).numpy())
        (result,) = ask(client, png(picture), neighbours=1)
        (near,) = result["neighbours"]
        hits.add(near["index"] == index)
        if near["index"] == index:
            assert near["similarity"] == pytest.approx(1, abs=2e-3)
            assert near["class_name"] == trained.classes[int(train.labels[index])]
    assert hits == {True, False}  # most are found; those held out are not


def test_a_wrong_file_spoils_no_other(client: httpx.Client) -> None:
    """Each file that cannot be used has an error of its own kind, in the language asked for."""
    whole = png(held_out_picture(1))
    files = [
        whole,
        b"hello",
        b"",
        whole[: len(whole) // 2],
        one_colour(10_000, 6_000),
        one_colour(11_000, 10_000),
    ]
    results = ask(client, *files, lang="ja")
    kinds = [result["error"] and result["error"]["kind"] for result in results]
    assert kinds == [None, "no_picture", "empty", "damaged", "too_many_pixels", "too_many_pixels"]
    assert results[4]["error"]["message"] == "画素数が 5,000 万を超えています。画像を縮小してください。"
    assert results[0]["classes"]


def test_many_clients_get_what_one_gets(client: httpx.Client, trained: TrainedModel) -> None:
    """Thirty-two at once are answered in batches, and each with the answer to its own picture."""
    pictures = [held_out_picture(index) for index in range(32)]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda content: ask(client, content, top=1)[0], map(png, pictures)))
    best = probabilities(trained, images=to_batch(pictures)).max(dim=1)
    said = [result["classes"][0] for result in together]
    assert [one["name"] for one in said] == [trained.classes[index] for index in best.indices.tolist()]
    assert [one["probability"] for one in said] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_nothing_is_written_to_disk(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large upload leaves no file behind, and cannot while it is read: there is no place for one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    content = png(noise)
    assert len(content) > 3_000_000
    (result,) = ask(client, content)
    assert result["error"] is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("problem", ["missing", "others"])
def test_without_the_training_pictures_the_rest_goes_on(trained: TrainedModel, problem: str) -> None:
    """Where the data cannot be had, or are not those of the run, it says why, and answers."""

    def fail(progress: Progress) -> Dataset:  # noqa: ARG001
        if problem == "missing":
            raise PlumblineError("digits cannot be had")
        return digits_with_another_fingerprint()

    with serving(trained, limits=Limits(rate=0), open_data=fail) as client:
        (result,) = ask(client, png(held_out_picture(0)), neighbours=3)
        until = time.monotonic() + 60
        while (status := client.get("/api/model").json()["training_pictures"])["state"] == "opening":
            assert time.monotonic() < until
            time.sleep(0.05)
    assert result["classes"]
    assert result["neighbours"] == []
    assert status["state"] == "unavailable"
    assert {"missing": "cannot be had", "others": "other pictures"}[problem] in status["reason"]


def test_its_end_does_not_wait_for_pictures_that_are_being_read(trained: TrainedModel) -> None:
    """The reading ends at its next step, and leaves no thread that the end of Python would unwind."""
    readers = []

    def read_for_ever(progress: Progress) -> Dataset:
        readers.append(threading.current_thread())
        with progress.task("decode", total=None, unit="images") as task:
            while True:
                time.sleep(0.01)
                task.advance()

    with serving(trained, limits=Limits(rate=0), open_data=read_for_ever) as client:
        status = client.get("/api/model").json()["training_pictures"]
    assert status["state"] == "opening"
    assert [reader.is_alive() for reader in readers] == [False]


def digits_with_another_fingerprint() -> Dataset:
    from dataclasses import replace

    return replace(digits(), fingerprint="0" * 64)
