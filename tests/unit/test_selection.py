"""The variants that the names on a command line select."""

from __future__ import annotations

import pytest

from prewmanager.commands.arguments import Selection
from prewmanager.commands.site import settings_for_rendering
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings
from prewmanager_presets import Preset

SETTINGS = Settings(
    source_bucket="photos", presets={"card": Preset(width=720, format="auto"), "thumb": Preset(width=200, dpr=(2,))}
)
CARD = ["card", "card.avif", "card.webp"]
THUMB = ["thumb", "thumb@2x"]


@pytest.mark.parametrize(
    ("names", "exact", "selected"),
    [
        ([], False, [*CARD, *THUMB]),
        ([], True, ["card", "thumb"]),
        (["thumb"], False, THUMB),
        (["thumb"], True, ["thumb"]),
        (["card.avif", "card"], False, ["card.avif", "card", "card.webp"]),
        (["thumb@2x", "thumb@2x"], False, ["thumb@2x"]),
        (["card", "card.webp"], True, ["card", "card.webp"]),
    ],
)
def test_a_preset_selects_its_variants(names: list[str], exact: bool, selected: list[str]) -> None:  # noqa: FBT001 -- a case
    assert Selection(names, "", exact=exact).variants(SETTINGS) == selected


@pytest.mark.parametrize("name", ["card@2x", "thumb.avif", "thumb@3x", "other", ""])
def test_an_unknown_name_is_refused_with_the_known_names(name: str) -> None:
    with pytest.raises(InvalidSettings, match=r"configured are card, card\.avif, card\.webp, thumb, thumb@2x"):
        Selection(["card", name], "", exact=False).variants(SETTINGS)


def test_commands_render_no_preview_that_is_answered_before_it_is_stored() -> None:
    assert SETTINGS.answer_first
    assert not settings_for_rendering(SETTINGS, 4).answer_first
