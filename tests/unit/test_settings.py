"""Settings: read once, checked together; an invalid one aborts startup with its name and the fix."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import AliasChoices, ValidationError

from prewmanager.config.reading import ignored_settings, read_settings
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings
from prewmanager.sizes import flights_at_once, renderings_at_once
from prewmanager.times import lifetimes
from prewmanager_presets import Preset, definitions

ARN = "arn:aws:lambda"
ADDRESS = "must be an address that begins with http:// or https://, such as http://minio:9000"
COLLECTOR = "must be an address that begins with http:// or https://, such as http://collector:4318"
Read = Callable[..., Settings]
SHOP = {"PREW_SOURCES__SHOP__BUCKET": "shop", "PREW_SOURCES__SHOP__HOSTS": "shop.test img.shop.test"}
GOOD = {"PREW_SOURCE_BUCKET": "photos", "PREW_PRESETS__CARD__WIDTH": "720"}


@pytest.fixture(name="read")
def _read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads settings from exactly these variables."""

    def read(**variables: str) -> Settings:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return read_settings()

    return read


def _lines(read: Read, **variables: str) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        read(**variables)
    return caught.value.lines


def test_the_minimal_settings_suffice(read: Read) -> None:
    settings = read(**GOOD)

    assert settings.presets == {"card": Preset(width=720)}
    assert settings.preview_bucket_name == "photos"
    assert settings.port == 8180
    assert (settings.redis_url, settings.lambda_function) == (None, None)


def test_the_contact_sheet_is_off_unless_it_is_switched_on(read: Read) -> None:
    assert not read(**GOOD).contact_sheet
    assert read(**GOOD, PREW_CONTACT_SHEET="true").contact_sheet


def test_presets_field_by_field_override_the_json(read: Read) -> None:
    settings = read(
        PREW_SOURCE_BUCKET="photos",
        PREW_PRESETS=json.dumps({"card": {"width": 100, "fit": "inside"}, "thumb": {"height": 50}}),
        PREW_PRESETS__CARD__WIDTH="300",
        PREW_PRESETS__BIG_ONE__WIDTH="2000",
        PREW_PRESETS__BIG_ONE__ENLARGE="yes",
        PREW_PRESETS__BIG_ONE__BACKGROUND="#FF0000",
    )

    assert settings.presets["card"] == Preset(width=300, fit="inside")
    assert settings.presets["thumb"] == Preset(height=50)
    assert settings.presets["big_one"] == Preset(width=2000, enlarge=True, background="#ff0000")


@pytest.mark.parametrize(
    ("variables", "renderings", "flights"),
    [
        ({}, 2, 2000),
        ({"PREW_LAMBDA_FUNCTION": "resize"}, 64, 2000),
        ({"PREW_RESIZER_URL": "http://resizer:8190"}, 64, 2000),
        ({"PREW_LAMBDA_FUNCTION": "resize", "PREW_MAX_FLIGHTS": "9"}, 9, 9),
        ({"PREW_LAMBDA_FUNCTION": "resize", "PREW_MAX_INVOCATIONS": "3000"}, 3000, 3000),
        ({"PREW_MAX_INVOCATIONS": "3000", "PREW_MAX_FLIGHTS": "9"}, 2, 9),  # which nobody uses
    ],
)
def test_unset_sizes_follow_those_that_are_set(
    read: Read, variables: dict[str, str], renderings: int, flights: int
) -> None:
    settings = read(**GOOD, **variables)

    assert (renderings_at_once(settings), flights_at_once(settings)) == (renderings, flights)


def test_previews_may_have_a_bucket_of_their_own(read: Read) -> None:
    assert read(**GOOD, PREW_PREVIEW_BUCKET="previews").preview_bucket_name == "previews"


def test_an_empty_variable_is_an_unset_one(read: Read) -> None:
    settings = read(**GOOD, PREW_REDIS_URL="", PREW_LAMBDA_FUNCTION="", PREW_PORT="")

    assert (settings.redis_url, settings.lambda_function, settings.port) == (None, None, 8180)


