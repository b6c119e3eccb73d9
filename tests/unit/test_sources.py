"""Sources that have names of photos in common have nothing else in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewmanager.adapters.redis.photo_faults import photo_name
from prewmanager.commands.arguments import Target
from prewmanager.commands.caches import _is_copy
from prewmanager.config.one_source import hosts_of_sources, read_settings_of, settings_of
from prewmanager.config.settings import Settings
from prewmanager.config.sources import SourceSettings
from prewmanager.errors import InvalidKey, InvalidSettings
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.signed_urls import SigningKey, signed_query
from prewmanager.telemetry.metrics import Metrics
from prewmanager_presets import Preset

_NAMES = st.lists(st.text("aprew-é", min_size=1, max_size=5), min_size=1, max_size=3).map("/".join)
_KEYS = st.sampled_from([None, "", "photo/", "wp-content/uploads/"])
_KEY = SigningKey("a", "s" * 32)


def _settings(main_keys: str | None = None, shop_keys: str | None = None) -> Settings:
    shop = SourceSettings(bucket="shop", hosts="shop.test img.shop.test", keys=shop_keys, presets="card")
    return Settings.model_validate(
        {
            "source_bucket": "photos",
            "source_keys": main_keys,
            "presets": {"card": Preset(width=720), "thumb": Preset(width=200)},
            "sources": {"shop": shop, "blog": SourceSettings(bucket="blog", hosts="blog.test")},
        }
    )


@given(name=_NAMES, main_keys=_KEYS, shop_keys=_KEYS)
def test_sources_with_the_same_name_never_meet(name: str, main_keys: str | None, shop_keys: str | None) -> None:
    """Flights, results, previews, what is known of photos, signatures, and what a purge finds in nginx's cache."""
    main = _settings(main_keys, shop_keys)
    every = [main, settings_of(main, "shop"), settings_of(main, "blog")]
    try:
        previews = [Catalogue(each.variants, each.layout).preview("card", name) for each in every]
    except InvalidKey:
        return
    pairs = list(zip(every, previews, strict=True))

    flights = {f"{each.namespace}/{preview.flight_key}" for each, preview in pairs}
    objects = {(each.preview_bucket_name, preview.preview_key) for each, preview in pairs}
    photos = {(each.source_bucket, preview.photo_key) for each, preview in pairs}
    faults = {photo_name(each.namespace, preview.photo_key) for each, preview in pairs}
    signatures = {signed_query(f"photo/{name}", 4102444800, _KEY, "prew", each.source) for each in every}
    assert [len(each) for each in (flights, objects, photos, faults, signatures)] == [3] * 5

    for place, each in enumerate(every):
        buckets, target = {"", each.preview_bucket_name}, Target("card", previews[place].preview_key, exact=True)
        copies = [f"/{other.preview_bucket_name}/{preview.preview_key}" for other, preview in pairs]
        assert [_is_copy(copy, buckets, target) for copy in copies] == [other is each for other in every]


def test_a_source_has_its_own_place_and_presets_and_everything_else_is_the_services() -> None:
    main = _settings(shop_keys="media/")
    shop = settings_of(main, "shop")

    assert (shop.source, shop.source_bucket, shop.preview_bucket_name) == ("shop", "shop", "shop")
    assert (shop.layout.photos, list(shop.variants), list(main.variants)) == ("media/", ["card"], ["card", "thumb"])
    assert (shop.sources, shop.wait_timeout, shop.quota_name) == ({}, main.wait_timeout, main.namespace)
    assert (main.source, main.quota_name) == ("", "photos")
    assert hosts_of_sources(main) == {"shop.test": "shop", "img.shop.test": "shop", "blog.test": "blog"}


def test_a_source_that_is_not_configured_ends_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREW_SOURCE_BUCKET", "photos")
    monkeypatch.setenv("PREW_PRESETS__CARD__WIDTH", "720")

    with pytest.raises(InvalidSettings, match="--source shop: there is only the main one; see PREW_SOURCES"):
        read_settings_of("shop")
    monkeypatch.setenv("PREW_SOURCES__BLOG__BUCKET", "blog")
    monkeypatch.setenv("PREW_SOURCES__BLOG__HOSTS", "blog.test")
    with pytest.raises(InvalidSettings, match="--source shop: the sources are blog"):
        read_settings_of("shop")
    assert read_settings_of("blog").source_bucket == "blog"


async def test_metrics_name_the_source_before_the_preset() -> None:
    metrics = Metrics()
    shop = metrics.of("shop")
    for each in (metrics, shop):
        each.expect({"card": "0123456789ab"}, [])
        each.answered("card", 200, "made", 0.1)
        each.costs.stored("card", 10)
        each.waiting(1)
    text = metrics.text()

    for preset in ("card", "shop/card"):
        assert f'prewmanager_requests_total{{preset="{preset}",source="made",status="200"}} 1.0' in text
        assert f'prewmanager_stored_bytes_total{{preset="{preset}"}} 10.0' in text
        assert f'prewmanager_flights_total{{outcome="made",preset="{preset}"}} 0.0' in text
    assert "prewmanager_waiting 2.0" in text
