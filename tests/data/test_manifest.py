"""The manifest keeps what was decided, and says what has changed since."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.data.manifest import (
    ManifestEntry,
    compare_manifest,
    read_manifest,
    renamed_pictures,
    write_manifest,
)
from plumbline.errors import PlumblineError

HASH = "0123456789abcdef" * 4
HEADER = "path,class,split,sha256\n"
ENTRIES = (
    ManifestEntry("=1+1/a,b.png", "=1+1", "train", HASH),
    ManifestEntry('犬 "x"/two\nlines.png', "犬", "validation", HASH),
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def test_what_is_written(tmp_path: Path) -> None:
    """A manifest is plain CSV, sorted by path; formulas, commas, quotes and line breaks come back."""
    path = tmp_path / "manifest.csv"
    write_manifest(path, entries=reversed(ENTRIES))
    assert path.read_text(encoding="utf-8") == (
        f'{HEADER}"=1+1/a,b.png",=1+1,train,{HASH}\n"犬 ""x""/two\nlines.png",犬,validation,{HASH}\n'
    )
    assert read_manifest(path) == ENTRIES
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.csv"]


@settings(max_examples=100, deadline=None)
@given(rows=st.dictionaries(names, names, max_size=5))
def test_any_name_comes_back(rows: dict[str, str]) -> None:
    """Whatever a file or a class is called, control characters included, it is read as it was written."""
    entries = [ManifestEntry(path, name, "test", HASH) for path, name in sorted(rows.items())]
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder) / "m.csv", entries=entries)
        assert list(read_manifest(Path(folder) / "m.csv")) == entries


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the header path,class,split,sha256"),
        ("path,label\n", "line 1: expected the header"),
        (f"{HEADER}a,b,train\n", "line 2: expected 4 cells, got 3"),
        (f"{HEADER}a,b,train,{HASH}\n\n", "line 3: expected 4 cells, got 0"),
        (f"{HEADER}a,b,dev,{HASH}\n", "line 2: expected train, validation or test, got 'dev'"),
        (f"{HEADER}a,b,val,{HASH}\n", "line 2: expected train, validation or test, got 'val'"),
        (f"{HEADER}a,b,test,{HASH[1:]}\n", "line 2: expected a path, a class and 64 hexadecimal digits"),
        (f"{HEADER},b,test,{HASH}\n", "line 2: expected a path"),
        (f"{HEADER}a,b,test,{HASH}\na,c,train,{HASH}\n", "line 3: 'a' stands twice"),
        (f'{HEADER}"a,b,test,{HASH}\n', "line 2: no valid CSV"),
    ],
)
def test_a_manifest_that_was_edited(tmp_path: Path, text: str, said: str) -> None:
    """What is no manifest is refused with the file and the line: splits are not guessed."""
    path = tmp_path / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlumblineError, match=said) as error:
        read_manifest(path)
    assert str(path) in str(error.value)


def test_what_cannot_be_read_or_written(tmp_path: Path) -> None:
    """A missing file, another encoding, a missing folder, and a picture that stands twice are told."""
    path = tmp_path / "manifest.csv"
    with pytest.raises(PlumblineError, match=r"manifest\.csv cannot be read"):
        read_manifest(path)
    path.write_bytes(b"path,\xff")
    with pytest.raises(PlumblineError, match="in UTF-8"):
        read_manifest(path)
    with pytest.raises(PlumblineError, match="cannot be written"):
        write_manifest(tmp_path / "gone/m.csv", entries=ENTRIES)
    with pytest.raises(PlumblineError, match="got twice"):
        write_manifest(path, entries=[ENTRIES[0], ENTRIES[0]])


def test_what_has_changed_since() -> None:
    """New, renamed, vanished, changed, relabelled and resplit pictures are told apart, each in a line."""
    kept = [ManifestEntry(f"{name}.png", "cat", "train", HASH) for name in "abcdfg"]
    now = [
        ManifestEntry("b.png", "cat", "train", HASH),
        ManifestEntry("c.png", "cat", "train", HASH[::-1]),
        ManifestEntry("d.png", "dog", "train", HASH),
        ManifestEntry("e.png", "dog", "train", HASH),
        ManifestEntry("f.png", "cat", "train", HASH),
        ManifestEntry("g.png", "cat", "test", HASH),
    ]
    differences = compare_manifest(kept, now=now, renamed=["f.png", "g.png"])
    assert differences.new == ("e.png",)
    assert differences.renamed == ("f.png",)
    assert differences.vanished == ("a.png",)
    assert differences.changed == ("c.png",)
    assert differences.relabelled == ("d.png",)
    assert differences.resplit == ("g.png",)
    assert differences.notes()[1:3] == (
        "pictures that were renamed or moved, and keep their split: 1 ('f.png')",
        "pictures in the manifest that are no longer there: 1 ('a.png')",
    )
    assert compare_manifest(kept, now=kept).notes() == ()


def test_a_renamed_picture_is_known_by_its_bytes() -> None:
    """Only gone paths and unknown names are paired, equal files in the order of names, each once."""
    kept = [ManifestEntry(f"{name}.png", "cat", "train", HASH) for name in "dcba"]
    kept.append(ManifestEntry("x.png", "cat", "test", HASH[::-1]))
    hashes = {"a.png": HASH, "n.png": HASH, "m.png": HASH, "x.png": HASH, "y.png": HASH[::-1]}
    assert renamed_pictures(kept, hashes=hashes) == {"b.png": "m.png", "c.png": "n.png"}
    more = dict.fromkeys(("p.png", "q.png", "r.png", "s.png", "t.png"), HASH)
    assert renamed_pictures(kept[3:4], hashes=more) == {"a.png": "p.png"}
