"""Credentials from the SDK's chain, in the service's S3 client and in the function's."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from devstack.backends import S3, s3_client
from lambda_resize import credentials as function_credentials
from lambda_resize.credentials import SdkCredentials as FunctionCredentials
from lambda_resize.errors import Unauthenticated
from lambda_resize.storage import Storage
from prewmanager.adapters.aws import credentials as service_credentials
from prewmanager.adapters.aws.credentials import SdkCredentials
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.errors import StorageFailed
from tests.support.serving import QuietHandler, serving_http

KEY = "prew/card/profile.jpg"


@pytest.fixture(name="profile")
def _profile(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file with a profile, nothing in the environment but its name, and an object to read."""
    s3_client(s3).put_object(Bucket=s3.bucket, Key=KEY, Body=b"picture")
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_PROFILE", "photos")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint)
    monkeypatch.setenv("AWS_REGION", s3.region)
    _write(path, s3.access_key, s3.secret_key)
    return path


def _write(path: Path, access_key: str, secret_key: str) -> None:
    keys = f"aws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n" if access_key else ""
    path.write_text(f"[photos]\n{keys}")


def _store(s3: S3) -> S3PreviewStore:
    bucket = s3_store(s3.bucket, region=s3.region, endpoint_url=s3.endpoint, timeout_s=2)
    return S3PreviewStore(bucket, max_body_bytes=1000)


@pytest.mark.usefixtures("profile")
@pytest.mark.fault("credentials-elsewhere")
async def test_the_service_reads_with_a_profile(s3: S3) -> None:
    found = await _store(s3).find(KEY)
    await _store(s3).ping()

    assert found is not None
    assert found.body == b"picture"


@pytest.mark.usefixtures("profile")
@pytest.mark.fault("credentials-elsewhere")
def test_the_function_reads_with_a_profile(s3: S3) -> None:
    assert Storage.from_environment(os.environ).read(s3.bucket, KEY, 100).data == b"picture"


@pytest.mark.fault("credentials-elsewhere")
async def test_a_rotated_profile_is_read_again(profile: Path) -> None:
    service, function = SdkCredentials(), FunctionCredentials()
    before = (await service(), function())
    _write(profile, "rotated", "rotated")
    after = (await service(), function())

    assert {each["access_key_id"] for each in before} == {"local-access"}
    assert {each["access_key_id"] for each in after} == {"rotated"}


@pytest.mark.fault("credentials-elsewhere")
async def test_rotated_credentials_are_found_without_a_restart(
    s3: S3, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (service_credentials, function_credentials):
        monkeypatch.setattr(module, "_LIFE", timedelta(0))  # obstore asks for new ones with each request
    _write(profile, "nobody", "nothing")
    store, storage = _store(s3), Storage.from_environment(os.environ)
    with pytest.raises(StorageFailed):
        await store.find(KEY)
    with pytest.raises(Unauthenticated):
        storage.read(s3.bucket, KEY, 100)
    _write(profile, s3.access_key, s3.secret_key)

    assert await store.find(KEY) is not None
    assert storage.read(s3.bucket, KEY, 100).data == b"picture"


@pytest.mark.usefixtures("profile")
@pytest.mark.fault("credentials-elsewhere")
@pytest.mark.parametrize("in_file", [False, True])
def test_the_function_reads_with_credentials_from_a_containers_address(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, in_file: bool
) -> None:
    """Their token is in a variable in Lambda's SnapStart, and in a file in EKS."""
    asked: list[str | None] = []

    class Credentials(QuietHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            given = {"AccessKeyId": s3.access_key, "SecretAccessKey": s3.secret_key, "Token": ""}
            body = json.dumps(given | {"Expiration": "2099-01-01T00:00:00Z"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    (tmp_path / "token").write_text("the-token")
    name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" if in_file else "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    monkeypatch.setenv(name, str(tmp_path / "token") if in_file else "the-token")
    with serving_http(Credentials) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/creds")
        read = Storage.from_environment(os.environ).read(s3.bucket, KEY, 100)

    assert read.data == b"picture"
    assert set(asked) == {"the-token"}


@pytest.mark.fault("credentials-elsewhere")
async def test_no_credentials_anywhere_are_a_storage_failure(s3: S3, profile: Path) -> None:
    _write(profile, "", "")
    with pytest.raises(StorageFailed, match=r"Unable to locate credentials|NoCredentials"):
        await _store(s3).find(KEY)
    with pytest.raises(Unauthenticated):
        Storage.from_environment(os.environ).read(s3.bucket, KEY, 100)


async def test_credentials_of_the_environment_are_not_read_again(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)

    assert (await SdkCredentials()())["expires_at"] is None
