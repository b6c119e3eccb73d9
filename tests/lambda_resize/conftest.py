"""Fixtures of the resize function's tests: images made on the spot, and the contract's examples."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Example = Callable[[str], dict[str, Any]]
Encode = Callable[..., bytes]


@pytest.fixture(name="example")
def _example() -> Example:
    """A JSON example of the Lambda's contract, by its name."""
    folder = Path(__file__).resolve().parents[1] / "contract_examples"

    def load(name: str) -> dict[str, Any]:
        loaded = json.loads((folder / f"{name}.json").read_text())
        assert isinstance(loaded, dict)
        return loaded

    return load


@pytest.fixture(name="encode")
def _encode() -> Encode:
    """Pillow's image as the bytes of a file."""

    def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, file_format, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture(name="noise", scope="session")
def _noise() -> Image.Image:
    """300x200 pixels that no format can compress away, so that a file cut short lacks something."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8))