@pytest.mark.parametrize(
    ("keys", "photos"),
    [
        ({}, "photo/"),
        ({"PREW_SOURCE_PREFIX": "originals"}, "originals/"),
        ({"PREW_SOURCE_KEYS": "wp-content/uploads/"}, "wp-content/uploads/"),
        ({"PREW_SOURCE_KEYS": "media"}, "media/"),
        ({"PREW_SOURCE_KEYS": "prewx"}, "prewx/"),
        ({"PREW_SOURCE_KEYS": "/"}, ""),
        ({"PREW_SOURCE_KEYS": ""}, ""),
    ],
)
def test_photos_may_be_elsewhere_than_their_paths_say(read: Read, keys: dict[str, str], photos: str) -> None:
    """Only this variable means something when it is set and empty."""
    assert read(**GOOD, **keys).layout.photos == photos


def test_region_and_endpoints_have_the_aws_sdks_names(read: Read) -> None:
    settings = read(
        **GOOD, AWS_DEFAULT_REGION="eu-north-1", AWS_ENDPOINT_URL="http://all", AWS_ENDPOINT_URL_S3="http://s3"
    )

    assert settings.aws_region == "eu-north-1"
    assert (settings.s3_endpoint, settings.lambda_endpoint) == ("http://s3", "http://all")


