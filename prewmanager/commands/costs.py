"""What resizes would cost at Lambda.

The defaults are AWS's list prices for x86 in us-east-1 (https://aws.amazon.com/lambda/pricing/), before any free tier
or discount; requests to S3 come on top.
"""

from __future__ import annotations

from dataclasses import dataclass

LIST_GB_SECOND_USD = 0.0000166667
LIST_REQUEST_USD = 0.20 / 1_000_000
ONE_CPU_MB = 1769  # memory at which Lambda gives a function one whole CPU
_MB_IN_GB = 1024


@dataclass(frozen=True, slots=True)
class CostAssumptions:
    """What one resize takes: `seconds` of a function of `memory_mb`, at this price for a GB-second in US dollars."""

    seconds: float
    memory_mb: int
    gb_second_usd: float


def estimate(resizes: int, assumed: CostAssumptions) -> dict[str, float]:
    """GB-seconds and US dollars of so many resizes, with what was assumed."""
    gb_seconds = resizes * assumed.seconds * assumed.memory_mb / _MB_IN_GB
    usd = gb_seconds * assumed.gb_second_usd + resizes * LIST_REQUEST_USD
    return {
        "resizes": resizes,
        "seconds_per_resize": assumed.seconds,
        "memory_mb": assumed.memory_mb,
        "gb_second_usd": assumed.gb_second_usd,
        "gb_seconds": round(gb_seconds, 1),
        "usd": round(usd, 4),
    }
