"""S3 through obstore: reads photos, writes previews, and translates S3's errors into this project's."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, Self

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from lambda_resize.acl import AclClient
from lambda_resize.content_encoding import decoded, is_encoded
from lambda_resize.credentials import SdkCredentials, provider
from lambda_resize.download import Download, Pieces
from lambda_resize.errors import Changed, Forbidden, Hidden, ResizeError, StorageFailed, TooLarge
from lambda_resize.s3_errors import DENIED, translated
from lambda_resize.stored import StoredPhoto, StoredPreview
from prewmanager_presets.tags import CACHE_TAG

# S3 shows them as x-amz-meta-preset-fingerprint and so on.
FINGERPRINT = "preset-fingerprint"
THUMBHASH = "thumbhash"
SOURCE_ETAG = "source-etag"  # without its quotes; `cleaner` reads it
POLISHED = "polished"  # "true": it was replaced by one in fewer bytes; the service reads it

# If S3 is down, a call must fail well within the service's deadline: refused connections fail within 0.3 s, an
# unreachable S3 within 4 s, one that accepts connections and does not answer within 9 s (two reads of 4 s; with an ACL,
# for which boto3 tries three times, 13 s).
CONNECT_TIMEOUT = timedelta(seconds=1)
READ_TIMEOUT = timedelta(seconds=4)  # between two pieces of an answer, so that a large photo may arrive slowly
REQUEST_TIMEOUT = timedelta(seconds=15)
MAX_RETRIES = 2
RETRY_WINDOW = timedelta(seconds=5)  # no retry begins after it

# No preview is written later than so many seconds after its photo was read: the cleaner's second pass comes after that,
# and after the longest write, and finds every preview of an overwritten photo.
MAX_AGE_S = 60
LONGEST_WRITE_S = RETRY_WINDOW.total_seconds() + REQUEST_TIMEOUT.total_seconds()

# So many bytes come with the first request. A photo that has no more is read whole; a larger one is used while it
# arrives, its rest by several requests at once: `docs/images.md`, Speed.
FIRST_BYTES = 4 << 20
PIECE_BYTES = 128 << 10  # of a photo that arrives; at least, and the last may be smaller
# In obstore's text of an answer to a request for a range: 416, as for an empty object, and 200.
NO_RANGE = re.compile("InvalidRange|416 Range Not Satisfiable|non-partial response")

_NO_ETAG = '"00000000000000000000000000000000"'
_NO_CONDITIONS = re.compile(r"\b501\b|NotImplemented")

# How long an answer to "may these credentials list this bucket?" counts.
LISTING_KNOWN_S = 300
LAST_KEY = "\U0010ffff"


class Storage:
    """Reads, writes and deletes objects of any bucket, through one client for each bucket.

    Nothing is opened before the first call, so a process may fork after creating a Storage, but not after using it.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        object_acl: str | None = None,
        credentials: SdkCredentials | None = None,
    ) -> None:
        """`credentials` None: those of the environment."""
        self._credentials = credentials
        self._endpoint = endpoint
        self._region = region
        self._object_acl = object_acl
        self._stores: dict[str, S3Store] = {}
        self._may_list: dict[str, tuple[bool, float]] = {}
        self._conditional: dict[str, bool] = {}
        self.may_find = True  # until S3 refuses

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, object_acl: str | None = None) -> Self:
        """Use the endpoint of `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, else AWS's own, and the SDK's region."""
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        return cls(
            endpoint=endpoint and endpoint.rstrip("/"),
            region=region,
            object_acl=object_acl,
            credentials=provider(environ),
        )

    def read(self, bucket: str, key: str, max_bytes: int, ends_at: float = math.inf) -> StoredPhoto:
        """Return the object, decompressed; its size is checked before its body is read.

        Of an object of more than `FIRST_BYTES` the bytes come later, unless it is compressed. `Download.wait` then
        raises what this raises, `Changed` where it was overwritten meanwhile, and `StorageFailed` from `ends_at` on, on
        the clock of `time.monotonic`.

        Raises:
            TooLarge: It has more than `max_bytes` bytes, as it is stored or decompressed.
            Unsupported: It is compressed by another method than gzip and deflate.
            Corrupt: It is not compressed as it says.
            Missing: The object does not exist; `Hidden`, where S3 refuses to say so.
            Forbidden: S3 refused.
            StorageFailed: S3 failed, the bucket does not exist, or the answer is not S3's.
        """
        read_at = time.time()
        with self._reading(bucket, key):
            found = self._first(bucket, key)
            size, etag = found.meta["size"], found.meta["e_tag"]
            if not etag:
                # As a proxy's own page with status 200: to blame the photo for it would be wrong for minutes.
                raise StorageFailed(f"{bucket}/{key}: an answer without ETag, which is not S3's")
            if size > max_bytes:
                raise TooLarge(f"{bucket}/{key}: {size} bytes, the limit is {max_bytes}")
            encoding = str(found.attributes.get("Content-Encoding", ""))
            encoded = is_encoded(encoding)
            if size <= FIRST_BYTES:
                return StoredPhoto(decoded(bytes(found.bytes()), encoding, max_bytes), etag, read_at)
        first, further = self._pieces(bucket, key, found), partial(self._range, bucket, key, etag)
        photo = Download(size, found.range[1], first, further, ends_at)
        return StoredPhoto(decoded(photo.whole(), encoding, max_bytes) if encoded else photo, etag, read_at)

    def _first(self, bucket: str, key: str) -> Any:
        """Ask for the first bytes; for all where there is no first one, and where S3 does not know ranges."""
        try:
            return obstore.get(self._store(bucket), key, options={"range": (0, FIRST_BYTES)})
        except BaseError as error:
            if not NO_RANGE.search(str(error)):
                raise
            return obstore.get(self._store(bucket), key)

    def _pieces(self, bucket: str, key: str, found: Any) -> Pieces:
        with self._reading(bucket, key):
            yield from found.stream(PIECE_BYTES)

    def _range(self, bucket: str, key: str, etag: str, start: int, end: int) -> Pieces:
        with self._reading(bucket, key):
            found = obstore.get(self._store(bucket), key, options={"range": (start, end), "if_match": etag})
            yield from found.stream(PIECE_BYTES)

    def find(self, bucket: str, key: str, max_bytes: int) -> StoredPreview | None:
        """Return a preview, with its bytes up to `max_bytes`; None if there is none, or S3 does not say. Never raises.

        It only saves work. Where S3 refuses, `may_find` is False from then on.
        """
        try:
            with translated(f"{bucket}/{key}"):
                found = obstore.get(self._store(bucket), key)
                size = found.meta["size"]
                data = bytes(found.bytes()) if size <= max_bytes else None
        except Forbidden:
            self.may_find = not self._lists(bucket)  # without the right to list, it stands for a missing object
            return None
        except ResizeError:
            return None
        described = {name: str(value) for name, value in found.attributes.items()}
        return StoredPreview(
            data,
            size,
            found.meta["e_tag"] or "",
            described.get("Content-Type", ""),
            described.get("Cache-Control"),
            described.get(THUMBHASH),
        )

    def etag(self, bucket: str, key: str) -> str:
        """Return the object's current ETag. Raises what `read` raises, except `TooLarge`."""
        with self._reading(bucket, key):
            return obstore.head(self._store(bucket), key)["e_tag"] or ""

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object if it exists. Raises what `write` raises."""
        with translated(f"{bucket}/{key}", writing=True):
            obstore.delete(self._store(bucket), key)

    def write(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str,
        fingerprint: str,
        source_etag: str,
        thumbhash: str | None = None,
        cache_tags: str | None = None,
        replaces: str | None = None,
    ) -> str:
        """Store an object in one request, so that readers see all of it or nothing; return its ETag in quotes.

        Safe to call from several threads at once. `replaces`: only where the object has this ETag; the new one is
        marked as polished.

        Raises:
            Changed: It has another one, or is gone.
            Forbidden: S3 refused.
            StorageFailed: S3 failed, or the bucket does not exist.
        """
        metadata = {FINGERPRINT: fingerprint, SOURCE_ETAG: source_etag.strip('"')}
        metadata |= {THUMBHASH: thumbhash} if thumbhash else {}
        metadata |= {CACHE_TAG: cache_tags} if cache_tags else {}
        metadata |= {POLISHED: "true"} if replaces else {}
        if self._acl_client:
            described = {"ContentType": content_type, "CacheControl": cache_control, "Metadata": metadata}
            return self._acl_client.write(bucket, key, data, **described, **({"IfMatch": replaces} if replaces else {}))
        attributes = {"Content-Type": content_type, "Cache-Control": cache_control, **metadata}
        mode: Any = {"e_tag": replaces} if replaces else "overwrite"
        with translated(f"{bucket}/{key}", writing=True):
            result = obstore.put(self._store(bucket), key, data, attributes=attributes, mode=mode, use_multipart=False)
        return result["e_tag"] or ""

    def is_conditional(self, bucket: str, probe: str) -> bool:
        """Whether S3 replaces an object only where it has the ETag that is named. Raises what `write` raises.

        Amazon's does. Another store has to refuse once to replace what there is not, under the key `probe`.
        """
        if self._endpoint is None:
            return True
        if bucket not in self._conditional:
            self._conditional[bucket] = self._refuses(bucket, probe)
        return self._conditional[bucket]

    def _refuses(self, bucket: str, probe: str) -> bool:
        described = dict.fromkeys(("content_type", "cache_control", "fingerprint", "source_etag"), "probe")
        try:
            self.write(bucket, probe, b"probe", **described, replaces=_NO_ETAG)
        except StorageFailed as error:
            if isinstance(error, Changed) or _NO_CONDITIONS.search(str(error)):
                return isinstance(error, Changed)
            raise
        self.delete(bucket, probe)
        return False

    def source_etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag, in quotes, of the photo that a preview says it is of, or None. Raises what `etag` raises."""
        with self._reading(bucket, key):
            found = obstore.get(self._store(bucket), key, options={"head": True}).attributes.get(SOURCE_ETAG)
        return None if found is None else f'"{found}"'

    @contextmanager
    def _reading(self, bucket: str, key: str) -> Iterator[None]:
        """Translate the errors of a read, and find out what a 403 means, which S3 sends for a missing object, too."""
        try:
            with translated(f"{bucket}/{key}"):
                yield
        except Forbidden as error:
            # The answer to a HEAD has no body, and so no code.
            text = str(error.__cause__)
            unclear = DENIED in text or "<Code>" not in text
            if unclear and not self._lists(bucket):
                reason = "missing or not readable: S3 does not say which without s3:ListBucket"
                raise Hidden(f"{bucket}/{key}: {reason}") from error
            raise

    def _lists(self, bucket: str) -> bool:
        """Whether S3 shows these credentials which objects exist, as far as is known."""
        allowed, until = self._may_list.get(bucket, (True, 0.0))
        if time.monotonic() >= until:
            try:
                # Without a prefix, as S3 checks it for a missing object; after the last key, for an empty answer.
                next(iter(obstore.list(self._store(bucket), offset=LAST_KEY)), None)
                allowed = True
            except BaseError as error:
                allowed = DENIED not in str(error)
            self._may_list[bucket] = (allowed, time.monotonic() + LISTING_KNOWN_S)
        return allowed

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            # AWS expects the bucket in the host name; a bucket with dots does not match the certificate's wildcard.
            virtual_hosted = self._endpoint is None and "." not in bucket
            # Not as `endpoint`: obstore prefers the environment variable AWS_ENDPOINT_URL_S3 to it.
            given = {"aws_endpoint_url_s3": self._endpoint, "region": self._region}
            named: Any = {name: value for name, value in given.items() if value}
            self._stores[bucket] = S3Store(
                bucket,
                **named,
                credential_provider=self._credentials,
                virtual_hosted_style_request=virtual_hosted,
                client_options={
                    "allow_http": (self._endpoint or "").startswith("http://"),
                    "connect_timeout": CONNECT_TIMEOUT,
                    "read_timeout": READ_TIMEOUT,
                    "timeout": REQUEST_TIMEOUT,
                },
                retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_WINDOW},
            )
        return self._stores[bucket]

    @cached_property
    def _acl_client(self) -> AclClient | None:
        seconds = CONNECT_TIMEOUT.total_seconds(), READ_TIMEOUT.total_seconds()
        acl = self._object_acl
        return AclClient(acl, self._endpoint, self._region, *seconds, 1 + MAX_RETRIES) if acl else None
