"""Redis and S3 on one machine: Debian's redis-server, and SeaweedFS with one publicly readable bucket."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from devstack.programs import LOOPBACK, Program, ProgramError, answers, find, free_ports

ACCESS_KEY = "local-access"
SECRET_KEY = "local-secret"  # noqa: S105 -- for a server that listens on loopback only
REGION = "us-east-1"


class S3Address(Protocol):
    """Address and credentials of an S3, for its clients."""

    @property
    def endpoint(self) -> str:
        """`http://` address of the S3 API (path-style)."""

    @property
    def bucket(self) -> str:
        """The bucket of photos and previews."""

    @property
    def access_key(self) -> str:
        """The access key ID."""

    @property
    def secret_key(self) -> str:
        """The secret access key, which signs requests."""

    @property
    def region(self) -> str:
        """The region in signatures."""


@dataclass(frozen=True)
class Redis:
    """A running redis-server without persistence."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """`redis://` address of database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"


@dataclass(frozen=True)
class S3Keys:
    """Who may use an S3: its owner, who signs, and those who read its bucket without a signature.

    `referer` is the secret that these must send as `Referer`, which no page of another site knows; None: anybody reads.
    """

    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    referer: str | None = None

    @classmethod
    def drawn(cls) -> Self:
        """Return keys that nobody can know."""
        return cls(secrets.token_hex(10), secrets.token_hex(20), secrets.token_hex(16))


PUBLIC = S3Keys()


