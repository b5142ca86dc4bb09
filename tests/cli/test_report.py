"""`plumbline report`: a page, or the numbers."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from plumbline.analysis.comparison import write_comparison
from report.sample import sample_comparison, sample_run

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import Plumbline


def test_a_page_is_written_and_its_path_printed(plumbline: Plumbline, tmp_path: Path) -> None:
    """For a run and for a comparison, given by their folder or by the file in it."""
    sample_run(tmp_path / "run")
    (tmp_path / "compared").mkdir()
    write_comparison(sample_comparison(), path=tmp_path / "compared" / "comparison.json")
    for given, written in (
        ("run", "run/report.html"),
        ("run/record.json", "run/report.html"),
        ("compared", "compared/report.html"),
    ):
        (tmp_path / written).unlink(missing_ok=True)
        done = plumbline("report", given)
        assert (done.code, done.out, done.err) == (0, f"{written}\n", "")
        assert (tmp_path / written).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_numbers_are_given_instead_of_a_page(plumbline: Plumbline, tmp_path: Path) -> None:
    """--json prints, --csv prints or writes a file, both may be asked for at once, and no page is written."""
    sample_run(tmp_path / "run")
    printed = plumbline("report", "run", "--csv", "-").out
    assert {"score", "mistake"} <= {row["table"] for row in csv.DictReader(io.StringIO(printed))}
    both = plumbline("report", "run", "--json", "--csv", "numbers.csv")
    assert json.loads(both.out)["kind"] == "run"
    assert (tmp_path / "numbers.csv").read_text(encoding="utf-8") == printed
    assert not (tmp_path / "run" / "report.html").exists()


def test_what_cannot_be_reported_on_is_refused(plumbline: Plumbline, tmp_path: Path) -> None:
    """A folder that is neither, a damaged file, an unwritable place: one paragraph, and exit code 2."""
    sample_run(tmp_path / "run")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "comparison.json").write_text("{", encoding="utf-8")
    for words, told in (
        (["nowhere"], "nowhere is neither a run nor a finished comparison"),
        (["broken"], "comparison.json is damaged"),
        (["run", "--csv", "no/such/folder.csv"], "cannot be read or written"),
        (["run", "--json", "--csv", "-"], "would both print"),
    ):
        done = plumbline("report", *words)
        assert done.code == 2
        assert told in done.err
        assert done.err.count("\n") == 1
        assert done.out == ""


def test_a_report_needs_no_torch(tmp_path: Path) -> None:
    """The page of a run with predictions is written without torch, Lightning or matplotlib being loaded."""
    sample_run(tmp_path / "run")
    code = (
        "import sys\nfrom plumbline.cli import main\n"
        "try:\n    main(['report', sys.argv[1]])\nexcept SystemExit as done:\n    assert not done.code\n"
        "assert not sys.modules.keys() & {'torch', 'torchvision', 'lightning', 'matplotlib'}"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
