"""The files that a run's images came from, kept in its folder as `images.csv`: split, index, path."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from plumbline.errors import PlumblineError
from plumbline.records.store import RunFolder, write_text

_COLUMNS = ("split", "index", "path")


def image_names_path(folder: RunFolder) -> Path:
    """Give where the names are kept."""
    return folder.path / "images.csv"


def write_image_names(folder: RunFolder, names: Mapping[str, Sequence[str]]) -> None:
    """Write the file names of each split ("train", what is held out included, and "test") by their index."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((split, index, name) for split, of in names.items() for index, name in enumerate(of))
    write_text(image_names_path(folder), text.getvalue())


def read_image_names(folder: RunFolder, *, split: str) -> dict[int, str]:
    """Give the file of each image of a split by its index; empty where the images were no files of one's own.

    Raises PlumblineError where the file is damaged.
    """
    path = image_names_path(folder)
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if tuple(rows.fieldnames or ()) != _COLUMNS:
                raise PlumblineError(f"{path} is damaged: expected the columns {', '.join(_COLUMNS)}.")
            return {int(row["index"]): row["path"] for row in rows if row["split"] == split}
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise PlumblineError(
            f"{path} is damaged: {error}. Delete it to have a report without file names."
        ) from error
