"""How many trials this machine can train at a time."""

from contextlib import suppress
from pathlib import Path

from keraskip.machine import processors

# Bytes that a process takes at the most to train in the default study: TensorFlow and a network
# of 56 layers.
MEMORY_OF_A_TRIAL = 2 * 2**30
DEVICES = Path("/dev")
# Limits of containers, of control groups 2 and 1.
LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


def room_for_jobs() -> int:
    """As many as there are processors and memory for, at least 1.

    A GPU takes one at a time: TensorFlow and JAX reserve most of its memory.
    """
    if has_gpu():
        return 1
    count, memory = processors(), free_memory()
    return count if memory is None else max(1, min(count, memory // MEMORY_OF_A_TRIAL))


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU."""
    return any(DEVICES.glob("nvidia[0-9]*"))


def threads_of_each(trials: int) -> int:
    """Threads of a process where as many trials train at a time as there are processors for."""
    return max(1, processors() // max(1, trials))


def free_memory() -> int | None:
    """Bytes of memory that are free, or all that a container may use; None if unknown."""
    known = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        known.append(1024 * int(line.split()[1]))
    for path in LIMITS:
        # The word `max` stands for no limit.
        with suppress(OSError, ValueError):
            known.append(int(Path(path).read_text("ascii")))
    return min(known, default=None)
