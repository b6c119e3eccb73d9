"""Renders one photo in a process of its own, whose memory and time are limited, so that no attack harms its host."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

MEMORY = 4 << 30
CPU_SECONDS = 60


@dataclass(frozen=True)
class Trial:
    """What became of a photo: the kind of its failure or "preview", the peak of memory, seconds, and those of CPU."""

    kind: str
    megabytes: float
    seconds: float
    cpu_seconds: float


def render(
    data: bytes,
    *,
    svg: bool = False,
    pdf: bool = False,
    animated: bool = False,
    has_credits: bool = False,
    seconds: int = 15,
) -> Trial:
    """Render a photo within so many seconds and the other default limits; `crash` is the kind if the process ended."""
    options = {"svg": svg, "pdf": pdf, "animated": animated, "credits": has_credits}
    argv = [sys.executable, "-m", __spec__.name, str(seconds), *(name for name, is_on in options.items() if is_on)]
    done = subprocess.run(argv, input=data, capture_output=True, timeout=4 * CPU_SECONDS, check=False)
    return Trial(**json.loads(done.stdout)) if done.returncode == 0 else Trial("crash", 0, 0, 0)


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    from lambda_resize import files, vips
    from lambda_resize.errors import ResizeError
    from lambda_resize.resize import resize_many
    from lambda_resize.settings import Limits
    from prewmanager_presets import Spec

    vips.allow_svg(allowed="svg" in sys.argv)
    files.allow_pdf(allowed="pdf" in sys.argv)
    metadata = "copyright" if "credits" in sys.argv else "none"
    spec = Spec(width=20, format="webp", animated="animated" in sys.argv, metadata=metadata)
    start, used = time.monotonic(), time.process_time()
    (preview,) = resize_many(sys.stdin.buffer.read(), [spec], Limits(max_seconds=int(sys.argv[1])))
    kind = preview.kind if isinstance(preview, ResizeError) else "preview"
    seconds, used = time.monotonic() - start, time.process_time() - used
    sys.stdout.write(json.dumps(asdict(Trial(kind, _peak(), seconds, used))))


def _peak() -> float:
    """Return the largest memory of this program, by itself, since `getrusage` counts its parent; and of its child."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own = int(lines["VmHWM"].split()[0])
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1000


if __name__ == "__main__":
    _main()
