"""The function behind the bucket's events: deletes the previews of a photo that was overwritten or removed.

The event is EventBridge's for S3 ("Object Created", "Object Deleted"; docs.aws.amazon.com/AmazonS3/latest/userguide/
ev-events.html), whose keys are plain, not percent-encoded. It only says that the photo may have changed: events come
late, twice, and in any order. So each preview is compared with the photo as it is now, and deleted only where it was
rendered from another one. Then the service evicts what it has cached of the photo, such as that it is missing.

Each event is handled twice: at once, and again when no preview of the earlier photo can be written any more. The second
time it comes as the body of a message of SQS, whose queue has the delay.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, cast
from urllib.parse import quote
from urllib.request import Request, urlopen

from lambda_resize.settings import unset_empty_variables

_SERVICE_S = 5
SOURCE_ETAG = "source-etag"  # as in `storage`, which is not imported because it loads obstore

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


class CleanerError(Exception):
    """Some outdated preview may be left; EventBridge or SQS delivers the event again."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, object]:
    """Delete the outdated previews of an event's photo in every preset, including those of earlier settings.

    The event is EventBridge's, or SQS's with one of these as the body of each message. Reads `PREW_PREVIEW_BUCKET`
    (default: the event's), `PREW_SOURCE_PREFIX`, `PREW_SOURCE_KEYS`, `PREW_PREVIEW_PREFIX` and `PREW_SERVICE_URL`, the
    address of a replica or of all (default: the service is not asked). Raises `CleanerError`, after all presets.
    """
    if "Records" in event:
        handled = [handler(json.loads(record["body"]), context) for record in event["Records"]]
        return {"deleted": [key for each in handled for key in cast("list[str]", each["deleted"])]}
    detail = event["detail"]
    photos = _source_keys()
    key = detail["object"]["key"]
    # Below the bucket's root are the previews, too, and to delete one is an event.
    if not key.startswith(photos) or key.startswith(f"{_preview_prefix()}/"):
        return {"deleted": []}
    bucket = os.environ.get("PREW_PREVIEW_BUCKET") or detail["bucket"]["name"]
    photo = partial(_photo_etag, event)
    deleted, failures = [], []
    for folder in _preset_folders(bucket):
        preview = folder + key.removeprefix(photos)
        try:
            if _delete_outdated(bucket, preview, photo):
                deleted.append(preview)
        except _s3().exceptions.ClientError as error:
            failures.append(f"{bucket}/{preview}: {error}")
    service = os.environ.get("PREW_SERVICE_URL")
    if service:
        try:
            _evict(service, key)
        except (OSError, HTTPException) as error:
            failures.append(f"{service}: {error}")
    entry = {"photo": key, "event": event["detail-type"], "deleted": deleted, "failures": failures}
    logger.info(json.dumps(entry, ensure_ascii=False))
    if failures:
        raise CleanerError(f"{failures[0]}, and {len(failures) - 1} more")
    return {"deleted": deleted}


def _source_keys() -> str:
    """Return what photos' keys begin with, empty for the bucket's root; as the service reads its variables."""
    keys = os.environ.get("PREW_SOURCE_KEYS", os.environ.get("PREW_SOURCE_PREFIX") or "photo").strip("/")
    return f"{keys}/" if keys else ""


def _preview_prefix() -> str:
    return os.environ.get("PREW_PREVIEW_PREFIX") or "prew"


def _evict(service: str, key: str) -> None:
    """Have the service evict what is cached of a photo, in all replicas. Raises `OSError` or `HTTPException`."""
    url = f"{service.rstrip('/')}/-/results/{quote(key)}"
    if not url.startswith(("http://", "https://")):
        raise OSError("PREW_SERVICE_URL must begin with http:// or https://")
    with urlopen(Request(url, method="DELETE"), timeout=_SERVICE_S):  # noqa: S310 -- checked above
        pass


def _preset_folders(bucket: str) -> Iterator[str]:
    """Yield the preset folders of the bucket, such as `prew/card/`: one request, however many previews there are."""
    below = f"{_preview_prefix()}/"
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below, Delimiter="/")
    for page in pages:
        yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))


def _delete_outdated(bucket: str, key: str, photo_etag: Callable[[], str | None]) -> bool:
    """Delete the preview if it was rendered from another photo than the current one; return whether it was.

    The preview is read before the photo, so that a photo that is uploaded meanwhile cannot make a preview outdated that
    is its own; and only what was read is deleted, not what was stored in its place since.
    """
    preview = _head(bucket, key)
    if preview is None:
        return False
    etag = photo_etag()
    if etag is not None and preview["Metadata"].get(SOURCE_ETAG) == etag:
        return False
    try:
        _s3().delete_object(Bucket=bucket, Key=key, IfMatch=preview["ETag"])
    except _s3().exceptions.ClientError as error:
        if _status(error) == HTTPStatus.PRECONDITION_FAILED:
            return False
        if _status(error) != HTTPStatus.NOT_IMPLEMENTED:
            raise
        _s3().delete_object(Bucket=bucket, Key=key)  # a store without conditional deletions
    return True


def _photo_etag(event: Mapping[str, Any]) -> str | None:
    """Return the photo's current ETag without its quotes, None if it is gone; what the event says may be older."""
    photo = _head(event["detail"]["bucket"]["name"], event["detail"]["object"]["key"])
    return None if photo is None else str(photo["ETag"]).strip('"')


def _head(bucket: str, key: str) -> dict[str, Any] | None:
    """Return what S3 says about an object, None if there is none."""
    try:
        found: dict[str, Any] = _s3().head_object(Bucket=bucket, Key=key)
    except _s3().exceptions.ClientError as error:
        if _status(error) == HTTPStatus.NOT_FOUND:
            return None
        raise
    return found


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@cache
def _s3() -> Any:
    import boto3  # noqa: PLC0415 -- part of Lambda's runtime, and only this handler uses it

    unset_empty_variables(os.environ)
    return boto3.client("s3")
