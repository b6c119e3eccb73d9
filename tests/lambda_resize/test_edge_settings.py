"""The edge function's settings, which are part of its package."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.settings import SettingsError

_SECRET = "https://deploy:correct-horse@files.example"


def test_defaults_are_those_of_a_page_image() -> None:
    settings = EdgeSettings()

    assert (settings.default_width, settings.default_height) == (1200, 627)
    assert (settings.allowed_hosts, settings.schemes) == ((), ("https",))
    assert settings.max_answer_bytes == 1_000_000


def test_json_names_what_differs_from_the_defaults() -> None:
    settings = EdgeSettings.from_json(
        '{"allowed_hosts": ["a.example.com:8443", "xn--bcher-kva.example"], "max_width": 1300}'
    )

    assert settings == EdgeSettings(allowed_hosts=("a.example.com:8443", "xn--bcher-kva.example"), max_width=1300)


def test_sizes_and_formats_are_lists() -> None:
    text = '{"sizes": ["300x300", "320x", "x240"], "missing_side": "proportional", "formats": ["avif", "webp"]}'
    settings = EdgeSettings.from_json(text)

    assert (settings.sizes, settings.formats) == (("300x300", "320x", "x240"), ("avif", "webp"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "1.2.3.4:80",
        "[::1]",
        "localhost",
        "*.example.com",
        "Example.com",
        "example.com.",
        "a_b.example",
        "",
        "1.2.3.04",
        "0x7f.1",
    ],
)
def test_an_allowed_host_is_a_name(host: str) -> None:
    with pytest.raises(SettingsError, match="allowed_hosts"):
        EdgeSettings(allowed_hosts=(host,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "not an object"),
        ('{"hosts": []}', "hosts: unknown setting"),
        ('{"allowed_hosts": "a.example"}', "allowed_hosts: not a list"),
        ('{"allowed_hosts": [1]}', "allowed_hosts"),
        ('{"schemes": ["ftp"]}', "schemes"),
        ('{"schemes": [["https"]]}', "schemes: entry 1 is neither https nor http"),
        ('{"max_width": 0}', "max_width: not a whole number from 1 to 10000"),
        ('{"max_height": true}', "max_height"),
        ('{"max_redirects": -1}', "max_redirects"),
        ('{"max_answer_bytes": 2000000}', "max_answer_bytes"),
        ('{"fetch_timeout_s": 30}', "fetch_timeout_s"),
        ('{"max_width": 1000}', "default_width"),
        ('{"missing_side": "none"}', "missing_side: not one of default, proportional"),
        ('{"fit": "crop"}', "fit: not one of contain"),
        ('{"undecodable": true}', "undecodable: not one of origin"),
        ('{"formats": ["webp", "jxl"]}', "formats: entry 2 is not one of avif, webp"),
        ('{"sizes": "300x300"}', "sizes: not a list"),
        ('{"sizes": [300]}', "sizes: entry 1 is not a size like 300x300"),
        ('{"sizes": ["x"]}', "sizes: entry 1 is not a size"),
        ('{"sizes": ["0300x1"]}', "sizes: entry 1 is not a size"),
        ('{"sizes": ["2401x300"]}', "sizes: entry 1 is not a size like 300x300 within max_width"),
        ('{"sizes": ["300x"]}', "sizes: entry 1 has one side, which needs missing_side: proportional"),
        ('{"total_timeout_s": 30}', "total_timeout_s"),
        ('{"total_timeout_s": 5}', "fetch_timeout_s: above total_timeout_s"),
    ],
)
def test_an_invalid_setting_is_refused_by_name_when_the_package_is_built(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        EdgeSettings.from_json(text)


@pytest.mark.parametrize("name", sorted(field.name for field in fields(EdgeSettings)))
@pytest.mark.parametrize("value", [_SECRET, [_SECRET]], ids=["alone", "listed"])
def test_no_message_repeats_a_value(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as raised:
        EdgeSettings.from_json(json.dumps({name: value}))

    assert name in str(raised.value)
    assert _SECRET not in str(raised.value)


def test_without_a_configuration_nothing_is_allowed() -> None:
    with pytest.raises(SettingsError, match=r"edge_config\.json"):
        EdgeSettings.packaged()
