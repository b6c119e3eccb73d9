"""The kernel's data on other processes: CPU time, memory, and whether they have read their sockets."""

from __future__ import annotations

import resource
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_MB = 1_000_000
_SCHEDULER_CLOCK = 2  # CPUCLOCK_SCHED, linux/posix-timers.h
_RX_QUEUE = slice(9, 17)  # the format is "tx_queue:rx_queue", eight hexadecimal digits each


@dataclass(frozen=True)
class Memory:
    """MB (10^6 bytes): resident set size, and proportional set size, which divides shared pages among processes."""

    rss_mb: float
    pss_mb: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads since the process started, with nanosecond resolution; /proc has 10 ms."""
    # clock_getcpuclockid(3), which Python has for threads only.
    return time.clock_gettime((~pid << 3) | _SCHEDULER_CLOCK)


def memory(pid: int) -> Memory:
    """Return the memory of one process now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(kib["Rss"] * 1024 / _MB, kib["Pss"] * 1024 / _MB)


def children(pid: int) -> list[int]:
    """Return the process ids of direct children."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def everything_read(ports: Collection[int]) -> bool:
    """Return whether the listeners on these ports have accepted all connections and read all received bytes."""
    wanted = {f"{port:04X}" for port in ports}
    with Path("/proc/net/tcp").open(encoding="ascii") as table:
        next(table)
        for line in table:
            _, local, _, _, queues, *_ = line.split(maxsplit=5)
            if local[-4:] in wanted and queues[_RX_QUEUE] != "00000000":
                return False
    return True


def raise_open_files(needed: int) -> None:
    """Let this process and its children open `needed` files. Raises `SystemExit` if the machine forbids it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"this benchmark needs {needed} open files, the limit is {hard}: raise it (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))
