"""The function's environment variables."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lambda_resize.settings import Limits, Settings, SettingsError, unset_empty_variables


def test_defaults_need_no_variable() -> None:
    limits = Limits(64 * 1024 * 1024, 150_000_000, 100_000_000, 15)
    expected = Settings(limits, 4_400_000, None, allow_svg=False, allow_pdf=False)
    assert Settings.from_environment({}) == expected
    assert Settings.from_environment({"RESIZE_MAX_DATA_BYTES": "", "RESIZE_OBJECT_ACL": ""}) == expected


def test_each_variable_sets_its_own_field() -> None:
    environ = {
        "RESIZE_MAX_SOURCE_BYTES": "1",
        "RESIZE_MAX_SOURCE_PIXELS": "2",
        "RESIZE_MAX_DATA_BYTES": "3",
        "RESIZE_OBJECT_ACL": "public-read",
        "RESIZE_MAX_FRAME_PIXELS": "4",
        "RESIZE_MAX_SECONDS": "5",
        "RESIZE_ALLOW_SVG": "true",
        "RESIZE_ALLOW_PDF": "true",
        "RESIZE_EXTENSION": "false",
    }
    expected = Settings(Limits(1, 2, 4, 5), 3, "public-read", allow_svg=True, allow_pdf=True, extension=False)
    assert Settings.from_environment(environ) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RESIZE_MAX_SOURCE_BYTES", "64M"),
        ("RESIZE_MAX_SOURCE_PIXELS", "0"),
        ("RESIZE_MAX_DATA_BYTES", "-1"),
        ("RESIZE_MAX_DATA_BYTES", "²"),
        ("RESIZE_OBJECT_ACL", "public"),
        ("RESIZE_MAX_SECONDS", "0.5"),
        ("RESIZE_ALLOW_SVG", "yes please"),
        ("RESIZE_ALLOW_PDF", "2"),
        ("AWS_ENDPOINT_URL_S3", "minio:9000"),
        ("AWS_ENDPOINT_URL", "http://"),
        ("AWS_ENDPOINT_URL", "http://minio:port"),
    ],
)
def test_a_wrong_value_is_an_error_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings.from_environment({name: value})


@pytest.mark.parametrize("name", ["RESIZE_MAX_SECONDS", "RESIZE_OBJECT_ACL", "RESIZE_ALLOW_SVG", "RESIZE_DECODER"])
def test_a_wrong_value_is_not_repeated(name: str) -> None:
    """It may be a password in the wrong place."""
    with pytest.raises(SettingsError) as failed:
        Settings.from_environment({name: "pa55-word"})
    assert "pa55" not in str(failed.value)


@pytest.mark.fault("settings-invalid")
def test_an_invalid_value_fails_the_import_of_the_handler() -> None:
    """So that Lambda reports it before the first invocation."""
    environ = os.environ | {"RESIZE_MAX_DATA_BYTES": "many"}
    started = subprocess.run(
        [sys.executable, "-c", "import lambda_resize.handler"], env=environ, capture_output=True, text=True, check=False
    )
    assert started.returncode != 0
    assert "RESIZE_MAX_DATA_BYTES: not a whole number" in started.stderr


def test_empty_variables_of_the_sdk_count_as_unset() -> None:
    """The SDK and obstore would take an empty endpoint for an address."""
    environ = {"AWS_ENDPOINT_URL_S3": "", "AWS_SESSION_TOKEN": "", "AWS_ENDPOINT_URL": "http://s3", "OTHER": ""}
    Settings.from_environment(environ)
    unset_empty_variables(environ)
    assert environ == {"AWS_ENDPOINT_URL": "http://s3", "OTHER": ""}
