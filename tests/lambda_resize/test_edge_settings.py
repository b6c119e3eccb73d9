"""The edge function's settings, which are part of its package."""

from __future__ import annotations

import pytest

from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.settings import SettingsError


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
        ('{"allowed_hosts": "a.example"}', "allowed_hosts: 'a.example' is not a list"),
        ('{"allowed_hosts": [1]}', "allowed_hosts"),
        ('{"schemes": ["ftp"]}', "schemes"),
        ('{"max_width": 0}', "max_width: 0 is not a whole number from 1 to 10000"),
        ('{"max_height": true}', "max_height"),
        ('{"max_redirects": -1}', "max_redirects"),
        ('{"max_answer_bytes": 2000000}', "max_answer_bytes"),
        ('{"fetch_timeout_s": 30}', "fetch_timeout_s"),
        ('{"max_width": 1000}', "default_width"),
        ('{"missing_side": "none"}', "missing_side: 'none' is not one of default, proportional"),
        ('{"fit": "crop"}', "fit: 'crop' is not one of contain"),
        ('{"undecodable": true}', "undecodable: True is not one of origin"),
        ('{"formats": ["webp", "jxl"]}', "formats: 'jxl' is not one of avif, webp"),
        ('{"sizes": "300x300"}', "sizes: '300x300' is not a list"),
        ('{"sizes": [300]}', "sizes: 300 is not a size like 300x300"),
        ('{"sizes": ["x"]}', "sizes: 'x' is not a size"),
        ('{"sizes": ["0300x1"]}', "sizes: '0300x1' is not a size"),
        ('{"sizes": ["2401x300"]}', "sizes: '2401x300' is not a size like 300x300 within max_width"),
        ('{"sizes": ["300x"]}', "sizes: '300x' has one side, which needs missing_side: proportional"),
        ('{"total_timeout_s": 30}', "total_timeout_s"),
        ('{"total_timeout_s": 5}', "fetch_timeout_s: above total_timeout_s"),
    ],
)
def test_an_invalid_setting_is_refused_by_name_when_the_package_is_built(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        EdgeSettings.from_json(text)


def test_without_a_configuration_nothing_is_allowed() -> None:
    with pytest.raises(SettingsError, match=r"edge_config\.json"):
        EdgeSettings.packaged()
