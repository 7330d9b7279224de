"""How much memory this process has had at most."""

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_mb():
    """Return the peak in MB; elsewhere than on Linux a parent's may be counted too."""
    if STATUS.exists():
        return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
