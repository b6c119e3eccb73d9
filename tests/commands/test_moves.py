"""Previews are copied to other keys, as docs/how-to/rename-or-move.md describes, and none is rendered again."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis

from devstack.backends import Redis, s3_client
from devstack.nginx_server import start_nginx
from devstack.programs import LOOPBACK
from tests.commands.conftest import Shop
from tests.support.asking import ask
from tests.support.gated_lambda import GatedLambda

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rename-or-move.md"
NAMES = ("a.jpg", "b/c d.jpg")


@pytest.fixture(name="made")
async def _made(shop: Shop, function: GatedLambda) -> None:
    """Photos, and their previews in card as the resize function stores them: with their photo's ETag."""
    shop.put(*(f"photo/{name}" for name in NAMES))
    await shop.run_beside("warm", "card")
    assert function.calls == len(NAMES)
    for name in NAMES:
        etag = shop.client.head_object(Bucket=shop.bucket, Key=f"photo/{name}")["ETag"].strip('"')
        preview = {"Bucket": shop.bucket, "Key": f"prew/card/{name}"}
        metadata = {**shop.client.head_object(**preview)["Metadata"], "source-etag": etag}
        shop.client.copy_object(**preview, CopySource=preview, MetadataDirective="REPLACE", Metadata=metadata)


def _copy(shop: Shop, source: str, target: str, bucket: str = "") -> None:
    for key in shop.keys(source):
        shop.client.copy_object(
            Bucket=bucket or shop.bucket,
            Key=key.replace(source, target, 1),
            CopySource={"Bucket": shop.bucket, "Key": key},
        )


@pytest.mark.usefixtures("made")
async def test_a_renamed_presets_copies_are_what_would_be_rendered(shop: Shop) -> None:
    _copy(shop, "prew/card/", "prew/teaser/")
    shop.environment["PREW_PRESETS__TEASER__WIDTH"] = shop.environment.pop("PREW_PRESETS__CARD__WIDTH")
    report = await shop.run_beside("stale", "teaser")
    gaps = (await shop.run_beside("warm", "teaser", "--dry-run"))["presets"]
    await shop.run_beside("purge", "card", "--orphans", "--yes")

    assert report["left"] == 0
    assert [(each["stored"], each["missing"]) for each in gaps] == [(len(NAMES), 0)]
    assert shop.keys("prew/") == {f"prew/teaser/{name}" for name in NAMES}


@pytest.mark.usefixtures("made")
async def test_previews_under_the_former_prefix_go_after_their_copies_were_made(
    shop: Shop, redis_server: Redis
) -> None:
    """A minute after whatever used the prefix; here, the key that says so goes at once."""
    _copy(shop, "prew/", "img/")
    shop.environment["PREW_PREVIEW_PREFIX"] = "img"
    report = await shop.run_beside("stale")
    refused = shop.run("purge", "--former-prefix", "prew", "--yes")
    with BlockingRedis.from_url(redis_server.url) as redis:
        redis.delete(*redis.keys(f"prew:site:{shop.namespace}/prew/*"))
    purged = await shop.run_beside("purge", "--former-prefix", "prew", "--yes")

    assert (report["left"], report["presets"][0]["previews"]) == (0, len(NAMES))
    assert (refused.returncode, "within the last minute" in refused.stderr) == (2, True)
    assert [(each["preset"], each["previews"], each["kept"]) for each in purged["presets"]] == [("card", len(NAMES), 0)]
    assert shop.keys("prew/") == set()
    assert shop.keys("img/") == {f"img/card/{name}" for name in NAMES}


@pytest.mark.usefixtures("made")
async def test_after_a_bucket_has_moved_only_photos_with_other_etags_are_rendered_again(
    shop: Shop, function: GatedLambda
) -> None:
    """S3 computes another ETag for a photo that a copy uploads in parts."""
    moved = f"{shop.bucket}-moved"
    client = s3_client(shop.s3)
    client.create_bucket(Bucket=moved)
    _copy(shop, "", "", moved)
    key = {"Bucket": moved, "Key": f"photo/{NAMES[0]}"}
    upload = client.create_multipart_upload(**key)["UploadId"]
    part = client.upload_part(**key, UploadId=upload, PartNumber=1, Body=shop.read(key["Key"]))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)
    report = await shop.run_beside("stale", exit_code=1, PREW_SOURCE_BUCKET=moved)
    repaired = await shop.run_beside("stale", "--fix", PREW_SOURCE_BUCKET=moved)
    client.close()

    found = [(each["key"], each["reason"]) for each in report["stale"]]
    assert found == [(f"prew/card/{NAMES[0]}", "photo_changed")]
    assert (repaired["done"], repaired["left"], function.calls) == ({"made": 1}, 0, len(NAMES) + 1)


def test_the_pages_location_redirects_every_variant_of_the_old_name_and_no_other_preset(tmp_path: Path) -> None:
    location = re.search(r"^       location .*?^       }\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert location is not None
    variables = {"PREW_NGINX_S3_SERVER": f"{LOOPBACK}:1", "PREW_NGINX_S3_SCHEME": "http"}
    variables["PREW_NGINX_SERVICES"] = f"{LOOPBACK}:1"
    nginx = start_nginx(tmp_path, variables, locations={"renamed": textwrap.dedent(location[0])})
    try:
        answers = [
            ask(nginx.port, path)
            for path in (
                "/prew/card/a/b.jpg?v=2",
                "/prew/card@2x.webp/a.jpg",
                "/prew/cards/a.jpg",
                "/prew/card_wide/a.jpg",
            )
        ]
    finally:
        nginx.program.stop()

    assert [answer.status for answer in answers] == [301, 301, 502, 502]
    assert [answer.headers.get("Location") for answer in answers] == [
        "/prew/teaser/a/b.jpg?v=2",
        "/prew/teaser@2x.webp/a.jpg",
        None,
        None,
    ]
