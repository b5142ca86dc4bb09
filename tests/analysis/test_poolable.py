"""Which runs may be put together, and what is told of those that may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plumbline.analysis.poolable import MUST_AGREE, check_pair, check_pool
from plumbline.errors import PlumblineError
from plumbline.recipes import apply_settings
from trials.made import made_record

if TYPE_CHECKING:
    from plumbline.records import Record


def changed(record: Record, what: str) -> Record:
    """Give the record of the same run made otherwise in one respect."""
    if what == "recipe digest":  # the digest that was written down says nothing: it is computed again
        return record.model_copy(update={"recipe": apply_settings(record.recipe, {"epochs": 5})})
    if what == "data fingerprint":
        return record.model_copy(
            update={"dataset": record.dataset.model_copy(update={"fingerprint": "e" * 64})}
        )
    field, value = {
        "device kind": ("kind", "cuda"),
        "devices": ("count", 2),
        "precision": ("precision", "bf16"),
        "device": ("name", "Another CPU"),
        "threads": ("threads", 1),
    }.get(what, ("", ""))
    if field:
        return record.model_copy(update={"device": record.device.model_copy(update={field: value})})
    return record.model_copy(update={"versions": record.versions | {what: "9.9"}})


@pytest.mark.parametrize("what", MUST_AGREE)
def test_runs_that_differ_in_what_matters_are_not_pooled(what: str) -> None:
    """The error names the arm, what differs, both values and their seeds."""
    records = {1: made_record(1), 2: made_record(2), 3: changed(made_record(3), what)}
    with pytest.raises(PlumblineError, match=f"runs of mine cannot be pooled: {what} ") as told:
        check_pool(records, label="mine")
    assert "(seeds 1, 2)" in str(told.value)
    assert "(seed 3)" in str(told.value)


@pytest.mark.parametrize("what", ["device", "threads", "python", "numpy", "lightning", "platform"])
def test_what_moves_the_last_bits_only_is_told(what: str) -> None:
    """Runs of another Python, machine or number of threads are pooled, and it is said."""
    notes = check_pool({1: made_record(1), 2: changed(made_record(2), what)}, label="mine")
    assert len(notes) == 1
    assert f"last bits: {what} " in notes[0]


def test_equal_runs_need_no_note() -> None:
    """Nothing is said where nothing differs."""
    assert check_pool({1: made_record(1), 2: made_record(2)}, label="mine") == []


def test_arms_on_different_images_are_no_pair() -> None:
    """The error names both arms and both fingerprints."""
    other = changed(made_record(1), "data fingerprint")
    with pytest.raises(PlumblineError, match="a and b cannot be compared: their data differ") as told:
        check_pair(made_record(1), other, labels=("a", "b"))
    assert "f" * 16 in str(told.value)
    assert "e" * 16 in str(told.value)


@pytest.mark.parametrize("what", ["precision", "torch", "device kind"])
def test_what_else_differs_between_arms_is_told(what: str) -> None:
    """It may be the very question, so it is no reason to refuse; but the difference may come from it."""
    notes = check_pair(made_record(1), changed(made_record(1), what), labels=("a", "b"))
    assert notes[0].startswith(f"a and b also differ in {what} ")
    assert check_pair(made_record(1), changed(made_record(1), "recipe digest"), labels=("a", "b")) == []
