"""Run folders and records: nothing is overwritten, and what cannot be read says why."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from plumbline.errors import PlumblineError
from plumbline.recipes import NAMED
from plumbline.records import (
    Counts,
    DatasetPart,
    DevicePart,
    EpochPart,
    Record,
    RunFolder,
    ScorePart,
    create_run_folder,
    read_record,
    write_record,
    write_text,
)


def make_record() -> Record:
    """Give a record as it stands when a run begins."""
    recipe = NAMED["resnet18-quick"]()
    return Record(
        status="running",
        title="resnet18-quick",
        recipe=recipe,
        digest=recipe.digest,
        seed=7,
        command="plumbline fit",
        started="2026-01-01T00:00:00+00:00",
        dataset=DatasetPart(
            name="digits",
            fingerprint="0" * 64,
            source="scikit-learn",
            classes=("0", "1"),
            counts=Counts(train=1293, validation=144, test=360),
        ),
        device=DevicePart(
            kind="cpu",
            name="a CPU",
            count=1,
            threads=2,
            precision="fp32",
            channels_last=True,
            allocator_tuned=False,
        ),
        versions={"torch": "2.15.0"},
    )


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Every field survives the disk, a loss that is not a number too."""
    lost = ScorePart(
        phase="fit", weights="raw", split="test", accuracy=0.1, correct=1, count=10, loss=math.nan
    )
    record = make_record().model_copy(update={"scores": (lost,)})
    folder = create_run_folder(tmp_path / "run")
    write_record(record, folder=folder)
    back = read_record(folder.path)
    assert math.isnan(back.scores[0].loss)
    assert back.model_dump_json() == record.model_dump_json()
    assert NAMED["resnet18-quick"]().model_dump_json(indent=2) + "\n" == folder.recipe.read_text()


def test_what_was_not_validated_is_not_a_number_that_was_lost(tmp_path: Path) -> None:
    """An epoch without held-out images reads back as None, one whose loss was lost as not-a-number."""
    epoch = EpochPart(
        phase="fit",
        epoch=0,
        train_loss=1.0,
        train_accuracy=0.5,
        validation_loss=None,
        validation_accuracy=None,
        rate=0.1,
        seconds=1.0,
    )
    lost = epoch.model_copy(update={"validation_loss": math.nan, "validation_accuracy": 0.1})
    folder = create_run_folder(tmp_path / "run")
    write_record(make_record().model_copy(update={"epochs": (epoch, lost)}), folder=folder)
    first, second = read_record(folder.path).epochs
    assert first == epoch
    assert second.validation_loss is not None
    assert math.isnan(second.validation_loss)


COMMITTED = sorted((Path(__file__).parents[2] / "results").rglob("record.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_record_is_still_read(path: Path) -> None:
    """A record that was published stays one, with its digest; scores without views are of the image alone."""
    written = json.loads(path.read_text(encoding="utf-8"))
    record = read_record(path)
    assert record.recipe.digest == record.digest == written["digest"]
    assert [score.views for score in record.scores] == [score.get("views", 1) for score in written["scores"]]
    assert [score.accuracy for score in record.scores] == [score["accuracy"] for score in written["scores"]]


def test_a_folder_with_content_is_never_taken(tmp_path: Path) -> None:
    """An output folder that is not empty is refused, and its content is as it was."""
    (tmp_path / "mine.txt").write_text("dear")
    with pytest.raises(PlumblineError, match="not empty; nothing was overwritten"):
        create_run_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    """A file under the wanted name is refused and kept."""
    path = tmp_path / "file"
    path.write_text("dear")
    with pytest.raises(PlumblineError, match="not empty"):
        create_run_folder(path)
    assert path.read_text() == "dear"


def test_a_place_that_cannot_be_written_is_told_with_its_path() -> None:
    """A folder that the system refuses is an error a person can mend (also as root)."""
    with pytest.raises(PlumblineError, match="/proc/nowhere cannot be written"):
        create_run_folder(Path("/proc/nowhere"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ('{"schema_version": 2}', "schema version 2"),
        ("[]", "schema version None"),
        ('{"schema_version": 1}', "not a valid record"),
    ],
)
def test_a_damaged_record_is_told_from_a_missing_one(tmp_path: Path, text: str, told: str) -> None:
    """A record that cannot be believed is refused with its path."""
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(PlumblineError, match=told):
        read_record(tmp_path)


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    """The error says what was expected in a run folder."""
    with pytest.raises(PlumblineError, match="is not a run folder"):
        read_record(tmp_path)


def test_a_failed_write_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new file cannot be put in place, the old one is whole and no litter is left."""
    path = tmp_path / "record.json"
    write_text(path, "old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_every_field_of_a_record_is_documented() -> None:
    """docs/record.md names each field of the schema."""
    text = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")
    schema = Record.model_json_schema()
    parts = [schema, *(part for name, part in schema["$defs"].items() if name.endswith(("Part", "Counts")))]
    missing = [name for part in parts for name in part["properties"] if f"`{name}`" not in text]
    assert missing == []


def test_a_record_says_which_schema_it_has() -> None:
    """The version stands in the file, so that a later reader can tell."""
    assert json.loads(make_record().model_dump_json())["schema_version"] == 1


def test_checkpoints_lie_in_a_folder_of_their_own() -> None:
    """The four checkpoints have fixed places."""
    assert RunFolder(Path("run")).checkpoint("averaged") == Path("run/checkpoints/averaged.ckpt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"schema_version": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"schema_version": 1e999}', "schema version inf"),
        ('{"schema_version": "\\u001b[31m"}', r"schema version \\x1b\[31m"),
        (b"\xff\xfe{}", "not JSON"),
    ],
    ids=["digits", "deep", "infinite", "escape", "no text"],
)
def test_a_hostile_record_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    """Numbers without end, nesting without end and bytes that are no text are refused by our own error."""
    path = tmp_path / "record.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PlumblineError, match=words):
        read_record(path)


def test_a_record_cannot_speak_to_a_terminal(tmp_path: Path) -> None:
    """Control characters in a record's texts, which would be printed, are refused; so are 60 MB."""
    folder = create_run_folder(tmp_path / "run")
    write_record(make_record().model_copy(update={"title": "\x1b]0;owned\x07"}), folder=folder)
    with pytest.raises(PlumblineError, match="control characters"):
        read_record(folder.path)
    with folder.record.open("r+b") as file:
        file.truncate(60_000_000)
    with pytest.raises(PlumblineError, match="larger than"):
        read_record(folder.path)