@dataclass(frozen=True)
class S3:
    """A running SeaweedFS with one bucket, which may be read without a signature; everything else must be signed."""

    program: Program
    port: int
    bucket: str
    keys: S3Keys = PUBLIC
    region: str = REGION

    @property
    def access_key(self) -> str:
        """The owner's access key ID."""
        return self.keys.access_key

    @property
    def secret_key(self) -> str:
        """The owner's secret access key."""
        return self.keys.secret_key

    @property
    def endpoint(self) -> str:
        """`http://` address of the S3 API (path-style)."""
        return f"http://{LOOPBACK}:{self.port}"

    def as_json(self) -> dict[str, str]:
        """Address and credentials, for `.local/stack.json`."""
        return {
            "endpoint": self.endpoint,
            "bucket": self.bucket,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "region": self.region,
        }

    def aws_environment(self) -> dict[str, str]:
        """The AWS SDK's environment variables for this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }


# With these, a volume server asks for a token of the master's or of S3's; drawn for each start.
_VOLUME_KEYS = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_SIGNING_READ_KEY")


@dataclass(frozen=True)
class Events:
    """SeaweedFS's webhook: it posts changes of objects whose keys begin with `keys` to `url` (`http://`).

    In `further_buckets`, too, whatever their keys.
    """

    url: str
    keys: str = "photo/"
    further_buckets: Sequence[str] = ()


def start_redis(folder: Path, *, port: int | None = None, options: Sequence[str] = ()) -> Redis:
    """Start redis-server on a free loopback port, with further command-line `options`."""
    port = port or free_ports(1)[0]
    argv = [find("redis-server"), "--port", str(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
    program = Program("redis", [*argv, "--dir", str(folder), *options], folder / "redis.log")
    program.wait_ready(lambda: answers(port))
    return Redis(program, port)


def start_s3(
    folder: Path,
    *,
    bucket: str = "photos",
    events: Events | None = None,
    options: Sequence[str] = (),
    keys: S3Keys = PUBLIC,
) -> S3:
    """Start SeaweedFS with its data in `folder` and further command-line `options`, and create `bucket` if missing.

    Of its ports that of S3 alone serves objects, to whom `keys` allow.
    """
    ports = iter(free_ports(10))
    data = folder / "seaweedfs"
    data.mkdir(parents=True, exist_ok=True)
    identities = folder / "seaweedfs-identities.json"
    identities.write_text(json.dumps(_identities(bucket, keys)))
    argv = [
        find("weed"),
        "-logtostderr=true",
        *_notifications(folder, bucket, events),
        "mini",
        f"-dir={data}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        "-disableHttp",  # of master and filer, which ask for no key; S3 calls them by gRPC
    ]
    listeners = {part: next(ports) for part in ("master", "volume", "filer", "admin", "s3")}
    grpc = {part: next(ports) for part in listeners}
    argv += [f"-{part}.port={each}" for part, each in listeners.items()]
    argv += [f"-{part}.port.grpc={each}" for part, each in grpc.items()]
    port = listeners["s3"]
    argv += [f"-s3.config={identities}", "-s3.iam=false"]
    argv += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    # Unix sockets that it creates under fixed names.
    sockets = [Path(f"/tmp/seaweedfs-{part}-{each}.sock") for part, each in listeners.items()]  # noqa: S108 -- weed's
    sockets += [Path(f"/tmp/seaweedfs-{part}-grpc-{each}.sock") for part, each in grpc.items()]  # noqa: S108 -- weed's
    environment = os.environ | {name: secrets.token_hex(16) for name in _VOLUME_KEYS}
    program = Program("seaweedfs", [*argv, *options], folder / "seaweedfs.log", environment, leaves=sockets)
    s3 = S3(program, port, bucket, keys)
    program.wait_ready(lambda: answers(port) and _bucket_is_there(s3))
    if keys.referer is not None:
        let_read(s3, referer=keys.referer)
    return s3


def create_bucket(s3: S3, bucket: str) -> None:
    """Create a further bucket if it is missing, which the same may read."""
    another = replace(s3, bucket=bucket)
    if not _bucket_is_there(another):
        raise ProgramError(f"bucket {bucket} cannot be created")
    let_read(another, referer=s3.keys.referer)


def let_read(s3: S3Address, *beginnings: str, referer: str | None = None) -> None:
    """Let anybody who sends this `Referer`, None: anybody, read the objects whose keys begin so, or all."""
    names = [f"{beginning}*" for beginning in beginnings or ("",)]
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": [f"arn:aws:s3:::{s3.bucket}/{name}" for name in names],
    }
    if referer is not None:
        statement["Condition"] = {"StringEquals": {"aws:Referer": referer}}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3_client(s3).put_bucket_policy(Bucket=s3.bucket, Policy=json.dumps(policy))


def _notifications(folder: Path, bucket: str, events: Events | None) -> list[str]:
    """Return the option for the webhook, as `weed scaffold -config=notification` describes it."""
    configuration = folder / "seaweedfs-configuration"
    configuration.mkdir(exist_ok=True)
    lines = ["[notification.webhook]", "enabled = false"]
    if events:
        further = [f"/buckets/{each}/" for each in events.further_buckets]
        prefixes = json.dumps([f"/buckets/{bucket}/{events.keys}", *further])
        lines = [lines[0], "enabled = true", f"endpoint = {json.dumps(events.url)}", f"path_prefixes = {prefixes}"]
    lines += ["max_retries = 10", "backoff_seconds = 1", "max_backoff_seconds = 5", "workers = 1"]
    lines += ['event_types = ["create", "update", "delete"]']
    (configuration / "notification.toml").write_text("\n".join(lines) + "\n")
    return [f"-config_dir={configuration}"]


def s3_client(s3: S3Address):  # type: ignore[no-untyped-def]  # noqa: ANN201 -- boto3 makes its client classes at run time
    """Return a boto3 S3 client for this server, with its credentials."""
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=1),
    )


def _bucket_is_there(s3: S3) -> bool:
    client = s3_client(s3)
    try:
        client.create_bucket(Bucket=s3.bucket)
    except client.exceptions.BucketAlreadyOwnedByYou:
        return True
    except client.exceptions.BucketAlreadyExists as error:
        raise ProgramError(f"bucket {s3.bucket} belongs to somebody else") from error
    except (BotoCoreError, ClientError):
        return False
    return True


def _identities(bucket: str, keys: S3Keys) -> dict[str, object]:
    credentials = [{"accessKey": keys.access_key, "secretKey": keys.secret_key}]
    owner = {"name": "owner", "credentials": credentials, "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    anybody = {"name": "anonymous", "actions": [f"Read:{bucket}"]}
    return {"identities": [owner, anybody] if keys.referer is None else [owner]}
