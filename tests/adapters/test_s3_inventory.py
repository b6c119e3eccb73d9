"""Listings and deletions on a real S3 server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from devstack.backends import S3
from devstack.backends import s3_client as blocking_client
from prewmanager.adapters.aws.s3_inventory import S3Inventory, s3_client
from prewmanager.errors import StorageFailed
from tests.support.strict_store import strict_store


@pytest.fixture(name="client")
async def _client(s3: S3, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
    async with s3_client(region=s3.region, endpoint_url=s3.endpoint) as client:
        yield client


@pytest.fixture(name="inventory")
def _inventory(client: Any, s3: S3) -> S3Inventory:
    return S3Inventory(client, s3.bucket, deletes_under="inventory/")


def _put(s3: S3, *keys: str) -> None:
    client = blocking_client(s3)
    for key in keys:
        client.put_object(Bucket=s3.bucket, Key=key, Body=b"12345")
    client.close()


async def test_objects_under_a_prefix(inventory: S3Inventory, s3: S3) -> None:
    _put(s3, "inventory/one/a.jpg", "inventory/one/b.jpg", "inventory/other.jpg")
    found = [(each.key, each.size) async for each in inventory.objects("inventory/on")]

    assert found == [("inventory/one/a.jpg", 5), ("inventory/one/b.jpg", 5)]


async def test_a_page_and_the_next(inventory: S3Inventory, s3: S3) -> None:
    _put(s3, *(f"inventory/p/{number}.jpg" for number in range(5)))
    first = await inventory.page("inventory/p/", 3, None)
    second = await inventory.page("inventory/p/", 3, first.token)

    assert [each.key[-5:] for each in [*first.objects, *second.objects]] == [f"{number}.jpg" for number in range(5)]
    assert (len(first.objects), second.token) == (3, None)


async def test_folders_under_a_prefix(inventory: S3Inventory, s3: S3) -> None:
    _put(s3, "inventory/f/x/1/a.jpg", "inventory/f/y/a.jpg", "inventory/f/plain.jpg")

    assert [each async for each in inventory.folders("inventory/f/")] == ["x", "y"]


async def test_deleted_objects_are_gone(inventory: S3Inventory, s3: S3) -> None:
    _put(s3, "inventory/d/a b+c%.jpg", "inventory/d/ключ.jpg", "inventory/d/stays.jpg")
    await inventory.delete(["inventory/d/a b+c%.jpg", "inventory/d/ключ.jpg", "inventory/d/never-was.jpg"])

    assert [each.key async for each in inventory.objects("inventory/d/")] == ["inventory/d/stays.jpg"]


@pytest.mark.parametrize("key", ["photo/a.jpg", "inventory", "inventoryx/a.jpg", "/inventory/a.jpg", ""])
async def test_other_keys_are_never_deleted(inventory: S3Inventory, s3: S3, key: str) -> None:
    _put(s3, "inventory/guard.jpg")
    with pytest.raises(ValueError, match="refused"):
        await inventory.delete(["inventory/guard.jpg", key])

    assert [each.key async for each in inventory.objects("inventory/guard")] == ["inventory/guard.jpg"]


async def test_without_a_prefix_for_deletions_nothing_may_be_deleted(client: Any, s3: S3) -> None:
    with pytest.raises(ValueError, match="refused"):
        await S3Inventory(client, s3.bucket).delete(["photo/a.jpg"])


async def test_a_prefix_for_deletions_ends_with_a_slash(client: Any) -> None:
    """Otherwise prew would also delete prewedding/."""
    with pytest.raises(ValueError, match="slash"):
        S3Inventory(client, "photos", deletes_under="prew")


async def test_a_missing_bucket_is_an_error(client: Any) -> None:
    inventory = S3Inventory(client, "no-such-bucket", deletes_under="p/")
    with pytest.raises(StorageFailed, match="NoSuchBucket"):
        await anext(inventory.objects("p/"))
    with pytest.raises(StorageFailed, match="NoSuchBucket"):
        await anext(inventory.folders("p/"))
    with pytest.raises(StorageFailed, match="NoSuchBucket"):
        await inventory.delete(["p/a"])


@pytest.mark.fault("s3-checksums")
async def test_a_store_that_demands_content_md5_deletes(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
    with strict_store() as url:
        async with s3_client(region=s3.region, endpoint_url=url) as client:
            await S3Inventory(client, "photos", deletes_under="prew/").delete(["prew/card/a.jpg"])
