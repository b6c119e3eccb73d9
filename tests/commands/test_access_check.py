"""`doctor` knows what nginx closes, and whether it does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.nginx_server import Nginx, start_nginx
from prewmanager.commands.checks import Finding, State
from prewmanager.commands.checks.bucket import Sample
from prewmanager.commands.checks.request_path import check_request_path
from prewmanager.config.settings import Settings
from prewmanager_presets import Preset
from tests.nginx.recorder import Reply, recording

KEYS = f"2026-11:{'s' * 40}\n"
SETTINGS = Settings(source_bucket="photos", presets={"large": Preset(width=1600)})
SAMPLES = Sample("photo/a b.jpg", ""), Sample("prew/large@2x/a b.jpg", "")


@pytest.fixture(scope="module", name="keys_file")
def _keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(KEYS)
    return path


@pytest.fixture(scope="module", name="signing")
def _signing(keys_file: Path) -> dict[str, str]:
    return {"PREW_NGINX_SIGNED": "large photo", "PREW_NGINX_SIGNING_KEYS_FILE": str(keys_file)}


@pytest.fixture(scope="module", name="closed")
def _closed(tmp_path_factory: pytest.TempPathFactory, signing: dict[str, str]) -> Iterator[Nginx]:
    """Nginx where photos and the preset large need a signature."""
    with recording("bucket") as bucket, recording("service") as service:
        bucket.respond = lambda _: Reply(200, b"it")
        usual = {"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": service.address}
        folder = tmp_path_factory.mktemp("nginx")
        nginx = start_nginx(folder, {**usual, **signing, "PREW_NGINX_S3_SCHEME": "http"})
        yield nginx
        nginx.program.stop()


def examine(nginx: Nginx, **variables: str) -> list[Finding]:
    """Return the findings about the photo and the preview, for a command with these variables."""
    _, photo, preview, *_ = asyncio.run(check_request_path(nginx.url, SAMPLES, SETTINGS, variables))
    return [photo, preview]


def test_what_nginx_closes_is_asked_for_with_a_signature(closed: Nginx, signing: dict[str, str]) -> None:
    assert [each.state for each in examine(closed, **signing)] == [State.OK, State.OK]


def test_a_command_without_nginxs_variables_says_which(closed: Nginx) -> None:
    findings = examine(closed)

    assert {each.state for each in findings} == {State.FAILED}
    assert all("PREW_NGINX_SIGNING_KEYS_FILE" in each.fix for each in findings)


@pytest.mark.parametrize("text", [None, "x"])
def test_a_keys_file_that_cannot_be_read_is_reported_by_name(
    closed: Nginx, signing: dict[str, str], tmp_path: Path, text: str | None
) -> None:
    if text:
        (tmp_path / "keys").write_text(text)

    findings = examine(closed, **signing | {"PREW_NGINX_SIGNING_KEYS_FILE": str(tmp_path / "keys")})

    assert all(each.detail.startswith("PREW_NGINX_SIGNING_KEYS_FILE: ") for each in findings)


def test_another_key_than_nginxs_is_reported(closed: Nginx, signing: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEYS.replace("s" * 40, "t" * 40))

    findings = examine(closed, **signing | {"PREW_NGINX_SIGNING_KEYS_FILE": str(tmp_path / "keys")})

    assert {each.state for each in findings} == {State.FAILED}


def test_what_should_be_closed_and_is_open_is_reported(tmp_path: Path, signing: dict[str, str]) -> None:
    with recording("bucket") as bucket, recording("service") as service:
        bucket.respond = lambda seen: Reply(404 if "/photo/" in seen.target else 200)
        usual = {"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": service.address}
        nginx = start_nginx(tmp_path, {**usual, "PREW_NGINX_S3_SCHEME": "http"})
        try:
            photo, preview = examine(nginx, **signing)
            closed_photo, open_preview = examine(nginx, PREW_NGINX_PHOTOS="off")
        finally:
            nginx.program.stop()

    assert (photo.state, preview.state) == (State.FAILED, State.FAILED)
    assert "PREW_NGINX_SIGNED=large closes it, but nginx answers 200" in preview.detail
    assert (closed_photo.state, closed_photo.detail) == (State.OK, "closed by PREW_NGINX_PHOTOS=off")
    assert open_preview.state is State.OK
