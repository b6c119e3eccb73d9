"""Decodes in a process of its own: for libraries that nobody can stop, and whose work no header tells.

The process is a fork of this one, which takes some 20 ms. The kernel bounds its memory and ends it at the time limit,
and a crash of the decoder ends that process alone. Its pixels come back in memory that both share.
"""

from __future__ import annotations

import gc
import json
import math
import mmap
import os
import resource
import select
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, ResizeError, TimedOut, TooLarge, Unsupported

MEMORY = 700 << 20  # bytes that it may use beyond what this process does
_MOST_OF_IT = 0.75  # whoever ends with so much has probably been refused more
_MAX_ANSWER = 8 << 20  # bytes besides the pixels: a profile
_POLL_S = 0.5
_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
_KINDS: dict[str, type[ResizeError]] = {each.kind: each for each in (Corrupt, TooLarge, Unsupported)}


@dataclass(frozen=True)
class Raster:
    """What a decoder says of the pixels that it wrote, row by row.

    Attributes:
        width: In pixels.
        height: Likewise.
        bands: 1 to 4.
        kind: Of a sample, as libvips names it: `uchar`, `ushort` or `float`.
        profile: The colour profile, empty if there is none.
    """

    width: int
    height: int
    bands: int
    kind: str = "uchar"
    profile: bytes = b""

    def check(self, room: int) -> None:
        """Raise `Corrupt` unless the pixels fit into the `room` in bytes: a decoder that was taken over may lie."""
        size = {"uchar": 1, "ushort": 2, "float": 4}.get(self.kind, room + 1)
        fits = min(self.width, self.height, self.bands) > 0 and self.width * self.height * self.bands * size <= room
        if not fits:
            raise Corrupt("the decoder returns pixels of another size")


def decoded(decode: Callable[[mmap.mmap], Raster], room: int, deadline: Deadline) -> tuple[mmap.mmap, Raster]:
    """Call `decode` in another process, with `room` bytes for the pixels, and return them and what it returns.

    Args:
        decode: Raises `ResizeError`; whatever else it raises means that the photo is damaged.
        room: In bytes.
        deadline: Ends the process.

    Raises:
        TimedOut: The time was up.
        TooLarge: There was not enough memory.
        Corrupt: It cannot be decoded, or ended the process.
        Unsupported: `decode` says so.
    """
    deadline.check()
    pixels = mmap.mmap(-1, max(1, room))
    ours, theirs = os.pipe()
    with warnings.catch_warnings():  # of threads: what runs in the other process takes none of their locks
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        _work(theirs, decode, pixels, math.ceil(max(1.0, deadline.left_s)) + 1)
    os.close(theirs)
    try:
        answer = _answer(ours, deadline)
    finally:
        os.close(ours)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        _, status, used = os.wait4(process, 0)
    return pixels, _raster(answer, _Ending(os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024), room)


def _answer(pipe: int, deadline: Deadline) -> bytes:
    """Return what the process writes until it ends. Raises `TimedOut`."""
    answer = bytearray()
    while len(answer) <= _MAX_ANSWER:
        deadline.check()
        left_s = deadline.left_s
        if left_s <= 0:
            raise TimedOut("its decoder is not done within the time")
        if not select.select([pipe], [], [], min(left_s, _POLL_S))[0]:
            continue
        piece = os.read(pipe, 65_536)
        if not piece:
            break
        answer += piece
    return bytes(answer)


@dataclass(frozen=True)
class _Ending:
    """How the process has ended.

    Attributes:
        code: Of its exit, or of a signal, which is negative.
        memory: In bytes, at its peak.
    """

    code: int
    memory: int

    def failure(self) -> ResizeError:
        """Return why there is no answer."""
        if self.code == -signal.SIGXCPU:
            return TimedOut("its decoder takes more time than there is")
        if self.memory > _MOST_OF_IT * MEMORY:
            return TooLarge("its decoder needs more memory than there is")
        return Corrupt(f"its decoder ended with {self.code}")


def _raster(answer: bytes, ending: _Ending, room: int) -> Raster:
    head, _, profile = answer.partition(b"\n")
    try:
        found = json.loads(head)
        if "error" in found:
            raise _KINDS.get(found["kind"], Corrupt)(str(found["error"])[:300])
        raster = Raster(int(found["width"]), int(found["height"]), int(found["bands"]), str(found["kind"]), profile)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ending.failure() from error
    raster.check(room)
    return raster


def _work(pipe: int, decode: Callable[[mmap.mmap], Raster], pixels: mmap.mmap, seconds: int) -> NoReturn:
    """Decode and answer; this process never returns into the code of the other."""
    profile = b""
    try:
        gc.disable()  # what the other process holds is not this one's to free
        _bound(seconds)
        raster = decode(pixels)
        profile = raster.profile
        found: dict[str, object] = {
            "width": raster.width,
            "height": raster.height,
            "bands": raster.bands,
            "kind": raster.kind,
        }
    except ResizeError as error:
        found = {"error": str(error), "kind": error.kind}
    except MemoryError:
        found = {"error": "it needs more memory than there is", "kind": TooLarge.kind}
    except BaseException as error:  # noqa: BLE001 -- bindings raise what they like, and this process ends here
        found = {"error": f"{type(error).__name__} {error}", "kind": Corrupt.kind}
    with suppress(OSError), os.fdopen(pipe, "wb") as answers:
        answers.write(json.dumps(found).encode() + b"\n" + profile)
    os._exit(0)


def _bound(seconds: int) -> None:
    """Bound memory and time of this process, and have it end with the one that waits for it."""
    import ctypes  # noqa: PLC0415 -- 5 ms of a cold start, for the formats that come here

    signal.setitimer(signal.ITIMER_REAL, 0)
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _lower(resource.RLIMIT_AS, used + MEMORY)
    _lower(resource.RLIMIT_CPU, seconds)


def _lower(which: int, limit: int) -> None:
    allowed = [each for each in resource.getrlimit(which) if each != resource.RLIM_INFINITY]
    least = min([limit, *allowed])
    resource.setrlimit(which, (least, least))
