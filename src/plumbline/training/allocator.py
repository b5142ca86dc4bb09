"""Tell the C allocator to keep large blocks, so that a training step does not pay for page faults.

By default glibc gives every large block back to the kernel when it is freed; the next operation then touches
fresh pages, and zeroing those costs a third of a step. Measured effects stand in docs/log.md.
"""

from __future__ import annotations

import ctypes
import sys

# mallopt parameters of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEEP = 2**31 - 1
_TOP_PAD = 512 * 2**20


def keep_large_blocks() -> bool:
    """Set the thresholds of glibc's allocator for this process; give False where there is no glibc.

    Call it before the first large tensor. Memory that is freed stays with the process.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version.restype = ctypes.c_char_p
        settings = ((_M_MMAP_THRESHOLD, _KEEP), (_M_TRIM_THRESHOLD, _KEEP), (_M_TOP_PAD, _TOP_PAD))
        accepted = [libc.mallopt(parameter, value) == 1 for parameter, value in settings]
        return all(accepted)
    except (OSError, AttributeError):
        return False
