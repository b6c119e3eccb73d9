"""The settings of `make up`, and the environment of each program."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.backends import S3
from devstack.environments import function_environment, nginx_variables, service_environment
from devstack.local_settings import LocalSettingsError, make_env_file, read_local_settings
from devstack.programs import Program


@pytest.fixture(name="env_file")
def _env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text("PREW_PRESETS__THUMB__WIDTH=200\nPREW_LOCAL_PORT=9000\nAWS_PROFILE=work\n")
    return path


def test_the_process_environment_overrides_the_file(env_file: Path) -> None:
    settings = read_local_settings(env_file, {"PREW_PRESETS__THUMB__WIDTH": "120"})

    assert settings.environment["PREW_PRESETS__THUMB__WIDTH"] == "120"
    assert settings.port == 9000


def test_defaults_without_any_variable(tmp_path: Path) -> None:
    settings = read_local_settings(tmp_path / "none", {})

    assert (settings.port, settings.replicas, settings.photos) == (8080, 2, None)
    assert (settings.redis_url, settings.function, settings.s3_delay_s) == (None, "prew-resize", None)


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("0", 0.0), ("0.3", 0.3), ("15", 15.0)])
def test_the_delay_of_s3_is_a_number_of_seconds(tmp_path: Path, text: str, seconds: float | None) -> None:
    assert read_local_settings(tmp_path / "none", {"PREW_LOCAL_S3_DELAY": text}).s3_delay_s == seconds


@pytest.mark.parametrize("text", ["-1", "300ms", "1e3", "inf", "nan", "100", "٣"])
def test_another_delay_is_an_error_that_names_the_variable(tmp_path: Path, text: str) -> None:
    with pytest.raises(LocalSettingsError, match=r"^PREW_LOCAL_S3_DELAY is not a number of seconds below 100"):
        read_local_settings(tmp_path / "none", {"PREW_LOCAL_S3_DELAY": text})


def test_a_dollar_sign_in_a_value_is_kept(env_file: Path) -> None:
    env_file.write_text("""PREW_PRESETS='{"thumb": {"width": 200}}'\nPREW_CACHE_CONTROL=a${HOME}b\n""")
    environment = read_local_settings(env_file, {}).environment

    assert environment == {"PREW_PRESETS": '{"thumb": {"width": 200}}', "PREW_CACHE_CONTROL": "a${HOME}b"}


def test_no_aws_variable_of_the_developer_is_passed_on(env_file: Path) -> None:
    environment = read_local_settings(env_file, {"AWS_SESSION_TOKEN": "real", "LANG": "C.UTF-8"}).environment

    assert not [name for name in environment if name.startswith(("AWS_", "PREW_LOCAL_"))]
    assert environment["LANG"] == "C.UTF-8"


@pytest.mark.parametrize(
    "variables",
    [
        {"PREW_LOCAL_PORT": "http"},
        {"PREW_LOCAL_PORT": "0"},
        {"PREW_LOCAL_PORT": "70000"},
        {"PREW_LOCAL_REPLICAS": "-1"},
        {"PREW_LOCAL_PHOTOS": "/no/such/folder"},
    ],
)
def test_an_invalid_value_is_reported_with_its_variable(env_file: Path, variables: dict[str, str]) -> None:
    (setting,) = variables.items()
    with pytest.raises(LocalSettingsError, match=f"^{setting[0]}[ =]"):
        read_local_settings(env_file, variables)


def test_env_is_copied_once_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("A=1\n")
    made = make_env_file(tmp_path)
    (tmp_path / ".env").write_text("A=2\n")
    made_again = make_env_file(tmp_path)

    assert (made, made_again) == (True, False)
    assert (tmp_path / ".env").read_text() == "A=2\n"


@pytest.fixture(name="some_s3")
def _some_s3(tmp_path: Path) -> S3:
    program = Program("s3", ["true"], tmp_path / "log")
    program.wait_done()
    return S3(program, 1234, "photos")


def test_the_service_gets_the_users_settings_and_the_systems_addresses(env_file: Path, some_s3: S3) -> None:
    settings = read_local_settings(env_file, {"PREW_PORT": "1", "PREW_LOG_LEVEL": "debug"})
    environment = service_environment(settings, port=4321, redis_url="redis://127.0.0.1:5/0", s3=some_s3)

    assert (environment["PREW_LOG_LEVEL"], environment["PREW_PRESETS__THUMB__WIDTH"]) == ("debug", "200")
    assert (environment["PREW_PORT"], environment["PREW_HOST"]) == ("4321", "127.0.0.1")
    assert environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1234"
    assert environment["PREW_SOURCE_BUCKET"] == "photos"


def test_an_empty_function_name_means_worker_processes(env_file: Path, some_s3: S3) -> None:
    settings = read_local_settings(env_file, {"PREW_LAMBDA_FUNCTION": "", "PREW_REDIS_URL": ""})
    environment = service_environment(settings, port=1, redis_url=settings.redis_url or "", s3=some_s3)

    assert (settings.function, settings.redis_url) == ("", "")
    assert (environment["PREW_LAMBDA_FUNCTION"], environment["PREW_REDIS_URL"]) == ("", "")
    assert "AWS_ENDPOINT_URL_LAMBDA" not in environment


def test_functions_get_credentials_and_of_the_service_only_prefixes_and_address(env_file: Path, some_s3: S3) -> None:
    settings = read_local_settings(env_file, {"RESIZE_MAX_DATA_BYTES": "100"})
    environment = function_environment(settings, some_s3, 8001)

    assert (environment["RESIZE_MAX_DATA_BYTES"], environment["AWS_ACCESS_KEY_ID"]) == ("100", some_s3.access_key)
    prefixes = {name: value for name, value in environment.items() if name.startswith("PREW_")}
    assert prefixes == {
        "PREW_SOURCE_KEYS": "photo/",
        "PREW_PREVIEW_PREFIX": "prew",
        "PREW_SERVICE_URL": "http://127.0.0.1:8001",
    }


def test_libvips_has_one_thread_unless_the_user_says_otherwise(env_file: Path, some_s3: S3) -> None:
    default, own = read_local_settings(env_file, {}), read_local_settings(env_file, {"VIPS_CONCURRENCY": "2"})

    assert [function_environment(each, some_s3, 1)["VIPS_CONCURRENCY"] for each in (default, own)] == ["1", "2"]
    services = [service_environment(each, port=1, redis_url="", s3=some_s3) for each in (default, own)]
    assert [each["VIPS_CONCURRENCY"] for each in services] == ["1", "2"]


def test_nginx_gets_all_replicas_the_bucket_and_the_users_variables(env_file: Path, some_s3: S3) -> None:
    settings = read_local_settings(env_file, {"PREW_NGINX_CACHE": "on", "PREW_NGINX_S3_SERVER": "elsewhere:443"})
    variables = nginx_variables(settings, some_s3, [5001, 5002], "/www")

    assert variables["PREW_NGINX_SERVICES"] == "127.0.0.1:5001 127.0.0.1:5002"
    assert (variables["PREW_NGINX_S3_SERVER"], variables["PREW_NGINX_BUCKET_PATH"]) == ("127.0.0.1:1234", "/photos")
    assert variables["PREW_NGINX_CACHE"] == "on"
