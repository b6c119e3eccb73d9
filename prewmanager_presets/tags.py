"""Cache tags: what a preview's copies in caches are called, so that all of a photo's go at once.

    photo-<20 hexadecimal digits>     of the SHA-256 of the photo's bucket, a slash and its key
    preset-<name>                     of the preset, whatever the format and the density

CloudFront reads them, separated by commas, from `x-amz-meta-cache-tag`, which is how S3 shows the metadata `cache-tag`:
visible ASCII without commas, 256 characters at most, upper and lower case the same (invalidation-by-tags.html of
docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide).
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

CACHE_TAG = "cache-tag"  # the metadata's name
CACHE_TAG_HEADER = f"x-amz-meta-{CACHE_TAG}"
_DIGITS = 20
_VARIANT = re.compile(r"[.@].*", re.DOTALL)
_NOT_IN_A_TAG = re.compile(r"[^!-+\--~]")  # everything but visible ASCII without a comma
_LONGEST = 256


@lru_cache(maxsize=1024)
def cache_tags(bucket: str, photo_key: str, preset_name: str) -> str:
    """Return both tags of a preview, separated by a comma; `preset_name` may be a variant's."""
    return f"{photo_tag(bucket, photo_key)},{preset_tag(preset_name)}"


def photo_tag(bucket: str, photo_key: str) -> str:
    """Return the tag that all previews of a photo have, and those of no other one: not of one in another bucket."""
    return f"photo-{sha256(f'{bucket}/{photo_key}'.encode()).hexdigest()[:_DIGITS]}"


def preset_tag(preset_name: str) -> str:
    """Return the tag that all previews of a preset have, in all its variants."""
    return _NOT_IN_A_TAG.sub("_", f"preset-{_VARIANT.sub('', preset_name)}")[:_LONGEST]
