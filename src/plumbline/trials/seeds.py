"""Lists of seeds as they are typed."""

from __future__ import annotations

from plumbline.errors import PlumblineError


def read_seeds(text: str) -> tuple[int, ...]:
    """Give the seeds that a list of numbers and ranges names, in its order.

    Raises PlumblineError for what is no list of seeds, and for a seed that stands twice in it.

    >>> read_seeds("1-3,7")
    (1, 2, 3, 7)
    """
    seeds: list[int] = []
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise PlumblineError(f"--seeds {text}: '{word}' is no seed. Expected such as 1-5, or 1,2,7.")
        seeds += range(int(first), int(last if dash else first) + 1)
    if not seeds:
        raise PlumblineError("--seeds is empty. Expected such as 1-5, or 1,2,7.")
    refuse_twice(seeds)
    return tuple(seeds)


def read_count_or_seeds(text: str) -> tuple[int, ...]:
    """Give the seeds from 1 up to a number that stands alone, else those of the list.

    Raises PlumblineError for 0, and where `read_seeds` does.

    >>> read_count_or_seeds("3"), read_count_or_seeds("5-6"), read_count_or_seeds("7,")
    ((1, 2, 3), (5, 6), (7,))
    """
    count = text.strip()
    if count.isdecimal():
        if int(count) == 0:
            raise PlumblineError("--seeds 0: expected one seed or more, such as 10, 1-5, or 1,2,7.")
        return tuple(range(1, int(count) + 1))
    return read_seeds(text)


def refuse_twice(seeds: list[int] | tuple[int, ...]) -> None:
    """Raise PlumblineError if a seed stands twice: every run counts, and once."""
    twice = {seed for seed in seeds if seeds.count(seed) > 1}
    if twice:
        raise PlumblineError(f"--seeds names {min(twice)} twice: every run counts, and once.")


def name_seeds(seeds: tuple[int, ...]) -> str:
    """Give seeds in few words.

    >>> name_seeds((1, 2, 3)), name_seeds((1, 2, 7)), name_seeds((4,))
    ('1 to 3', '1, 2, 7', '4')
    """
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))
