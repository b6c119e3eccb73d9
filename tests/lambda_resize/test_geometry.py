"""Sizes, compared with sharp's and with the definition of each fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_resize.geometry import Size, offset, plan
from prewmanager_presets import Spec

SHARP = json.loads((Path(__file__).parent / "sharp_sizes.json").read_text())

sides = st.integers(min_value=1, max_value=12_000)
boxes = st.integers(min_value=1, max_value=10_000)


@pytest.mark.parametrize("row", SHARP, ids=str)
def test_sizes_are_those_of_sharp(row: list[Any]) -> None:
    """Recorded from sharp 0.35.5: source, fit, enlarge, box → result."""
    width, height, fit, enlarge, box_width, box_height, *expected = row
    spec = Spec(width=box_width, height=box_height, fit=fit, enlarge=enlarge)
    assert plan(Size(width, height), spec).result == tuple(expected)


@given(sides, sides, boxes, boxes)
def test_inside_lies_within_the_box_and_touches_it(width: int, height: int, box_width: int, box_height: int) -> None:
    got = plan(Size(width, height), Spec(width=box_width, height=box_height, fit="inside", enlarge=True)).result
    assert got.width == box_width or got.height == box_height
    assert got.width <= box_width
    assert got.height <= box_height
    scale = min(box_width / width, box_height / height)
    assert abs(got.width - max(width * scale, 1)) <= 0.5 + 1e-6
    assert abs(got.height - max(height * scale, 1)) <= 0.5 + 1e-6


@given(sides, sides, boxes, boxes)
def test_cover_is_the_box_cut_out_of_outside(width: int, height: int, box_width: int, box_height: int) -> None:
    cover = plan(Size(width, height), Spec(width=box_width, height=box_height, enlarge=True))
    outside = plan(Size(width, height), Spec(width=box_width, height=box_height, fit="outside", enlarge=True))
    assert cover.result == (box_width, box_height)
    assert cover.scaled == outside.result
    assert cover.scaled.width >= box_width
    assert cover.scaled.height >= box_height


@given(sides, sides, st.none() | boxes, boxes, st.sampled_from(["cover", "contain", "fill", "inside", "outside"]))
def test_no_side_grows_by_default(width: int, height: int, box_width: int | None, box_height: int, fit: Any) -> None:
    scaled = plan(Size(width, height), Spec(width=box_width, height=box_height, fit=fit)).scaled
    assert scaled.width <= width
    assert scaled.height <= height


@pytest.mark.parametrize(
    ("position", "cut", "padded"),
    [
        ("centre", (2, 2), (1, 2)),
        ("top", (2, 0), (1, 0)),
        ("right top", (3, 0), (3, 0)),
        ("right", (3, 2), (3, 2)),
        ("right bottom", (3, 3), (3, 5)),
        ("bottom", (2, 3), (1, 5)),
        ("left bottom", (0, 3), (0, 5)),
        ("left", (0, 2), (0, 2)),
        ("left top", (0, 0), (0, 0)),
    ],
)
def test_positions_are_those_of_sharp(position: str, cut: tuple[int, int], padded: tuple[int, int]) -> None:
    """Recorded from sharp 0.35.5: cutting an excess of 3x3, padding a lack of 3x5."""
    assert offset(Size(3, 3), position, rounding=1) == cut
    assert offset(Size(3, 5), position, rounding=0) == padded
