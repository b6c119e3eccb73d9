"""What the commands work with, made of the settings."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prewmanager.adapters.aws.s3_inventory import S3Inventory, s3_client
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.results import RedisResultCache
from prewmanager.commands.listings import Folders
from prewmanager.config.settings import Settings
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import Inventory, ResultCache


@dataclass(frozen=True, slots=True)
class Buckets:
    """Photos, from which nothing can be deleted, and previews, of which nothing else can."""

    photos: Inventory
    previews: Inventory


@contextlib.asynccontextmanager
async def open_buckets(settings: Settings) -> AsyncIterator[Buckets]:
    """Both buckets, for listing and deleting."""
    async with s3_client(region=settings.aws_region, endpoint_url=settings.s3_endpoint) as client:
        previews = S3Inventory(client, settings.preview_bucket_name, deletes_under=f"{settings.preview_prefix}/")
        yield Buckets(S3Inventory(client, settings.source_bucket), previews)


def object_reader(settings: Settings, bucket: str) -> S3PreviewStore:
    """A bucket, for looking at single objects; their bytes are left where they are."""
    store = s3_store(bucket, region=settings.aws_region, endpoint_url=settings.s3_endpoint, timeout_s=10)
    return S3PreviewStore(store, max_body_bytes=0)


def catalogue(settings: Settings) -> Catalogue:
    """The presets and prefixes."""
    return Catalogue(settings.variants, settings.source_prefix, settings.preview_prefix)


@contextlib.asynccontextmanager
async def open_result_cache(settings: Settings) -> AsyncIterator[ResultCache | None]:
    """Redis' cached results, or None without Redis. Raises `FlightStoreUnavailable` where it does not answer."""
    if settings.redis_url is None:
        yield None
        return
    async with connect(settings.redis_url, timeout_s=5) as redis:
        cached_results = RedisResultCache(redis, namespace=settings.preview_bucket_name)
        await cached_results.ping()
        yield cached_results


def folders(settings: Settings, buckets: Buckets, preset: str) -> Folders:
    """Where a preset's photos and previews are."""
    photos, previews = f"{settings.source_prefix}/", f"{settings.preview_prefix}/{preset}/"
    return Folders(buckets.photos, photos, buckets.previews, previews)


def light(settings: Settings, at_once: int) -> Settings:
    """The settings for making previews that nobody here waits for, `at_once` of them.

    Their bytes stay in the bucket: many a minute would fill Redis with results that hardly anybody asks for.
    """
    least = max(settings.max_invocations, at_once)
    return settings.model_copy(update={"max_result_bytes": 0, "max_invocations": least, "max_flights": 2 * least})
