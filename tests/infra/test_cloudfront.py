"""`prewmanager purge` and CloudFront, as moto's server plays it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.conftest import Shop, _command_line, _shop  # noqa: F401 -- fixtures
from tests.infra.conftest import Aws


@pytest.fixture(name="distribution")
def _distribution(aws: Aws, shop: Shop) -> str:
    """One that the shop is behind."""
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
    shop.environment |= {"AWS_ENDPOINT_URL_CLOUDFRONT": aws.url, "PREW_CLOUDFRONT_DISTRIBUTION": distribution}
    return distribution


def _invalidations(aws: Aws, distribution: str) -> list[Any]:
    client = aws.client("cloudfront")
    listed = client.list_invalidations(DistributionId=distribution)["InvalidationList"].get("Items", [])
    return [
        client.get_invalidation(DistributionId=distribution, Id=each["Id"])["Invalidation"]["InvalidationBatch"]
        for each in listed
    ]


def test_what_is_purged_is_invalidated(aws: Aws, shop: Shop, distribution: str) -> None:
    """One path with a * for a preset and prefix, encoded; a dry run names it with its cost, and asks for none."""
    shop.put("prew/card/a b.jpg")
    counted = shop.run("purge", "card", "--prefix", "a b", COLUMNS="200")
    asked_for_nothing = _invalidations(aws, distribution)
    purged = shop.json("purge", "card", "--prefix", "a b", "--yes")
    (batch,) = _invalidations(aws, distribution)

    assert "CloudFront would invalidate 1 paths (1000 a month are free" in counted.stdout
    assert asked_for_nothing == []
    assert purged["cloudfront"] == ["/prew/card/a%20b*"]
    assert batch["Paths"] == {"Quantity": 1, "Items": ["/prew/card/a%20b*"]}


def test_one_photos_previews_without_a_star(shop: Shop, distribution: str) -> None:
    """Exactly the paths of its previews, in all presets; formats that nginx chooses have the preset's path."""
    purged = shop.json("purge", "--photo", "photo/ü.jpg", "--yes", PREW_PRESETS__CARD__FORMAT="auto")

    assert distribution
    assert set(purged["cloudfront"]) >= {
        "/prew/card/%C3%BC.jpg",
        "/prew/card.webp/%C3%BC.jpg",
        "/prew/thumb/%C3%BC.jpg",
    }


def test_a_distribution_that_is_not_there(shop: Shop, distribution: str) -> None:
    """Told by its name, after everything else was purged."""
    shop.put("prew/card/a.jpg")
    done = shop.run("purge", "card", "--yes", PREW_CLOUDFRONT_DISTRIBUTION="ENONE")

    assert distribution != "ENONE"
    assert done.returncode == 1
    assert "ENONE" in done.stderr
    assert shop.keys() == set()
