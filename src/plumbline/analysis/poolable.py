"""Which runs may be put together: what must be equal within an arm, and what between two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from plumbline.errors import PlumblineError
from plumbline.records import Record

# Equal in all runs of an arm, else they are not draws from one distribution: what was asked, on which images,
# and what the arithmetic depends on by more than its order. Each process has BatchNorm statistics of its own.
MUST_AGREE: dict[str, Callable[[Record], str]] = {
    "recipe digest": lambda record: record.recipe.digest,
    "data fingerprint": lambda record: record.dataset.fingerprint[:16],
    "device kind": lambda record: record.device.kind,
    "devices": lambda record: str(record.device.count),
    "precision": lambda record: record.device.precision,
    "plumbline": lambda record: _version(record, "plumbline"),
    "torch": lambda record: _version(record, "torch"),
    "torchvision": lambda record: _version(record, "torchvision"),
}
# These change the last bits, which a seed does too: said, and no reason to refuse.
MAY_DIFFER: dict[str, Callable[[Record], str]] = {
    "lightning": lambda record: _version(record, "lightning"),
    "numpy": lambda record: _version(record, "numpy"),
    "python": lambda record: _version(record, "python"),
    "platform": lambda record: _version(record, "platform"),
    "device": lambda record: record.device.name,
    "threads": lambda record: str(record.device.threads),
}


def check_pool(records: Mapping[int, Record], *, label: str) -> list[str]:
    """Refuse runs, by seed, that must not be put together; give what else differs among them, in words.

    Raises PlumblineError naming what differs, and in which seeds.
    """
    refused = _differing(records, MUST_AGREE)
    if refused:
        raise PlumblineError(
            f"The runs of {label} cannot be pooled: {'; '.join(refused)}. Compare runs of one recipe, on the "
            "same data, made by the same versions and kind of device; leave out the others with --seeds."
        )
    told = _differing(records, MAY_DIFFER)
    return (
        [f"The runs of {label} differ in what only moves the last bits: {'; '.join(told)}."] if told else []
    )


def check_data(records: Mapping[str, Record]) -> None:
    """Refuse runs, each by what it is called, that were not all made on the same images.

    Raises PlumblineError naming two of them, and both data sets.
    """
    for (a, first), (b, second) in pairwise(records.items()):
        if first.dataset.fingerprint != second.dataset.fingerprint:
            raise PlumblineError(
                f"{a} and {b} cannot be compared: their data differ. {a} was trained and tested on "
                f"{_data(first)}, {b} on {_data(second)}."
            )


def check_pair(first: Record, second: Record, *, labels: tuple[str, str]) -> list[str]:
    """Refuse two arms on different images; give what else than the recipe differs between them, in words.

    Raises PlumblineError where the fingerprints of the data differ.
    """
    a, b = labels
    check_data({a: first, b: second})
    differs = [
        f"{name} {read(first)} and {read(second)}"
        for name, read in MUST_AGREE.items()
        if name != "recipe digest" and read(first) != read(second)
    ]
    if not differs:
        return []
    return [f"{a} and {b} also differ in {'; '.join(differs)}: the difference may be theirs."]


def _differing(records: Mapping[int, Record], fields: Mapping[str, Callable[[Record], str]]) -> list[str]:
    found = []
    for name, read in fields.items():
        seeds: dict[str, list[int]] = {}
        for seed, record in records.items():
            seeds.setdefault(read(record), []).append(seed)
        if len(seeds) > 1:
            values = (f"{value} ({_seeds(which)})" for value, which in seeds.items())
            found.append(f"{name} {' and '.join(values)}")
    return found


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _version(record: Record, name: str) -> str:
    return record.versions.get(name, "unknown")


def _data(record: Record) -> str:
    return f"{record.dataset.name} with fingerprint {record.dataset.fingerprint[:16]}"
