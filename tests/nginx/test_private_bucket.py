"""A bucket that requires signed requests, which nginx's njs module signs, on a real S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.backends import S3, let_read, s3_client
from devstack.bucket import Bucket
from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder
from tests.support.asking import ask, lazily, strictly

BUCKET = "private"
KEYS = ["photo/a.jpg", "photo/a b+c%20d.jpg", "photo/ключ/クズ箱 (1)'!*=@:,;&$~.jpg", 'photo/100%/#?"[x].jpg']


@pytest.fixture(scope="module", name="credentials")
def _credentials(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The credentials file for nginx, in the form of `aws configure export-credentials`."""
    path = tmp_path_factory.mktemp("credentials") / "s3.json"
    path.write_text(json.dumps({"Version": 1, "AccessKeyId": s3.access_key, "SecretAccessKey": s3.secret_key}))
    return path


@pytest.fixture(name="as_it_was")
def _as_it_was(credentials: Path) -> Iterator[Path]:
    """The same file, which a test may replace; restored afterwards."""
    text = credentials.read_text()
    yield credentials
    credentials.write_text(text)


@pytest.fixture(scope="module", name="bucket_client")
def _bucket_client(s3: S3) -> Any:
    """The administrator's client of the bucket, which has an object under each key."""
    client = s3_client(s3)
    client.create_bucket(Bucket=BUCKET)
    for key in [*KEYS, "prew/card/a.jpg"]:
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return client


@pytest.fixture(scope="module", name="usual")
def _usual(s3: S3, credentials: Path, service_all_session: Recorder, bucket_client: Any) -> dict[str, str]:
    """Variables for the private bucket."""
    assert bucket_client
    return {
        "PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}",
        "PREW_NGINX_S3_HOST": f"127.0.0.1:{s3.port}",
        "PREW_NGINX_BUCKET_PATH": f"/{BUCKET}",
        "PREW_NGINX_SERVICES": service_all_session.address,
        "PREW_NGINX_CREDENTIALS_FILE": str(credentials),
        "AWS_REGION": s3.region,
    }


@pytest.fixture(scope="module", name="signing", params=["off", "on"], ids=["no cache", "cache"])
def _signing(request: pytest.FixtureRequest, start: StartNginx, usual: dict[str, str]) -> Nginx:
    """Nginx that signs."""
    return start({**usual, "PREW_NGINX_CACHE": request.param})


def test_unsigned_requests_are_refused(start: StartNginx, usual: dict[str, str]) -> None:
    nginx = start({**usual, "PREW_NGINX_CREDENTIALS_FILE": ""})

    assert ask(nginx.port, "/photo/a.jpg").status == 404


@pytest.mark.parametrize("written", [strictly, lazily])
@pytest.mark.parametrize("key", KEYS)
def test_all_spellings_are_signed_for_get_and_head(signing: Nginx, key: str, written: Callable[[str], str]) -> None:
    path = written(key)

    assert ask(signing.port, path, "HEAD").status == 200
    assert ask(signing.port, path).body == key.encode()
    assert ask(signing.port, path, "HEAD").status == 200


def test_ranges_and_conditions_do_not_affect_the_signature(signing: Nginx) -> None:
    answer = ask(signing.port, "/photo/a.jpg", headers={"Range": "bytes=0-4"})

    assert (answer.status, answer.body) == (206, b"photo")


def test_a_missing_photo_is_the_picture_and_a_missing_preview_is_rendered(signing: Nginx, service: Recorder) -> None:
    """The signer may list the bucket, so S3 answers 404."""
    photo, preview = ask(signing.port, "/photo/none.jpg"), ask(signing.port, "/prew/card/none.jpg")

    assert (photo.status, photo.headers["Content-Type"]) == (404, "image/jpeg")
    assert (preview.status, preview.body) == (200, b"from service")
    assert "Authorization" not in service.seen[0].headers


def test_credentials_are_reread(start: StartNginx, usual: dict[str, str], as_it_was: Path, service: Recorder) -> None:
    nginx = start(usual)
    right = as_it_was.read_text()
    for wrong in (json.dumps({**json.loads(right), "SecretAccessKey": "wrong"}), "{"):
        as_it_was.write_text(wrong)

        refused = ask(nginx.port, "/photo/a.jpg")
        assert (refused.status, refused.problem["title"]) == (502, "Bad Gateway")
        assert ask(nginx.port, "/prew/card/a.jpg").body == b"from service"

    as_it_was.write_text(right)
    assert ask(nginx.port, "/photo/a.jpg").status == 200
    assert len(service.seen) == 2


@pytest.mark.parametrize("name", ["SessionToken", "Token"])
def test_a_session_token_is_sent_and_signed(
    start: StartNginx, usual: dict[str, str], as_it_was: Path, bucket: Recorder, name: str
) -> None:
    as_it_was.write_text(json.dumps({**json.loads(as_it_was.read_text()), name: "tok/en=="}))
    nginx = start({**usual, "PREW_NGINX_S3_SERVER": bucket.address})

    ask(nginx.port, "/photo/a.jpg")

    (seen,) = bucket.seen
    assert seen.headers["x-amz-security-token"] == "tok/en=="
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token," in seen.headers["Authorization"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PREW_NGINX_CREDENTIALS_FILE": "/none"}, "PREW_NGINX_CREDENTIALS_FILE must be a readable file"),
        ({"PREW_NGINX_JS_MODULE": "/none"}, "PREW_NGINX_JS_MODULE=/none"),
        ({"AWS_REGION": ""}, "AWS_REGION is required"),
        ({"AWS_REGION": "eu central"}, "AWS_REGION must be a region"),
    ],
)
def test_a_bad_file_module_or_region_aborts_startup(credentials: Path, variables: dict[str, str], named: str) -> None:
    needed = {
        "PREW_NGINX_CREDENTIALS_FILE": str(credentials),
        "PREW_NGINX_JS_MODULE": __file__,
        "AWS_REGION": "eu-west-1",
    }

    with pytest.raises(ProgramError, match=named):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **needed, **variables})


def test_a_bucket_whose_policy_asks_for_nginxs_secret_is_read_by_nginx_alone(
    start: StartNginx, s3: S3, usual: dict[str, str], bucket_client: Any
) -> None:
    let_read(Bucket(s3.endpoint, BUCKET, s3.access_key, s3.secret_key, s3.region), referer="a-secret")
    unsigned = usual | {"PREW_NGINX_CREDENTIALS_FILE": ""}
    knows, guesses = (start({**unsigned, "PREW_NGINX_S3_REFERER": each}) for each in ("a-secret", "another"))
    strangers = {"Referer": "a-secret", "Host": "images.test"}

    assert [ask(knows.port, strictly(key)).body for key in KEYS] == [key.encode() for key in KEYS]
    assert ask(guesses.port, strictly(KEYS[0]), headers=strangers).status == 404  # nginx passes on no client's
    bucket_client.delete_bucket_policy(Bucket=BUCKET)
