"""The files that images came from, by index, in the run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plumbline.errors import PlumblineError
from plumbline.records import RunFolder
from plumbline.records.image_names import image_names_path, read_image_names, write_image_names

if TYPE_CHECKING:
    from pathlib import Path


def test_names_come_back_by_split_and_index(tmp_path: Path) -> None:
    """Commas, quotes, line breaks and Japanese in a name survive."""
    folder = RunFolder(tmp_path)
    write_image_names(folder, {"train": ["a/1.png", 'b, "c"\n.png'], "test": ["猫/三毛 1.jpg"]})
    assert read_image_names(folder, split="train") == {0: "a/1.png", 1: 'b, "c"\n.png'}
    assert read_image_names(folder, split="test") == {0: "猫/三毛 1.jpg"}


def test_a_run_on_a_known_data_set_has_none(tmp_path: Path) -> None:
    """Where the images were no files there is nothing to read, and that is no error."""
    assert read_image_names(RunFolder(tmp_path), split="test") == {}


@pytest.mark.parametrize(
    "text", ["what,is\n", "split,index,path\ntest,x,a\n", 'split,index,path\ntest,1,"a\n']
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """The error says which file it is and what to do."""
    folder = RunFolder(tmp_path)
    image_names_path(folder).write_text(text)
    with pytest.raises(PlumblineError, match=r"images\.csv is damaged"):
        read_image_names(folder, split="test")
