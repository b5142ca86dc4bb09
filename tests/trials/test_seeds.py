"""Lists of seeds as they are typed."""

from __future__ import annotations

import pytest

from plumbline.errors import PlumblineError
from plumbline.trials.seeds import name_seeds, read_count_or_seeds, read_seeds


@pytest.mark.parametrize("text", ["", "one", "1-", "-1", "1..3", "1.5", "3-1"])
def test_a_list_of_seeds_that_is_none_is_refused(text: str) -> None:
    """Numbers and ranges only; the error shows the form."""
    for read in (read_seeds, read_count_or_seeds):
        with pytest.raises(PlumblineError, match="Expected such as 1-5, or 1,2,7"):
            read(text)


def test_a_seed_twice_is_refused() -> None:
    """A run that counts twice would make the interval too narrow."""
    with pytest.raises(PlumblineError, match="--seeds names 2 twice"):
        read_seeds("1-3,2")


def test_a_number_alone_is_a_count_for_compare_and_a_seed_for_bench() -> None:
    """`compare --seeds 10` takes 1 to 10; a list of one is written with its comma, and 0 seeds are none."""
    assert read_count_or_seeds("10") == tuple(range(1, 11))
    assert read_count_or_seeds("10,") == read_seeds("10") == (10,)
    with pytest.raises(PlumblineError, match="--seeds 0"):
        read_count_or_seeds("0")


def test_many_seeds_are_named_in_few_words() -> None:
    """A range is told by its ends, everything else one by one."""
    assert name_seeds(tuple(range(1, 101))) == "1 to 100"
    assert name_seeds((3, 2, 1)) == "3, 2, 1"
