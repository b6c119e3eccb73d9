"""Opens what the commands work with, according to the settings."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prewmanager.adapters.aws.s3_inventory import S3Inventory, s3_client
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.results import RedisResultCache
from prewmanager.adapters.redis.sites import sites
from prewmanager.commands.listings import Listings
from prewmanager.config.settings import Settings
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import Inventory, ResultCache


@dataclass(frozen=True, slots=True)
class Buckets:
    """The inventories of photos, where nothing can be deleted, and of previews, where only previews can."""

    photos: Inventory
    previews: Inventory


@contextlib.asynccontextmanager
async def open_buckets(settings: Settings) -> AsyncIterator[Buckets]:
    """Open both buckets, for listing and deleting."""
    async with s3_client(region=settings.aws_region, endpoint_url=settings.s3_endpoint) as client:
        previews = S3Inventory(client, settings.preview_bucket_name, deletes_under=f"{settings.preview_prefix}/")
        yield Buckets(S3Inventory(client, settings.source_bucket), previews)


def object_reader(settings: Settings, bucket: str) -> S3PreviewStore:
    """Open a bucket for reading the metadata of objects; no body is read into memory."""
    store = s3_store(bucket, region=settings.aws_region, endpoint_url=settings.s3_endpoint, timeout_s=10)
    return S3PreviewStore(store, max_body_bytes=0)


def catalogue_of(settings: Settings) -> Catalogue:
    """Build the catalogue of all presets and variants."""
    return Catalogue(settings.variants, settings.layout, settings.source_bucket)


@contextlib.asynccontextmanager
async def open_result_cache(settings: Settings) -> AsyncIterator[ResultCache | None]:
    """Connect to the results cached in Redis, or yield None if no Redis is configured.

    Raises `FlightStoreUnavailable` if Redis does not answer.
    """
    if settings.redis_url is None:
        yield None
        return
    async with connect(settings.redis_url, timeout_s=5, password_file=settings.redis_password_file) as redis:
        cached_results = RedisResultCache(redis, namespace=settings.namespace)
        await cached_results.ping()
        yield cached_results


async def sites_under(settings: Settings) -> list[str]:
    """Describe the sites with this bucket and preview prefix whose replicas ran within the last minute, as Redis knows.

    Raises `FlightStoreUnavailable`.
    """
    if settings.redis_url is None:
        return []
    async with connect(settings.redis_url, timeout_s=5, password_file=settings.redis_password_file) as redis:
        return await sites(redis, f"{settings.namespace}/{settings.preview_prefix}")


def listings_of(settings: Settings, buckets: Buckets, preset: str) -> Listings:
    """Return the listings of photos and of this preset's previews."""
    return Listings(buckets.photos, buckets.previews, settings.layout, preset)


def settings_for_rendering(settings: Settings, at_once: int) -> Settings:
    """Adapt the settings to render `at_once` previews at a time that no client waits for.

    No preview is inlined in its result: thousands of results that are hardly ever requested would fill Redis. Each is
    stored when it is counted.
    """
    invocations = max(settings.max_invocations, at_once)
    changed = {
        "sources": {},  # the others
        "answer_first": False,
        "max_result_bytes": 0,
        "max_invocations": invocations,
        "max_flights": 2 * invocations,
    }
    return settings.model_copy(update=changed)
