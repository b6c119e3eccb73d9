"""`prewmanager purge` with CloudFront, emulated by moto's server."""

from __future__ import annotations

from typing import Any

import pytest

from prewmanager.adapters.aws.cloudfront import CloudFront, cloudfront_client
from prewmanager.purging.copies import Copies
from tests.commands.conftest import Shop, _command_line, _shop  # noqa: F401 -- fixtures
from tests.infra.conftest import Aws


@pytest.fixture(name="distribution")
def _distribution(aws: Aws, shop: Shop) -> str:
    """A distribution in front of the shop."""
    custom = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"}
    origin = {"Id": "nginx", "DomainName": "images.example.com", "CustomOriginConfig": custom}
    behaviour = {
        "TargetOriginId": "nginx",
        "ViewerProtocolPolicy": "allow-all",
        "MinTTL": 0,
        "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
    }
    made = aws.client("cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": shop.bucket,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": behaviour,
            "Comment": "",
            "Enabled": True,
        }
    )
    distribution: str = made["Distribution"]["Id"]
    shop.environment |= {"AWS_ENDPOINT_URL_CLOUDFRONT": aws.url, "PREW_PURGES": f"cloudfront:{distribution}"}
    return distribution


def _invalidations(aws: Aws, distribution: str) -> list[Any]:
    client = aws.client("cloudfront")
    listed = client.list_invalidations(DistributionId=distribution)["InvalidationList"].get("Items", [])
    return [
        client.get_invalidation(DistributionId=distribution, Id=each["Id"])["Invalidation"]["InvalidationBatch"]
        for each in listed
    ]


def test_a_purge_invalidates_one_encoded_path_with_a_star(aws: Aws, shop: Shop, distribution: str) -> None:
    shop.put("prew/card/a b.jpg")
    counted = shop.run("purge", "card", "--prefix", "a b", COLUMNS="200")
    asked_for_nothing = _invalidations(aws, distribution)
    purged = shop.json("purge", "card", "--prefix", "a b", "--yes")
    (batch,) = _invalidations(aws, distribution)

    assert "CloudFront would invalidate 1 paths (1000 a month are free" in counted.stdout
    assert asked_for_nothing == []
    assert purged["cloudfront"] == ["/prew/card/a%20b*"]
    assert batch["Paths"] == {"Quantity": 1, "Items": ["/prew/card/a%20b*"]}


def test_one_photos_previews_are_invalidated_by_their_exact_paths(shop: Shop, distribution: str) -> None:
    purged = shop.json("purge", "--photo", "photo/ü.jpg", "--yes", PREW_PRESETS__CARD__FORMAT="auto")

    assert distribution
    assert set(purged["cloudfront"]) >= {
        "/prew/card/%C3%BC.jpg",
        "/prew/card.webp/%C3%BC.jpg",
        "/prew/thumb/%C3%BC.jpg",
    }


def test_a_missing_distribution_is_reported_after_everything_else_is_purged(shop: Shop, distribution: str) -> None:
    shop.put("prew/card/a.jpg")
    done = shop.run("purge", "card", "--yes", PREW_PURGES="cloudfront:ENONE")

    assert distribution != "ENONE"
    assert done.returncode == 1
    assert "ENONE" in done.stderr
    assert shop.keys() == set()


async def test_a_photos_previews_are_invalidated_by_one_tag_and_by_path_where_they_have_none(
    aws: Aws, distribution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "admin")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", aws.url)
    async with cloudfront_client(region="us-east-1") as client:
        await CloudFront(client, distribution).purge(
            Copies(("photo-1", "photo-2"), ("/prew/card/2.jpg",), ("photo-2",), ("prew/card/1.jpg",))
        )
    (batch,) = _invalidations(aws, distribution)

    assert batch["Paths"] == {"Quantity": 2, "Items": ["#photo-1", "/prew/card/2.jpg"]}