def test_variables_of_other_programs_are_ignored(read: Read) -> None:
    read(**GOOD, PREW_NGINX_LISTEN="80", PREW_LOCAL_PORT="8080", PREWITT="1")


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PREW_SOURCE_BUCKET": ""}, "PREW_SOURCE_BUCKET: is required and not set (the bucket of the photos)"),
        ({"PREW_PRESETS__CARD__WIDTH": ""}, "PREW_PRESETS"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, f"OTEL_EXPORTER_OTLP_ENDPOINT: {COLLECTOR}"),
        (
            {"PREW_PRESETS__CARD__FIT": "crop"},
            "PREW_PRESETS__CARD__FIT: should be 'cover', 'contain', 'fill', 'inside'",
        ),
        (
            {"PREW_PRESETS__CARD__WIDTH": "0"},
            "PREW_PRESETS__CARD__WIDTH: should be greater than or equal to 1, but is '0'",
        ),
        ({"PREW_PRESETS__CARD__WIDTH": "wide"}, "PREW_PRESETS__CARD__WIDTH: should be a valid integer"),
        ({"PREW_PRESETS__CARD__QUALITY": "101"}, "PREW_PRESETS__CARD__QUALITY: should be less than or equal to 100"),
        ({"PREW_PRESETS__CARD__WIDHT": "5"}, "PREW_PRESETS__CARD__WIDHT: unknown preset field; the fields are width"),
        ({"PREW_PRESETS__B__FIT": "cover"}, "PREW_PRESETS__B: needs a width or a height in pixels"),
        ({"PREW_PRESETS": '{"a/b": {"width": 3}}'}, "PREW_PRESETS (at a/b): 'a/b' is not a valid preset name"),
        ({"PREW_PRESETS": '{"b": {"width": 0}}'}, "PREW_PRESETS (at b.width): should be greater than or equal to 1"),
        ({"PREW_PRESETS": '{"b": '}, "PREW_PRESETS: is not valid JSON"),
        ({"PREW_PORT": "99999"}, "PREW_PORT: should be less than or equal to 65535, but is '99999'"),
        ({"PREW_REDIS_URL": "localhost"}, "PREW_REDIS_URL: "),
        ({"PREW_REDIS_URL": "redis://:secret@host:port/0"}, "PREW_REDIS_URL: has an invalid port"),
        ({"PREW_REDIS_URL": "redis://host:65536"}, "PREW_REDIS_URL: has an invalid port"),
        ({"PREW_REDIS_URL": "redis://[host"}, "PREW_REDIS_URL: "),
        ({"PREW_REDIS_URL": "redis+cluster://,host"}, "PREW_REDIS_URL: has an empty host"),
        ({"PREW_REDIS_URL": "redis+sentinel://host"}, "PREW_REDIS_URL: must end with the name of the set"),
        ({"PREW_REDIS_URL": "redis+sentinel://host/previews/x"}, "PREW_REDIS_URL: must end with the name of the set"),
        ({"PREW_SOURCE_PREFIX": "a/b"}, "PREW_SOURCE_PREFIX: "),
        (
            {**SHOP, "PREW_SOURCES__SHOP__BUCKET": "photos"},
            "PREW_SOURCES__SHOP__BUCKET=photos is PREW_SOURCE_BUCKET too: ",
        ),
        (
            {**SHOP, "PREW_PREVIEW_BUCKET": "shop"},
            "PREW_SOURCES__SHOP__BUCKET=shop is PREW_PREVIEW_BUCKET too: their previews would be the same objects",
        ),
        (
            {**SHOP, "PREW_SOURCES__BLOG__BUCKET": "shop", "PREW_SOURCES__BLOG__HOSTS": "blog.test"},
            "PREW_SOURCES__BLOG__BUCKET=shop is PREW_SOURCES__SHOP__BUCKET too: their previews would be",
        ),
        (
            {**SHOP, "PREW_SOURCES__BLOG__BUCKET": "blog", "PREW_SOURCES__BLOG__HOSTS": "blog.test SHOP.test"},
            "PREW_SOURCES__BLOG__HOSTS and PREW_SOURCES__SHOP__HOSTS both have shop.test: a host is of one source",
        ),
        ({"PREW_SOURCES__SHOP__BUCKET": "shop"}, "PREW_SOURCES__SHOP__HOSTS: is required and not set"),
        ({**SHOP, "PREW_SOURCES__SHOP__HOSTS": "a:80"}, "PREW_SOURCES__SHOP__HOSTS: must be names without ports, "),
        ({**SHOP, "PREW_SOURCES__SHOP__KEYS": "a//b"}, "PREW_SOURCES__SHOP__KEYS: must be the beginning of keys such"),
        (
            {**SHOP, "PREW_SOURCES__SHOP__KEYS": "prew"},
            "PREW_SOURCES__SHOP__KEYS=prew/: there are the previews, of PREW_P",
        ),
        (
            {**SHOP, "PREW_SOURCES__SHOP__REGION": "eu-west-1"},
            "PREW_SOURCES__SHOP__REGION: unknown field of a source; the fields are bucket, hosts, keys, presets",
        ),
        (
            {**SHOP, "PREW_SOURCES__SHOP__PRESETS": "card hero"},
            "PREW_SOURCES__SHOP__PRESETS: hero is no preset; the presets are card",
        ),
        (
            {
                **SHOP,
                "PREW_SOURCES__SHOP__PRESETS": "card",
                "PREW_PRESETS__HERO__WIDTH": "9",
                "PREW_PRESETS__CARD__COMPANIONS": "hero",
            },
            "PREW_SOURCES__SHOP__PRESETS: card has the companion hero: name it, too",
        ),
        ({"PREW_SOURCES": "{"}, "PREW_SOURCES: is not valid JSON: "),
        (
            {"PREW_SOURCES__9__BUCKET": "a", "PREW_SOURCES__9__HOSTS": "b"},
            "PREW_SOURCES__9: '9' is not a valid source name: use lower-case letters, digits and single underscores, ",
        ),
        ({"PREW_SOURCE_KEYS": "a//b/"}, "PREW_SOURCE_KEYS: must be the beginning of keys such as wp-content/uploads/"),
        ({"PREW_SOURCE_KEYS": "../a"}, "PREW_SOURCE_KEYS: must be the beginning of keys such as wp-content/uploads/"),
        ({"PREW_SOURCE_KEYS": "a b/"}, "PREW_SOURCE_KEYS: must be the beginning of keys such as wp-content/uploads/"),
        ({"PREW_SOURCE_KEYS": "prew"}, "PREW_SOURCE_KEYS=prew/: there are the previews, of PREW_PREVIEW_PREFIX: move"),
        ({"PREW_SOURCE_KEYS": "prew/x"}, "PREW_SOURCE_KEYS=prew/x/: there are the previews, of PREW_PREVIEW_PREFIX: "),
        ({"PREW_SOURCE_BUCKET": '"photos"'}, "PREW_SOURCE_BUCKET: has quotes around its value"),
        ({"PREW_CACHE_CONTROL": "'no-cache'"}, "PREW_CACHE_CONTROL: has quotes around its value"),
        ({"AWS_REGION": '"eu-west-1"'}, "AWS_REGION: has quotes around its value"),
        ({"PREW_SOURCE_BUCKET": "s3://photos"}, "PREW_SOURCE_BUCKET: must be the bucket's name alone, without an add"),
        (
            {"PREW_SOURCE_BUCKET": "photos/"},
            "PREW_SOURCE_BUCKET: must be the bucket's name alone, without an address, ",
        ),
        ({"PREW_PREVIEW_BUCKET": "photos/prew"}, "PREW_PREVIEW_BUCKET: must be the bucket's name alone, without an a"),
        ({"PREW_LAMBDA_FUNCTION": "https://x.lambda-url.us-east-1.on.aws/"}, "PREW_LAMBDA_FUNCTION: must be the name"),
        (
            {"PREW_LAMBDA_FUNCTION": "resize", "PREW_RESIZER_URL": "http://resizer:8190"},
            "PREW_LAMBDA_FUNCTION and PREW_RESIZER_URL are both set: unset one of them",
        ),
        (
            {"PREW_RESIZER_URL": "resizer:8190"},
            "PREW_RESIZER_URL: must be an address that begins with http:// or https://",
        ),
        (
            {"PREW_RESIZER_URL": "http://u:p@resizer:8190"},
            "PREW_RESIZER_URL: must be an address alone; credentials are",
        ),
        ({"PREW_RESIZER_TOKEN": "hunter2"}, "PREW_RESIZER_TOKEN requires PREW_RESIZER_URL"),
        (
            {"PREW_LAMBDA_FUNCTION": f"{ARN}:eu-west-1:123456789012:function:prew-resize"},
            "PREW_LAMBDA_FUNCTION is in eu-west-1, but AWS_REGION is us-east-1: set AWS_REGION=eu-west-1, or",
        ),
        ({"AWS_ENDPOINT_URL_S3": "minio:9000"}, f"AWS_ENDPOINT_URL_S3: {ADDRESS}"),
        ({"AWS_ENDPOINT_URL_S3": "http://"}, f"AWS_ENDPOINT_URL_S3: {ADDRESS}"),
        ({"AWS_ENDPOINT_URL": "ftp://minio"}, f"AWS_ENDPOINT_URL: {ADDRESS}"),
        ({"AWS_ENDPOINT_URL_LAMBDA": "http://minio:x"}, f"AWS_ENDPOINT_URL_LAMBDA: {ADDRESS}"),
        ({"AWS_ENDPOINT_URL_CLOUDFRONT": "/cloudfront"}, f"AWS_ENDPOINT_URL_CLOUDFRONT: {ADDRESS}"),
        ({"AWS_ENDPOINT_URL_S3": "http://a:b@minio"}, "AWS_ENDPOINT_URL_S3: must be an address alone; credentials are"),
        ({"PREW_CACHE_CONTROL": "a\r\nb"}, "PREW_CACHE_CONTROL: has a character that is invalid in an HTTP header"),
        (
            {"PREW_LOCK_TTL": "10"},
            "PREW_LOCK_TTL=10 must be longer than PREW_INVOKE_TIMEOUT=15: raise the first or lower",
        ),
        ({"PREW_LAMBDA_TIMEOUT": "16"}, "PREW_LAMBDA_TIMEOUT=16 must not be longer than PREW_INVOKE_TIMEOUT=15"),
        (
            {"PREW_PRESETS__CARD__FIT": "contain", "PREW_PRESETS__CARD__POSITION": "entropy"},
            "PREW_PRESETS__CARD: position entropy chooses what to cut, but fit contain cuts nothing",
        ),
        (
            {"PREW_MAX_FLIGHTS": "1", "PREW_RESIZE_WORKERS": "2"},
            "PREW_RESIZE_WORKERS=2 must not be more than PREW_MAX_FLIGHTS=1: lower the first or raise the second",
        ),
        (
            {"PREW_MAX_FLIGHTS": "9", "PREW_MAX_INVOCATIONS": "10", "PREW_LAMBDA_FUNCTION": "resize"},
            "PREW_MAX_INVOCATIONS=10 must not be more than PREW_MAX_FLIGHTS=9: lower the first or raise the second",
        ),
        ({"PREW_PREVIEW_PREFIX": "photo"}, "PREW_PREVIEW_PREFIX=photo must differ from PREW_SOURCE_PREFIX"),
        ({"PREW_LEASE": "31"}, "PREW_LEASE=31 must not be longer than PREW_LOCK_TTL=30"),
        ({"PREW_WAIT_TIMEOUT": "30"}, "PREW_WAIT_TIMEOUT=30 leaves no time for one takeover: set it to 35 or more"),
        ({"PREW_PROXY_READ_TIMEOUT": "45"}, "PREW_PROXY_READ_TIMEOUT=45 must be longer than PREW_WAIT_TIMEOUT=45"),
        (
            {"PREW_PRESETS__CARD__COMPANIONS": "hero"},
            "PREW_PRESETS__CARD__COMPANIONS: name 1 is not another preset; the others are: none",
        ),
        (
            {"PREW_PRESETS__CARD__COMPANIONS": "card", "PREW_PRESETS__HERO__WIDTH": "9"},
            "PREW_PRESETS__CARD__COMPANIONS: name 1 is not another preset; the others are: hero",
        ),
        (
            {"PREW_PRESETS__CARD__COMPANIONS": ",".join(f"p{number}" for number in range(17))},
            "PREW_PRESETS__CARD__COMPANIONS: names 17 presets; the limit is 16",
        ),
        (
            {"PREW_PRESETS": '{"card": {"width": 1, "companions": 5}}'},
            "PREW_PRESETS__CARD__COMPANIONS: should be presets' names, such as card,hero",
        ),
        ({"PREW_FALLBACK_AFTER": "45"}, "PREW_FALLBACK_AFTER=45 must be shorter than PREW_WAIT_TIMEOUT=45: lower"),
        ({"PREW_FALLBACK_AFTER": "-1"}, "PREW_FALLBACK_AFTER: should be greater than or equal to 0, but is '-1'"),
        ({"AWS_REGION": "eu_central_1"}, "AWS_REGION: must be a region, such as eu-central-1"),
        ({"AWS_SESSION_TOKEN": "token\n"}, "AWS_SESSION_TOKEN: has a line break or another control character"),
        ({"PREW_HOST": "[::1]:8180"}, "PREW_HOST: must be an IP address, without brackets and port, or a host's name"),
        ({"PREW_HOST": "a..b"}, "PREW_HOST: must be an IP address"),
        (
            {"PREW_HOSTS": "a.test:8180"},
            "PREW_HOSTS: must be names without ports, separated by spaces, such as images.",
        ),
        ({"PREW_HOSTS": "a.test,b.test"}, "PREW_HOSTS: must be names without ports, separated by spaces"),
        ({"PREW_HOSTS": " "}, "PREW_HOSTS: must be names without ports, separated by spaces"),
        ({"PREW_PURGES": "cloudfront"}, "PREW_PURGES: cache 1 is none: write cloudfront:DISTRIBUTION"),
        ({"PREW_PURGES": "nginx nginx:host:0"}, "PREW_PURGES: cache 2 is none"),
        ({"PREW_PURGES": "akamai:1"}, "PREW_PURGES: "),
        ({"PREW_PURGES": "fastly:S1"}, "PREW_PURGES names fastly, which needs PREW_FASTLY_TOKEN: set that"),
        ({"PREW_CLOUDFLARE_TOKEN": "secret"}, "PREW_CLOUDFLARE_TOKEN requires cloudflare in PREW_PURGES"),
        ({"PREW_LOKC_TTL": "5"}, "PREW_LOKC_TTL: unknown setting; did you mean PREW_LOCK_TTL?"),
        ({"PREW_PRESET__CARD__WIDTH": "5"}, "PREW_PRESET__CARD__WIDTH: unknown setting; did you mean PREW_PRESETS?"),
        ({"PREW_ZZZZZZZZ": "5"}, "PREW_ZZZZZZZZ: unknown setting; remove it"),
    ],
)
@pytest.mark.fault("settings-invalid")
def test_a_wrong_setting_is_one_line(read: Read, variables: dict[str, str], line: str) -> None:
    lines = _lines(read, **(GOOD | variables))

    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "\n" not in lines[0]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PREW_REDIS_URL", '"redis://:hunter2@host:6379/0"'),
        ("PREW_REDIS_URL", "redis://:hunter2@host:port/0"),
        ("PREW_REDIS_URL", "hunter2"),
        ("PREW_REDIS_PASSWORD_FILE", "hunter2"),
        ("AWS_ENDPOINT_URL_S3", "http://user:hunter2@host"),
        ("AWS_ENDPOINT_URL_S3", "user:hunter2@host"),
        ("AWS_SECRET_ACCESS_KEY", "'hunter2'"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "user:hunter2@collector"),
        ("PREW_HUNTER", "hunter2"),
    ],
)
@pytest.mark.fault("secret-in-setting")
def test_a_wrong_setting_that_may_hold_a_secret_is_not_repeated(read: Read, variable: str, value: str) -> None:
    lines = _lines(read, **(GOOD | {variable: value}))

    assert len(lines) == 1
    assert lines[0].startswith(f"{variable}: ")
    assert "hunter2" not in lines[0]


