"""How a file's numbers stand for colours, beyond a profile: the code points of ITU-T H.273 ("CICP", in HEIF "nclx")."""

from __future__ import annotations

from dataclasses import dataclass

UNSPECIFIED = 2


@dataclass(frozen=True)
class Coding:
    """What a file says of its colours.

    Attributes:
        primaries: H.273's ColourPrimaries.
        transfer: Its TransferCharacteristics.
        limited: Whether the decoder returns black as 16 and white as 235, of 255, since it leaves the range as it is.
        over_profile: Whether it counts more than a profile in the same file, as in PNG.
    """

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    limited: bool = False
    over_profile: bool = False
