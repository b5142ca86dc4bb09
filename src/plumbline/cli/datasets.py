"""From what a user types after --data to a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from plumbline.data import DATASETS, Dataset, find_data_name, load_dataset
from plumbline.data.folders import check_folder, known_names
from plumbline.errors import PlumblineError, nearest_of
from plumbline.progress import Progress
from plumbline.records import Record, where_it_was


def load_named_or_path(
    text: str,
    *,
    progress: Progress,
    image_size: int | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
    largest_side: int | None = None,
) -> Dataset:
    """Load a data set by its name, or from a path: a known set in a folder, or pictures of one's own.

    `image_size`, or at most `largest_side` where it is chosen from the pictures, and `on_bad_image` are for
    one's own pictures. Raises PlumblineError for what `check_named_or_path` refuses and for what cannot be
    read.
    """
    check_named_or_path(text)
    if text in DATASETS:
        return load_dataset(text, progress=progress)
    path = Path(text).expanduser()
    try:
        if not path.is_file():
            check_folder(path)
            known = known_names(path)
            if known:
                # Of several, the one who asks has to choose: finding the name says so.
                name = known[0] if len(known) == 1 else find_data_name(path)
                return load_dataset(name, data_dir=path, progress=progress)
        from plumbline.data.picture_data import load_pictures

        return load_pictures(
            path.absolute(),
            image_size=image_size,
            largest_side=largest_side,
            on_bad_image=on_bad_image,
            progress=progress,
        )
    except PlumblineError as error:
        raise PlumblineError(f"--data {text}: {error}") from error


def check_named_or_path(text: str) -> None:
    """Raise PlumblineError for a word that is neither a data set nor a path, with the nearest right name."""
    if text in DATASETS or os.sep in text or Path(text).expanduser().exists():
        return
    raise PlumblineError(
        f"--data {text} is neither a data set nor a folder here.{nearest_of(text, DATASETS)} Expected "
        f"{', '.join(DATASETS)}, or the path of a folder, table or zip file of pictures."
    )


def load_of_run(record: Record, *, data: str | None, progress: Progress) -> Dataset:
    """Load the data that a run was made on, or other data at the image size of that run.

    What could not be read when the run was made is left out again; who needs the very same images compares
    fingerprints.
    """
    return load_named_or_path(
        data or where_it_was(record.dataset),
        progress=progress,
        image_size=record.dataset.image_size,
        on_bad_image="skip",
    )