VARIABLES = sorted(
    {
        str(each)
        for name, field in Settings.model_fields.items()
        for each in (
            field.validation_alias.choices
            if isinstance(field.validation_alias, AliasChoices)
            else [f"PREW_{name.upper()}"]
        )
    }
    | {f"PREW_PRESETS__CARD__{name.upper()}" for name in definitions(Preset)}
    | {"PREW_PRESETS__CARD", "PREW_UNKNOWN", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_CLOUDFRONT"}
)


PASSWORDS = [
    "hunter2",
    "redis://:hunter2@host:port/0",
    "https://user:hunter2@host\t/?key=hunter2#hunter2",
    '{"card": {"fit": "hunter2"}}',
    '["hunter2"]',
    '"hunter2"',
]


@contextlib.contextmanager
def _printing_no_password() -> Iterator[None]:
    try:
        yield
    except InvalidSettings as error:
        assert "hunter2" not in str(error)  # noqa: PT017 -- raised again
        raise


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.fault("secret-in-setting")
def test_no_setting_repeats_a_password(read: Read, variable: str) -> None:
    for value in PASSWORDS:
        # Some of them are valid, and print nothing.
        with contextlib.suppress(InvalidSettings), _printing_no_password():
            read(**(GOOD | {variable: value}))


@pytest.mark.parametrize("host", ["::", "fe80::1%eth0", "127.0.0.1", "localhost", "my_host.example.com"])
def test_valid_hosts(read: Read, host: str) -> None:
    assert read(**GOOD, PREW_HOST=host).host == host


@pytest.mark.parametrize("name", ["photos", "my.photos-2", "Old_Bucket", "123"])
def test_valid_bucket_names(read: Read, name: str) -> None:
    assert read(**(GOOD | {"PREW_SOURCE_BUCKET": name})).source_bucket == name


@pytest.mark.parametrize("function", ["prew-resize", "prew-resize:live", f"{ARN}:us-east-1:123456789012:function:f:1"])
def test_a_function_has_a_name_or_an_arn_of_the_region(read: Read, function: str) -> None:
    assert read(**GOOD, PREW_LAMBDA_FUNCTION=function).lambda_function == function


def test_an_emulated_function_has_an_arn_of_any_region(read: Read) -> None:
    arn = f"{ARN}:eu-west-1:123456789012:function:f"
    assert read(**GOOD, PREW_LAMBDA_FUNCTION=arn, AWS_ENDPOINT_URL_LAMBDA="http://lambda").lambda_function == arn


def test_an_empty_endpoint_is_an_unset_one_for_the_sdk_too(read: Read) -> None:
    settings = read(**GOOD, AWS_ENDPOINT_URL_S3="", AWS_ENDPOINT_URL="http://all/", AWS_SESSION_TOKEN="")

    assert settings.s3_endpoint == settings.lambda_endpoint == "http://all"
    assert {name for name in os.environ if name.startswith("AWS_")} == {"AWS_ENDPOINT_URL"}


@pytest.mark.fault("service-links")
@pytest.mark.parametrize("service", ["PREW", "PREW_REDIS", "PREW_NGINX", "PREW_PRESETS"])
def test_service_links_of_kubernetes_are_no_settings(read: Read, service: str) -> None:
    links = {
        f"{service}_PORT": "tcp://10.0.0.1:6379",
        f"{service}_PORT_6379_TCP": "tcp://10.0.0.1:6379",
        f"{service}_PORT_6379_TCP_ADDR": "10.0.0.1",
        f"{service}_PORT_6379_TCP_PORT": "6379",
        f"{service}_PORT_6379_TCP_PROTO": "tcp",
        f"{service}_SERVICE_HOST": "10.0.0.1",
        f"{service}_SERVICE_PORT": "6379",
        f"{service}_SERVICE_PORT_REDIS": "6379",
    }

    assert read(**GOOD, **links).port == 8180


@pytest.mark.parametrize(
    ("endpoint", "namespace"),
    [
        ("", "photos"),
        ("https://s3.eu-west-1.amazonaws.com", "photos"),
        ("https://bucket.vpce-1.s3.cn-north-1.vpce.amazonaws.com.cn", "photos"),
        ("http://minio:9000/", "photos@minio:9000"),
        ("https://amazonaws.com.example.org", "photos@amazonaws.com.example.org"),
    ],
)
@pytest.mark.fault("two-sites-one-redis")
def test_a_bucket_of_another_s3_has_other_names_in_redis(read: Read, endpoint: str, namespace: str) -> None:
    assert read(**GOOD, AWS_ENDPOINT_URL_S3=endpoint).namespace == namespace


def test_two_wrong_settings_are_two_lines(read: Read) -> None:
    lines = _lines(read, **GOOD, PREW_PORT="0", PREW_LEASE="-1")

    assert [line.partition(":")[0] for line in lines] == ["PREW_PORT", "PREW_LEASE"]


def _parsed(**fields: Any) -> Preset:
    return Settings.model_validate({"source_bucket": "b", "presets": {"card": fields}}).presets["card"]


@pytest.mark.parametrize("dpr", ["1", "5", "2,x", "2;3", "1.5", [2, 5], True, {"2": 3}, "2,"])
def test_densities_other_than_2_3_and_4_are_refused(dpr: object) -> None:
    with pytest.raises(ValidationError, match="should be one or more of 2, 3 and 4"):
        _parsed(width=1, dpr=dpr)


@pytest.mark.parametrize("dpr", ["3,2", "2, 3", [2, 3, 2], ["3", "2"], (2, 3)])
def test_densities_may_be_written_in_several_ways(dpr: object) -> None:
    assert _parsed(width=1, dpr=dpr).dpr == (2, 3)


def test_each_kind_of_failure_stays_cached_for_its_time(read: Read) -> None:
    times = lifetimes(read(**GOOD, PREW_MISSING_TTL="6", PREW_REJECTED_TTL="8", PREW_TRANSIENT_TTL="9")).by_kind

    assert (times["missing"], times["hidden"]) == (6, 1)
    assert {times[kind] for kind in ("unsupported", "corrupt", "too_large", "crashed")} == {8}
    assert {times[kind] for kind in ("throttled", "timeout", "failed", "storage")} == {9}


@pytest.mark.parametrize("name", ["a", "card", "card_2", "a_", "x" * 32])
def test_valid_preset_names(name: str) -> None:
    assert name in Settings(source_bucket="b", presets={name: Preset(width=1)}).presets


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a__b", "a-b", "a b", "a/b", "é", "x" * 33, "a\n"])
def test_invalid_preset_names(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings(source_bucket="b", presets={name: Preset(width=1)})


@pytest.mark.fault("two-sites-one-redis")
def test_replicas_with_their_variables_in_another_order_are_one_site(read: Read) -> None:
    bucket = {"PREW_SOURCE_BUCKET": "photos"}
    card, thumb = {"PREW_PRESETS__CARD__WIDTH": "720"}, {"PREW_PRESETS__THUMB__WIDTH": "200"}
    exchanged = {"PREW_PRESETS__CARD__WIDTH": "200", "PREW_PRESETS__THUMB__WIDTH": "720"}

    assert read(**bucket, **card, **thumb).site == read(**bucket, **thumb, **card).site
    assert read(**bucket, **card, **thumb).site != read(**bucket, **exchanged).site


NEWER = {
    "PREW_BANDWIDTH": "7",
    "PREW_LEASES__NEW": "1",
    "PREW_PRESETS": json.dumps({"card": {"tone": "warm"}, "wide": {"height": 50, "halo": 3}}),
    "PREW_PRESETS__CARD__GLOW": "2",
}


def test_what_a_newer_version_knows_stops_the_start_by_default(read: Read) -> None:
    lines = _lines(read, **GOOD, **NEWER)

    assert [line.split(":")[0] for line in lines] == ["PREW_BANDWIDTH", "PREW_LEASES__NEW"]
    assert ignored_settings() == []


def test_without_strict_it_is_ignored_and_named_and_everything_else_holds(read: Read) -> None:
    settings = read(**GOOD, **NEWER, PREW_STRICT="false")

    assert settings.presets == {"card": Preset(width=720), "wide": Preset(height=50)}
    assert ignored_settings() == [
        "PREW_BANDWIDTH: unknown setting; ignored",
        "PREW_LEASES__NEW: unknown setting; did you mean PREW_LEASE?; ignored",
        "preset card, field glow: unknown; ignored",
        "preset card, field tone: unknown; ignored",
        "preset wide, field halo: unknown; ignored",
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"PREW_PRESETS__CARD__FORMAT": "jxl"},
        {"PREW_PRESETS__CARD": "5"},
        {"PREW_PRESETS__NEW__GLOW": "2"},
        {"PREW_LEASE": "soon"},
        {"PREW_BANDWIDTH": "7", "PREW_STRICT": "perhaps"},
    ],
)
def test_a_value_that_is_not_understood_stops_the_start_without_strict_too(
    read: Read, variables: dict[str, str]
) -> None:
    """There is nothing to take in its place, and a preview of another definition would be stored under the name."""
    assert _lines(read, **{"PREW_STRICT": "false", **GOOD, **variables})
