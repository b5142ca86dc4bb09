"""An exported file is kept only if it agrees with its run, says what it is, and works as its card says."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from inference.handmade import HELD_OUT, digits, handmade_run
from plumbline.data.images import ImageSet
from plumbline.errors import PlumblineError
from plumbline.export import Refused, Request, export_model, int8, load_safetensors
from plumbline.export import accept as acceptance
from plumbline.export.accept import SUFFIXES
from plumbline.export.card import model_card
from plumbline.inference import load_trained, probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from plumbline.data.images import Images
    from plumbline.export.accept import Exported
    from plumbline.export.agreement import Classify
    from plumbline.inference import TrainedModel


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return load_trained(handmade_run(tmp_path_factory.mktemp("made") / "run"), device="cpu")


@pytest.fixture(scope="module")
def onnx_export(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Make one export for all tests of this file: tracing a network takes seconds."""
    return export_to(trained, Request(tmp_path_factory.mktemp("onnx") / "model.onnx"))


@pytest.fixture
def copied_onnx(onnx_export: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy_onnx(*_: object, example: object, about: Mapping[str, str], path: Path) -> None:
        del example, about
        shutil.copy(onnx_export.path, path)

    monkeypatch.setattr(acceptance, "write_onnx", copy_onnx)


def export_to(trained: TrainedModel, request: Request) -> Exported:
    training = digits().train
    return export_model(
        trained,
        request=request,
        checked_on=training.select(torch.arange(len(training) - HELD_OUT, len(training))),
        calibration=training.select(torch.arange(len(training) - HELD_OUT)),
        card=lambda checks: model_card(trained, request=request, checks=checks, checked_on="some images"),
    )


def run_card(card: Path, *, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run the code of a model card beside a picture, and give the words that it prints."""
    (code,) = re.findall(r"```python\n(.*?)```", card.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if "import" not in line and line]) <= 6
    Image.fromarray(digits().test.take(slice(1))[0].permute(1, 2, 0).numpy()).save(
        card.parent / "picture.png"
    )
    monkeypatch.chdir(card.parent)
    capsys.readouterr()
    exec(compile(code, str(card), "exec"), {})  # noqa: S102
    return capsys.readouterr().out.split()


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.filterwarnings("ignore")  # the card's own code: torch.export.load warns its developers
def test_a_file_agrees_with_its_run_and_works_as_its_card_says(
    form: acceptance.Format,
    trained: TrainedModel,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All classes are the same in batches and alone, and the card's code, run, names the run's answer."""
    if form == "onnx":
        request.getfixturevalue("copied_onnx")
    made = export_to(trained, Request(tmp_path / f"model{SUFFIXES[form]}", form))
    batched, alone = made.checks.agreements
    assert (batched.same, alone.same) == (batched.count, alone.count) == (HELD_OUT, HELD_OUT)
    assert max(batched.largest, alone.largest) < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["model.md", f"model{SUFFIXES[form]}"])
    name, probability = run_card(tmp_path / "model.md", monkeypatch=monkeypatch, capsys=capsys)
    expected = probabilities(trained, images=digits().test.take(slice(1)))[0]
    assert name == trained.classes[int(expected.argmax())]
    assert abs(float(probability) - float(expected.max())) < 1e-5


def test_safetensors_are_enough_to_build_the_model_again(trained: TrainedModel, tmp_path: Path) -> None:
    """Classes, run and preprocessing come back from the file alone; another file is refused."""
    path = export_to(trained, Request(tmp_path / "model.safetensors", "safetensors")).path
    loaded = load_safetensors(path)
    assert loaded.classes == trained.classes
    about = json.loads(loaded.about["record"])
    assert (about["digest"], about["seed"]) == (trained.record.digest, 7)
    assert about["accuracy"].startswith("83.33 % of 360 test images (95 % interval ")
    images = digits().test.take(slice(9))
    with torch.inference_mode():
        assert (loaded.classifier(images) - probabilities(trained, images=images)).abs().max() < 1e-5
    other = tmp_path / "other.safetensors"
    other.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PlumblineError, match=r"other\.safetensors cannot be used"):
        load_safetensors(other)


def test_a_file_that_disagrees_is_not_kept(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export whose probabilities are off by a hundredth is refused, and nothing is left behind."""
    write = acceptance._write

    def write_off(trained: TrainedModel, *, form: acceptance.Format, path: Path) -> Classify:
        classify = write(trained, form=form, path=path)
        return lambda images: classify(images) + 0.01

    monkeypatch.setattr(acceptance, "_write", write_off)
    with pytest.raises(Refused, match="does not agree with the run") as refused:
        export_to(trained, Request(tmp_path / "model.safetensors", "safetensors"))
    assert abs(refused.value.checks.agreements[0].largest - 0.01) < 1e-5
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(trained: TrainedModel, tmp_path: Path) -> None:
    """A file or a card of that name stays as it is."""
    for name in ("model.safetensors", "model.md"):
        there = tmp_path / name
        there.write_text("mine")
        with pytest.raises(PlumblineError, match=f"{name} is there already"):
            export_to(trained, Request(tmp_path / "model.safetensors", "safetensors"))
        assert there.read_text() == "mine"
        there.unlink()
    with pytest.raises(PlumblineError, match="int8 goes with --format onnx"):
        export_to(trained, Request(tmp_path / "model.pt2", "torch-export", is_int8=True))


def test_an_onnx_file_says_what_it_is_and_nothing_of_this_machine(
    trained: TrainedModel, onnx_export: Exported
) -> None:
    """Names of input, output and classes are in the file; folders of the machine that made it are not."""
    import onnx

    model = onnx.load(onnx_export.path)
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["images", "probabilities"]
    known = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(known["classes"]) == list(trained.classes)
    assert "resized to 20 x 20" in known["preprocessing"]
    assert b".py" not in onnx_export.path.read_bytes()


@pytest.mark.usefixtures("copied_onnx")
def test_eight_bits_keep_the_accuracy_in_a_fraction_of_the_bytes(
    trained: TrainedModel, tmp_path: Path
) -> None:
    """The file is under half as large, loses half a point at most, and its speed was measured at 64 and 1."""
    report = export_to(trained, Request(tmp_path / "model.onnx", is_int8=True)).checks.int8
    assert report is not None
    assert report.fp32_correct > 0.75 * report.count
    assert report.lost <= 0.005
    assert 2 * report.int8_bytes < report.fp32_bytes
    assert [speed.batch for speed in report.speeds] == [64, 1]
    assert "With eight bits" in (tmp_path / "model.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("copied_onnx")
def test_eight_bits_that_lose_too_much_are_refused(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ranges from black pictures the accuracy falls; no file is kept, and the loss is told."""
    quantize = int8.quantize

    def quantize_badly(path: Path, *, calibration: Images, to: Path) -> None:
        black = calibration.select(torch.arange(8))
        assert isinstance(black, ImageSet)
        black.images.zero_()
        quantize(path, calibration=black, to=to)

    monkeypatch.setattr(acceptance, "quantize", quantize_badly)
    with pytest.raises(Refused, match="Eight bits lose"):
        export_to(trained, Request(tmp_path / "model.onnx", is_int8=True))
    assert list(tmp_path.iterdir()) == []
