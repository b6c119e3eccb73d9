"""The function behind the bucket's events: deletes the previews of a photo that was overwritten or removed.

The event is EventBridge's for S3 ("Object Created", "Object Deleted"; docs.aws.amazon.com/AmazonS3/latest/userguide/
ev-events.html), whose keys are plain, not percent-encoded. It only says that the photo may have changed: events come
late, twice, and in any order. So each preview is compared with the photo as it is now, and deleted only where it was
rendered from another one. Then the service evicts what it has cached of the photo, such as that it is missing, and
purges the caches in front. It notes the photo before its previews are deleted: who tries again after a failure finds
none.

Each event is handled twice: at once, and again when no preview of the earlier photo can be written any more. The second
time it comes as the body of a message of SQS, whose queue has the delay.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, cast
from urllib.parse import quote
from urllib.request import Request, urlopen

from lambda_resize.settings import unset_empty_variables
from prewmanager_presets.tags import CACHE_TAG

_SERVICE_S = 12  # it tries each cache three times
_MAX_KEY_BYTES = 1024  # S3's limit
_SLASHES, _CONTROL = re.compile(r"[/\\]"), re.compile(r"[\x00-\x1f\x7f]")
_BUCKET = re.compile(r"PREW_SOURCES__[A-Z0-9_]+__BUCKET")
SOURCE_ETAG = "source-etag"  # as in `storage`, which is not imported because it loads obstore

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


class CleanerError(Exception):
    """Some outdated preview may be left; EventBridge or SQS delivers the event again."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, object]:
    """Delete the outdated previews of an event's photo in every preset, including those of earlier settings.

    The event is EventBridge's, or SQS's with one of these as the body of each message. Reads `PREW_PREVIEW_BUCKET`
    (default: the event's), `PREW_SOURCE_PREFIX`, `PREW_SOURCE_KEYS`, `PREW_SOURCES__…`, `PREW_PREVIEW_PREFIX` and
    `PREW_SERVICE_URL`, the address of a replica or of all (default: the service is not asked). Raises
    `CleanerError`, after all presets.
    """
    if "Records" in event:
        handled = [handler(json.loads(record["body"]), context) for record in event["Records"]]
        return {"deleted": [key for each in handled for key in cast("list[str]", each["deleted"])]}
    detail = event["detail"]
    bucket = detail["bucket"]["name"]
    source = _source_of(bucket)
    photos = _source_keys(source)
    key = detail["object"]["key"]
    if not _is_photo(key, photos):
        return {"deleted": []}
    previews = bucket if source else os.environ.get("PREW_PREVIEW_BUCKET") or bucket
    service = os.environ.get("PREW_SERVICE_URL")
    outdated = _outdated(previews, key.removeprefix(photos), partial(_photo_etag, event))
    untold = _failure_of_note(service, bucket if source else "", key, outdated) if service and outdated else ""
    # One stays for the next try, which tells by it that there is something to tell.
    deleted, failures = _deleted(previews, [*outdated.items()][1 if untold else 0 :])
    failures += [untold] if untold else []
    if service:
        asked = f"{service.rstrip('/')}/-/results/{quote(key)}{f'?bucket={quote(bucket)}' if source else ''}"
        failures += filter(None, [_failure_of("DELETE", asked)])
    entry = {"photo": key, "event": event["detail-type"], "deleted": deleted, "failures": failures}
    logger.info(json.dumps(entry, ensure_ascii=False))
    if failures:
        raise CleanerError(f"{failures[0]}, and {len(failures) - 1} more")
    return {"deleted": deleted}


def _source_of(bucket: str) -> str:
    """Return what the variables of the source in this bucket begin with, such as `PREW_SOURCES__SHOP`; "": the main."""
    found = (name for name, value in os.environ.items() if _BUCKET.fullmatch(name) and value == bucket)
    return next(found, "").removesuffix("__BUCKET")


