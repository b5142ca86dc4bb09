"""Saved runs, read back: one run folder, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from plumbline.errors import PlumblineError
from plumbline.records import Record, read_record


def read_runs(folder: Path, *, seeds: tuple[int, ...] | None = None) -> dict[int, tuple[Path, Record]]:
    """Give the finished runs in a folder by their seed, each with its own folder; `seeds` leaves out others.

    Raises PlumblineError if the folder holds no run, a record is missing or damaged, a run is not finished, a
    seed stands twice, or one of `seeds` is not there.
    """
    found: dict[int, tuple[Path, Record]] = {}
    for path in _run_folders(folder):
        record = read_record(path)
        if seeds is not None and record.seed not in seeds:
            continue
        if record.status != "finished":
            raise PlumblineError(
                f"The run in {path} is {record.status}, not finished: leaving it out would choose by "
                f"outcome. Finish it with `plumbline fit --out {path} --resume`, or name the other "
                "seeds with --seeds."
            )
        if record.seed in found:
            raise PlumblineError(
                f"Seed {record.seed} stands twice in {folder}: {found[record.seed][0].name} and {path.name}. "
                "Every run counts, and once: move one of them away."
            )
        found[record.seed] = (path, record)
    missing = [seed for seed in seeds or () if seed not in found]
    if missing:
        have = ", ".join(map(str, sorted(found))) or "none of those asked for"
        raise PlumblineError(
            f"{folder} has no run of seed {', '.join(map(str, missing))}; it has {have}. Name seeds that are "
            "there with --seeds, or leave it out to take all."
        )
    return found


def _run_folders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir() or (folder / "record.json").is_file():
        yield folder
        return
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    runs = [path for path in below if (path / "record.json").is_file()]
    lost = [path for path in below if path not in runs and path.name.startswith("seed")]
    if lost:
        raise PlumblineError(
            f"{lost[0]} has no record.json: its run has not got so far, or its record was lost. Make it "
            "again, or move the folder away."
        )
    if not runs:
        deeper = [path for path in below if any(path.glob("*/record.json"))]
        hint = f" Meant is perhaps {' or '.join(map(str, deeper))}." if deeper else ""
        raise PlumblineError(
            f"{folder} is no run and holds none: expected record.json in it, or seedN/record.json as "
            f"`plumbline compare` and `plumbline bench fit` write.{hint}"
        )
    yield from runs
