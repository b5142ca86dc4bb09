"""From what a user types after --data to a data set."""

from __future__ import annotations

import os
from pathlib import Path

from plumbline.data import DATASETS, Dataset, find_data_name, load_dataset
from plumbline.errors import PlumblineError, nearest_of
from plumbline.progress import Progress


def load_named_or_path(text: str, *, progress: Progress) -> Dataset:
    """Load a data set by its name, or from a folder that holds one.

    Raises PlumblineError for a word that is neither, with the nearest right name.
    """
    if text in DATASETS:
        return load_dataset(text, progress=progress)
    path = Path(text)
    if os.sep not in text and not path.exists():
        raise PlumblineError(
            f"--data {text} is neither a data set nor a folder here.{nearest_of(text, DATASETS)} "
            f"Expected {', '.join(DATASETS)}, or the path of a folder that holds one of them."
        )
    try:
        return load_dataset(find_data_name(path), data_dir=path, progress=progress)
    except PlumblineError as error:
        raise PlumblineError(f"--data {text}: {error}") from error
