from pathlib import Path

import pytest
from small_cifar import SPEC, write_shards

from plumbline.data.load import load_cifar
from plumbline.data.read import file_sha256
from plumbline.data.verify import describe_dataset, report_files, verify_dataset
from plumbline.errors import PlumblineError


def test_files_are_hashed_and_compared(tmp_path: Path) -> None:
    """A file is "unlisted" until a SHA256SUMS names it, and one that differs from its line is an error."""
    write_shards(tmp_path)
    path = tmp_path / "test-00000-of-00001.parquet"
    assert report_files((path,), spec=SPEC)[0].state == "unlisted"
    (tmp_path / "SHA256SUMS").write_text(f"{file_sha256(path)}  {path.name}\n")
    report = report_files((path,), spec=SPEC)[0]
    assert (report.state, report.size) == ("listed", path.stat().st_size)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64} *{path.name}\n")
    with pytest.raises(PlumblineError, match="differs from its SHA256SUMS"):
        report_files((path,), spec=SPEC)


def test_counts_per_class(tmp_path: Path) -> None:
    """The report counts the images of each class in both splits."""
    write_shards(tmp_path)
    report = describe_dataset(load_cifar(SPEC, data_dir=tmp_path))
    assert (report.train_count, report.test_count) == (50, 20)
    assert report.per_class["frog"] == (5, 2)
    assert list(report.per_class) == list(SPEC.classes)


def test_built_in_set_has_no_files() -> None:
    """The digits can be verified like any other set, and are no file on disk."""
    report = verify_dataset("digits")
    assert report.files == ()
    assert sum(test for _, test in report.per_class.values()) == 360


def test_verify_never_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no copy, verifying says so; it does not fetch one."""
    monkeypatch.delenv("PLUMBLINE_DATA", raising=False)
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path))
    with pytest.raises(PlumblineError, match="downloads were not allowed"):
        verify_dataset("cifar10")
    assert list(tmp_path.iterdir()) == []
