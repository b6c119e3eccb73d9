"""Names of buckets and functions, as AWS has them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# S3's names of today and, with capitals and underscores, of before 2018.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ARN = re.compile(r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):\d{12}:function:[A-Za-z0-9_:$-]+")
_FUNCTION = re.compile(r"(\d{12}:function:)?[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?")
_AMAZON = re.compile(r"\.amazonaws\.com(\.cn)?(:\d+)?$")


def bucket_name(name: str) -> str:
    """Return a bucket's name. Raises `ValueError` for one with an address or a path."""
    if _BUCKET.fullmatch(name):
        return name
    without = re.sub(r"^[a-z0-9]+://|[\"' ]", "", name).partition("/")[0]
    hint = f", such as {without}" if _BUCKET.fullmatch(without) else ""
    raise ValueError(f"must be the bucket's name alone, without an address, a path or quotes{hint}")


def function_name(name: str) -> str:
    """Return a function's name or ARN. Raises `ValueError` for anything else."""
    if not (_FUNCTION.fullmatch(name) or _ARN.fullmatch(name)):
        raise ValueError("must be the name of a function, such as prew-resize, or its ARN")
    return name


def region_of(function: str) -> str:
    """Return the region in a function's ARN; empty for a name."""
    arn = _ARN.fullmatch(function)
    return arn[1] if arn else ""


def is_amazons(endpoint: str | None) -> bool:
    """Whether an S3 endpoint, None for the default, is Amazon's, which shows at once what it has stored."""
    host = urlsplit(endpoint or "").netloc
    return not host or bool(_AMAZON.search(host))


def namespace_of(bucket: str, endpoint: str | None) -> str:
    """Return a bucket's name among those of all stores: Amazon has each name once, others have names of their own."""
    return bucket if is_amazons(endpoint) else f"{bucket}@{urlsplit(endpoint or '').netloc}"