def _source_keys(source: str) -> str:
    """Return what photos' keys begin with, empty for the bucket's root; as the service reads its variables."""
    variable = f"{source}__KEYS" if source else "PREW_SOURCE_KEYS"
    keys = os.environ.get(variable, os.environ.get("PREW_SOURCE_PREFIX") or "photo").strip("/")
    return f"{keys}/" if keys else ""


def _is_photo(key: str, photos: str) -> bool:
    """Whether there may be previews of an object: the service refuses other paths, in `catalogue.decode_path`."""
    if not key.startswith(photos) or _CONTROL.search(key):
        return False
    segments = _SLASHES.split(key)
    # Below the bucket's root are the previews, too, and to delete one is an event.
    is_preview = len(segments) > 1 and segments[0] == _preview_prefix()
    return not is_preview and not {"", ".", ".."} & set(segments)


def _preview_prefix() -> str:
    return os.environ.get("PREW_PREVIEW_PREFIX") or "prew"


def _outdated(bucket: str, name: str, photo_etag: Callable[[], str | None]) -> dict[str, dict[str, Any]]:
    """Return the previews of a photo that were rendered from another one than the current one, as S3 describes them.

    A preview is read before the photo, so that a photo that is uploaded meanwhile cannot make a preview outdated that
    is its own.
    """
    found = {}
    for folder in _preset_folders(bucket):
        # Of a long name some presets may have previews and others none.
        is_allowed = len(f"{folder}{name}".encode()) <= _MAX_KEY_BYTES
        preview = _head(bucket, folder + name) if is_allowed else None
        if preview is None:
            continue
        etag = photo_etag()
        if etag is None or preview["Metadata"].get(SOURCE_ETAG) != etag:
            found[folder + name] = preview
    return found


def _deleted(bucket: str, outdated: Iterable[tuple[str, dict[str, Any]]]) -> tuple[list[str], list[str]]:
    """Delete these previews; return the keys of those that were, and what failed."""
    deleted, failures = [], []
    for key, preview in outdated:
        try:
            if _delete(bucket, key, preview["ETag"]):
                deleted.append(key)
        except _s3().exceptions.ClientError as error:
            failures.append(f"{bucket}/{key}: {error}")
    return deleted, failures


def _failure_of_note(service: str, bucket: str, key: str, outdated: Mapping[str, Mapping[str, Any]]) -> str:
    """Tell the service which photo's previews will be deleted; return why that failed, or nothing.

    `bucket` is that of a further source.
    """
    tagged = all(CACHE_TAG in each["Metadata"] for each in outdated.values())
    named = [f"bucket={quote(bucket)}"] if bucket else []
    query = "&".join(named if tagged else [*named, "untagged=1"])
    return _failure_of("PUT", f"{service.rstrip('/')}/-/outdated/{quote(key)}{query and f'?{query}'}")


def _failure_of(method: str, url: str) -> str:
    """Ask the service, any of its replicas; return why that failed, or nothing."""
    if not url.startswith(("http://", "https://")):
        return f"{url}: PREW_SERVICE_URL must begin with http:// or https://"
    try:
        with urlopen(Request(url, method=method), timeout=_SERVICE_S):  # noqa: S310 -- checked above
            return ""
    except (OSError, HTTPException) as error:
        # An earlier service, which tells no caches, knows no PUT.
        known = getattr(error, "code", 0) != HTTPStatus.METHOD_NOT_ALLOWED
        return f"{url}: {error}" if known else ""


def _preset_folders(bucket: str) -> Iterator[str]:
    """Yield the preset folders of the bucket, such as `prew/card/`: one request, however many previews there are."""
    below = f"{_preview_prefix()}/"
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below, Delimiter="/")
    for page in pages:
        yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))


def _delete(bucket: str, key: str, etag: str) -> bool:
    """Delete a preview with this ETag, not what was stored in its place since; return whether that was there."""
    try:
        _s3().delete_object(Bucket=bucket, Key=key, IfMatch=etag)
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
