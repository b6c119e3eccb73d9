"""Records what this version writes for others to read: `python -m tests.upgrade.record`, once for each release.

A later version is tested with it: it must read all of it, and go on writing every field of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prewmanager.adapters.redis.codec import encode_outcome
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Failure, Made
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.render import RenderJob
from prewmanager_presets import Preset

RECORDED = Path(__file__).with_name("recorded.json")
PRESETS = {
    "card": Preset(width=720),
    "square": Preset(width=320, height=320, position="attention", format="webp", quality=70),
}
MADE = Made(
    "image/jpeg",
    5,
    '"0123456789abcdef0123456789abcdef"',
    "public, max-age=60",
    b"bytes",
    "YJqGPQw7sFlslqhFafSE+Q6oJ1h2iHB2Rw==",
)
FAILURES = (Failure("missing", "no such photo", None), Failure("throttled", "too many", 1.5))


def redis_values() -> dict[str, str]:
    """Return the values of completed flights, by what they say."""
    found = {"inlined": encode_outcome(MADE, 10), "in the bucket": encode_outcome(MADE, 0)}
    found |= {failure.kind: encode_outcome(failure, 10) for failure in FAILURES}
    return {name: value.decode() for name, value in found.items()}


def requests() -> dict[str, dict[str, Any]]:
    """Return the function's events, by preset."""
    catalogue = Catalogue(PRESETS, Layout("photo", "prew"))
    contract = ResizeContract("photos", "previews", Layout("photo", "prew"), "public, max-age=60", thumbhash=True)
    return {name: contract.request(RenderJob(catalogue.preview(name, "a/b c.jpg"))) for name in PRESETS}


def responses() -> dict[str, dict[str, Any]]:
    """Return the function's answers: those examples of the contract that test its own side."""
    folder = Path(__file__).resolve().parents[1] / "contract_examples"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("response_*.json"))}


def main() -> None:
    """Write the record."""
    record = {"redis": redis_values(), "requests": requests(), "responses": responses()}
    RECORDED.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
