"""How a process whose only work is ingesting or settling uses memory."""

from __future__ import annotations

import ctypes
import gc

import pyarrow as pa

# Of glibc's mallopt: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD; bytes that it
# keeps, asks for at once, and takes from its heap at most.
KEPT = {-1: 1 << 30, -2: 64 << 20, -3: 32 << 20}


def settle_memory() -> None:
    """Keep the memory that columns come and go in, and look for less garbage.

    Arrow's allocator gives the memory of megabytes back and the kernel clears it anew,
    a sixth of all CPU time of an ingest; so does the system's with what is above its
    thresholds, another thirtieth. And what imports have made need not be looked through
    for garbage, nor the little that a run makes so often: 0.1 s each.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if tune := getattr(ctypes.CDLL(None), "mallopt", None):
        for parameter, size in KEPT.items():
            tune(parameter, size)
    gc.freeze()
    gc.set_threshold(100_000)
