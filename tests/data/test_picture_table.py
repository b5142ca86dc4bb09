"""Tables of pictures: what they may look like, and the line of what is wrong in one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures_made import fill, tiny

from plumbline.data.picture_source import PictureEntry, find_pictures
from plumbline.data.picture_table import read_rows
from plumbline.errors import PlumblineError

FILES = ("a/1.png", "a/2 b.png", "写真/3.png", "a/4")


def table(folder: Path, text: str | bytes, *, name: str = "labels.csv") -> Path:
    path = fill(folder, names=FILES) / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "header", ["path,label,split", "Filename,Class,SPLIT", "image,label,split", "\ufefffile,class,split"]
)
def test_a_csv(tmp_path: Path, header: str) -> None:
    """Columns have any of the usual names; quotes, blank lines and the mark that Excel writes do no harm."""
    text = f'{header}\n"a/1.png",cat,train\n./a/2 b.png, dog ,Train\n\n写真/3.png,cat,\na/4,dog,val\n'
    source = find_pictures(table(tmp_path, text))
    assert (source.form, source.classes, source.notes) == ("table", ("cat", "dog"), ())
    assert source.entries == (
        PictureEntry("a/1.png", 0, "train"),
        PictureEntry("a/2 b.png", 1, "train"),
        PictureEntry("a/4", 1, "validation"),
        PictureEntry("写真/3.png", 0, None),
    )
    assert source.read(source.entries[3]) == tiny(2)


def test_a_csv_with_the_line_ends_of_windows(tmp_path: Path) -> None:
    """Lines may end as Windows ends them, and a cell may hold a comma or a line of its own."""
    source = find_pictures(table(tmp_path, 'path,label\r\na/1.png,"cat, tame"\r\na/4,"wild\r\ncat"\r\n'))
    assert source.classes == ("cat, tame", "wild\r\ncat")


def test_a_parquet_table(tmp_path: Path) -> None:
    """Text, dictionary-encoded text and whole numbers are read; numbers become names of classes."""
    names = pa.array(["a/1.png", "a/4", "写真/3.png"]).dictionary_encode()
    split = pa.array([None, "train", "train"], pa.large_string())
    path = fill(tmp_path, names=FILES) / "labels.parquet"
    pq.write_table(pa.table({"path": names, "label": [7, 10, 7], "split": split, "more": [1.0, 2, 3]}), path)
    source = find_pictures(path)
    assert source.classes == ("10", "7")
    assert source.entries[0] == PictureEntry("a/1.png", 1, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected columns path, label and perhaps split, got none"),
        ("path,label\n", "has no row"),
        ("name,label\na/1.png,x\n", "path or file or filename or image is missing"),
        ("path,species\na/1.png,x\n", "label or class is missing"),
        ("path;label\na/1.png;x\n", "separate them with commas"),
        ("path,file,label\na,b,x\n", "several columns for one thing: 'path', 'file'"),
        ("path,label\na/1.png,x\na/2 b.png\n", "line 3: expected 2 cells, got 1"),
        ("path,label\na/1.png,x\n,y\n", "line 3: expected a path and a label"),
        ("path,label\na/1.png,\n", "line 2: expected a path and a label"),
        ('path,label\na/1.png,"x\n', "line 2: no valid CSV"),
        ("path,label\n/etc/passwd,x\n", "line 2: the path '/etc/passwd' may lead out"),
        ("path,label\na/../../b.png,x\n", "may lead out"),
        ("path,label\nC:\\a.png,x\n", "may lead out"),
        (
            "path,label\na/1.png,x\nb.png,y\na\\1.png,y\n",
            r"names 2 files that are not there: 'b\.png \(line 3\)'",
        ),
        (
            "path,label\na/1.png,x\na/4,y\na/1.png,y\n",
            "a/1.png has the label 'x' in line 2 and 'y' in line 4",
        ),
        (
            "path,label,split\na/4,x,test\na/4,x,train\n",
            "has the split 'test' in line 2 and 'train' in line 3",
        ),
        ("path,label,split\na/4,x,holdout\na/1.png,y,\n", "line 2: expected the split train, val or test"),
        ("path,label\na/1.png,x\n", "at least two classes, got 'x' only"),
        ("path,label\na/1.png,x\na/4,X\n", "differ only in case"),
        ("path,label,split\na/1.png,x,train\na/4,y,test\n", "no picture of 'y' is in the train split"),
        ("path,label\na/1.png,x\na/4,caf\u00e9\n".encode("latin-1"), "line 3: expected text in UTF-8"),
        (b"path,label\na\0,x\n", "may lead out"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    """Each mistake in a table gets one sentence with the file's name and the line."""
    with pytest.raises(PlumblineError, match=said) as error:
        find_pictures(table(tmp_path, text))
    assert "labels.csv" in str(error.value)


def test_rows_that_repeat(tmp_path: Path) -> None:
    """A row that says the same again is ignored, and counted."""
    source = find_pictures(table(tmp_path, "path,label\na/1.png,x\na/4,y\n./a//1.png,x\n"))
    assert len(source.entries) == 2
    assert source.notes[0].endswith("labels.csv that repeat another were ignored: 1")


def test_a_split_may_lack_a_class_while_pictures_are_open(tmp_path: Path) -> None:
    """Where some pictures have no split yet, training and the open ones together must be complete."""
    text = "path,label,split\na/1.png,x,test\na/4,y,\na/2 b.png,x,\n"
    assert len(find_pictures(table(tmp_path, text)).entries) == 3


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    """A path that leads out of the table's folder by a link, of a file or a folder, is refused."""
    outside = fill(tmp_path / "other", names=("1.png",))
    path = table(tmp_path / "set", "path,label\na/1.png,x\nlink/1.png,y\n")
    (tmp_path / "set/link").symlink_to(outside)
    with pytest.raises(PlumblineError, match=r"link is a link that leaves the folder"):
        find_pictures(path)
    path.write_text("path,label\na/1.png,x\na/link.png,y\n")
    (tmp_path / "set/a/link.png").symlink_to(outside / "1.png")
    with pytest.raises(PlumblineError, match=r"a/link\.png is a link that leaves the folder"):
        find_pictures(path)


def test_a_table_without_columns_of_text(tmp_path: Path) -> None:
    """A parquet file of pictures themselves, or one that is damaged, is no table of paths."""
    path = fill(tmp_path, names=FILES) / "labels.parquet"
    image = pa.array([{"bytes": b"1", "path": "a"}])
    pq.write_table(pa.table({"image": image, "label": [1]}), path)
    with pytest.raises(PlumblineError, match="cannot be read as a parquet table of text"):
        find_pictures(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PlumblineError, match=r"labels\.parquet cannot be read"):
        find_pictures(path)


def parquet_bytes() -> bytes:
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({"path": ["a/1.png", "a/4"], "label": ["x", "y"]}), stream)
    return bytes(stream.getvalue())


PARQUET = parquet_bytes()


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["a.csv", "a.parquet"]),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
)
def test_any_bytes(name: str, changes: list[tuple[float, int]]) -> None:
    """A table with some bytes changed is read or refused, and nothing else."""
    data = bytearray(PARQUET if name == "a.parquet" else b'path,label\n"a/1.png",x\na/4,"y"\n')
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        read_rows(bytes(data), told=name)
    except PlumblineError as error:
        assert name in str(error)  # noqa: PT017
