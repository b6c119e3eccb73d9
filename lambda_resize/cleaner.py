"""The function behind the bucket's events: deletes the previews of a photo that was overwritten or removed.

The event is EventBridge's for S3 ("Object Created", "Object Deleted"; docs.aws.amazon.com/AmazonS3/latest/userguide/
ev-events.html), whose keys are plain, not percent-encoded. Deleting a missing object is no error, so an event that is
delivered twice does nothing the second time. A preview that was already rendered from the new photo has its ETag, and
stays.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from lambda_resize.settings import unset_empty_variables

SOURCE_ETAG = "source-etag"  # as in `storage`, which is not imported because it loads obstore
_BATCH_SIZE = 1000  # keys in one DeleteObjects request

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


class CleanerError(Exception):
    """S3 did not delete every preview; EventBridge retries the event."""


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, object]:
    """Delete the previews of the event's photo in every preset of the bucket, including those of earlier settings.

    Previews that were rendered from the photo as it is after the event stay.

    Reads `PREW_PREVIEW_BUCKET` (default: the event's), `PREW_SOURCE_PREFIX` and `PREW_PREVIEW_PREFIX`. Raises
    `CleanerError`.
    """
    detail = event["detail"]
    source = os.environ.get("PREW_SOURCE_PREFIX") or "photo"
    key = detail["object"]["key"]
    if not key.startswith(f"{source}/"):
        return {"deleted": []}
    bucket = os.environ.get("PREW_PREVIEW_BUCKET") or detail["bucket"]["name"]
    name = key.removeprefix(f"{source}/")
    # The event of a deletion may name the deleted object's ETag.
    etag = detail["object"].get("etag") if event["detail-type"] == "Object Created" else None
    previews = [f"{folder}{name}" for folder in _preset_folders(bucket)]
    previews = [preview for preview in previews if not (etag and _is_rendered_from(etag, bucket, preview))]
    _delete(bucket, previews)
    logger.info(json.dumps({"photo": key, "event": event["detail-type"], "deleted": previews}, ensure_ascii=False))
    return {"deleted": previews}


def _preset_folders(bucket: str) -> Iterator[str]:
    """Yield the preset folders of the bucket, such as `prew/card/`: one request, however many previews there are."""
    prefix = os.environ.get("PREW_PREVIEW_PREFIX") or "prew"
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/", Delimiter="/")
    for page in pages:
        yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))


def _is_rendered_from(etag: str, bucket: str, key: str) -> bool:
    """Whether the preview was rendered from the photo with this ETag; False if S3 answers with an error."""
    try:
        found = _s3().head_object(Bucket=bucket, Key=key)
    except _s3().exceptions.ClientError:
        return False
    return bool(found["Metadata"].get(SOURCE_ETAG) == etag)


def _delete(bucket: str, keys: list[str]) -> None:
    for start in range(0, len(keys), _BATCH_SIZE):
        objects = [{"Key": key} for key in keys[start : start + _BATCH_SIZE]]
        answer = _s3().delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            raise CleanerError(f"{bucket}: {errors[0]['Key']}: {errors[0]['Code']}, and {len(errors) - 1} more")


@cache
def _s3() -> Any:
    import boto3  # noqa: PLC0415 -- part of Lambda's runtime, and only this handler uses it

    unset_empty_variables(os.environ)
    return boto3.client("s3")
