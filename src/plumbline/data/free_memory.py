"""How much memory this process may still take."""

from __future__ import annotations

import resource
from pathlib import Path


def free_main_memory() -> int | None:
    """Give the bytes that the machine, the container and this process's limits leave; None: not known."""
    found = [_available(), _left_in_group(), *_left_in_limits()]
    return min((amount for amount in found if amount is not None), default=None)


def _left_in_limits() -> list[int]:
    """Give what the limits of this process leave (`ulimit -v`, `ulimit -d`)."""
    try:
        pages = [int(word) for word in Path("/proc/self/statm").read_text(encoding="ascii").split()]
    except OSError:
        return []
    used = {resource.RLIMIT_AS: pages[0], resource.RLIMIT_DATA: pages[5]}
    limits = {kind: resource.getrlimit(kind)[0] for kind in used}
    return [
        limit - used[kind] * resource.getpagesize()
        for kind, limit in limits.items()
        if limit != resource.RLIM_INFINITY
    ]


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _left_in_group() -> int | None:
    """Give what the control group of a container leaves (cgroup v2); cached files can make way."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) - used + int(stat.get("inactive_file", 0))
