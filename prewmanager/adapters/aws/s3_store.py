"""The bucket of previews, read through obstore: a GET takes a fraction of the AWS SDK's CPU."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import S3Store

from prewmanager.adapters.aws.credentials import SdkCredentials
from prewmanager.errors import PreviewGone, ReplicaFailed, StorageFailed
from prewmanager.previews.inventory import ObjectHead
from prewmanager.previews.outcome import Made
from prewmanager_presets.tags import CACHE_TAG

if TYPE_CHECKING:
    # obstore defines these for type checkers only.
    from obstore import Attributes, GetOptions, GetResult, ObjectMeta
    from obstore.store import S3Config

_CHUNK_BYTES = 64 * 1024
_RESUMPTIONS = 5
# The resize function's names in the object's metadata.
_FINGERPRINT, _SOURCE_ETAG, _THUMBHASH, _POLISHED = "preset-fingerprint", "source-etag", "thumbhash", "polished"
_CONNECT = timedelta(seconds=1)
_CODE = re.compile(r"<Code>(\w+)</Code>")
_DENIED = "<Code>AccessDenied</Code>"
# What is wrong with this process's credentials or clock.
_CREDENTIALS = re.compile(
    "<Code>(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired|RequestTimeTooSkewed)<"
)
# How long an answer to "may these credentials list this bucket?" counts.
_LISTING_KNOWN_S = 300
_LAST_KEY = "\U0010ffff"


def s3_store(bucket: str, *, region: str, endpoint_url: str | None, timeout_s: float) -> S3Store:
    """Open a bucket by obstore, with the AWS SDK's credentials.

    An endpoint that is not Amazon's is addressed path-style, since few of them resolve a host name for each bucket.
    """
    config: S3Config = {"bucket": bucket, "region": region}
    if endpoint_url:
        # Not as `endpoint`: obstore prefers the environment's AWS_ENDPOINT_URL_S3 to it.
        config |= {"aws_endpoint_url_s3": endpoint_url, "virtual_hosted_style_request": False}
    return S3Store(
        config=config,
        credential_provider=SdkCredentials(),
        client_options={"allow_http": True, "connect_timeout": _CONNECT, "timeout": timedelta(seconds=timeout_s)},
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=timeout_s)},
    )


class S3PreviewStore:
    """Reads previews from S3."""

    def __init__(self, store: S3Store, *, max_body_bytes: int, unseen_s: float = 0.0) -> None:
        """`max_body_bytes` is the largest preview that is read into memory; larger ones are streamed.

        `unseen_s`: for how long the store may not show a preview that was just written.
        """
        self._store = store
        self._max_body_bytes = max_body_bytes
        self._unseen_s = unseen_s
        self._may_list, self._may_list_until = True, 0.0

    async def find(self, key: str) -> Made | None:
        """Return the preview under this key, or None, with one GET. Raises `StorageFailed`."""
        try:
            async with self._reading(key):
                got = await self._store.get_async(key)
                large = got.meta["size"] > self._max_body_bytes
                body = None if large else bytes(await got.bytes_async())
        except FileNotFoundError:
            return None
        return _made(got.meta, got.attributes, body)

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """Return the preview under this key in pieces.

        Raises `StorageFailed`, `PreviewGone` if it does not appear, `ReplicaFailed` if S3 refuses these credentials.
        Where a connection breaks in between, the rest is read on another one, as long as the object is the same. Where
        that fails too, the iterator raises `StorageFailed`.
        """
        got = await self._shown(key)
        return _made(got.meta, got.attributes, None), self._pieces(got, key)

    async def _shown(self, key: str) -> GetResult:
        """Read an object that was written, as soon as the store shows it."""
        loop, pause_s = asyncio.get_running_loop(), 0.05
        ends = loop.time() + self._unseen_s
        while True:
            try:
                with _translated(key):
                    return await self._store.get_async(key)
            except FileNotFoundError as error:
                if loop.time() + pause_s > ends:
                    raise PreviewGone(f"{key}: it is not there any more") from error
            except StorageFailed as error:
                if _CREDENTIALS.search(str(error.__cause__)):
                    raise ReplicaFailed(error.detail) from error
                raise
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, 2 * pause_s)

    async def _pieces(self, got: GetResult, key: str) -> AsyncIterator[bytes]:
        # obstore resumes by itself, but once only.
        size, etag, sent = got.meta["size"], got.meta["e_tag"], 0
        for _ in range(1 + _RESUMPTIONS):
            began = sent
            try:
                with _translated(key):
                    if sent and etag:
                        rest: GetOptions = {"range": {"offset": sent}, "if_match": etag}
                        got = await self._store.get_async(key, options=rest)
                    async for piece in got.stream(min_chunk_size=_CHUNK_BYTES):
                        sent += len(piece)
                        yield bytes(piece)
            except StorageFailed:
                if sent == began or etag is None:
                    raise
            if sent == size:
                return
        raise StorageFailed(f"{key}: broke off {1 + _RESUMPTIONS} times")

    async def head(self, key: str) -> ObjectHead | None:
        """Return this object's metadata, or None if it does not exist. Raises `StorageFailed`."""
        try:
            async with self._reading(key):
                got = await self._store.get_async(key, options={"head": True})
        except FileNotFoundError:
            return None
        made = _made(got.meta, got.attributes, None)
        fingerprint, source_etag = (got.attributes.get(name) for name in (_FINGERPRINT, _SOURCE_ETAG))
        polished, tagged = (name in got.attributes for name in (_POLISHED, CACHE_TAG))
        return ObjectHead(made, got.meta["last_modified"], fingerprint, source_etag, polished, tagged)

    async def exists(self, key: str) -> bool | None:
        """Whether there is an object under this key; None where S3 does not say, as to who may not read or list."""
        try:
            with _translated(key):
                await self._store.get_async(key, options={"head": True})
        except FileNotFoundError:
            return False
        except StorageFailed:
            return None
        return True

    @asynccontextmanager
    async def _reading(self, key: str) -> AsyncIterator[None]:
        """Raise `FileNotFoundError` for a 403, too, where S3 answers it to a missing object: without s3:ListBucket."""
        try:
            with _translated(key):
                yield
        except StorageFailed as error:
            refused = isinstance(error.__cause__, PermissionDeniedError)
            # The answer to a HEAD has no body, and so no code.
            text = str(error.__cause__)
            unclear = _DENIED in text or "<Code>" not in text
            if refused and unclear and not await self._lists():
                raise FileNotFoundError(key) from error
            raise

    async def _lists(self) -> bool:
        """Whether S3 shows these credentials which objects exist, as far as is known."""
        if time.monotonic() >= self._may_list_until:
            try:
                # Without a prefix, as S3 checks it for a missing object; after the last key, for an empty answer.
                async for _ in self._store.list(offset=_LAST_KEY):
                    break
                self._may_list = True
            except BaseError as error:
                self._may_list = _DENIED not in str(error)
            self._may_list_until = time.monotonic() + _LISTING_KNOWN_S
        return self._may_list

    async def ping(self) -> None:
        """Return when the bucket answers, with or without the permission to list it. Raises `StorageFailed`."""
        with _translated("probe"):
            try:
                await self._store.get_async("prewmanager-readiness-probe")
            except (FileNotFoundError, PermissionDeniedError) as error:
                # Without s3:ListBucket, S3 answers AccessDenied for a missing object. All other codes are failures.
                known = any(code in str(error) for code in ("NoSuchKey", "AccessDenied"))
                if "NoSuchBucket" in str(error) or not known:
                    raise _failed("probe", error) from error


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Raise `StorageFailed` for obstore's errors and panics, but `FileNotFoundError` as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise _failed(key, error) from error
    except BaseException as error:
        # obstore's Rust panics where it gets no file descriptor; that is no Exception, and has no class to import.
        if type(error).__name__ == "PanicException":
            raise _failed(key, error) from error
        raise


def _made(meta: ObjectMeta, attributes: Attributes, body: bytes | None) -> Made:
    return Made(
        content_type=attributes.get("Content-Type", "application/octet-stream"),
        size=meta["size"],
        etag=meta["e_tag"] or "",
        cache_control=attributes.get("Cache-Control"),
        body=body,
        thumbhash=attributes.get(_THUMBHASH),
    )


def _failed(key: str, error: BaseException) -> StorageFailed:
    # The first line is the message; S3's answer and the error's source in Rust's notation follow.
    text = str(error)
    code = _CODE.search(text)
    message = text.partition("\n")[0].partition(": <?xml")[0]
    return StorageFailed(f"{key}: {message}: {code[1]}" if code else f"{key}: {message}")
