"""`python -m devstack.fill_bucket`: make the bucket, let anybody read it, load the photos, write the page.

The one-shot job of docker-compose.yml; each of its steps does nothing where it was done before. It reads the AWS SDK's
variables, `PREW_SOURCE_BUCKET` and the presets; the two folders are arguments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import typer

from devstack.backends import S3Address, s3_client
from devstack.page import write_page
from devstack.photos import load_photos
from devstack.programs import find


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 that somebody else runs."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str

    @classmethod
    def from_environment(cls) -> Self:
        """The one that the SDK's variables and `PREW_SOURCE_BUCKET` name."""
        return cls(
            endpoint=os.environ["AWS_ENDPOINT_URL_S3"],
            bucket=os.environ["PREW_SOURCE_BUCKET"],
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            region=os.environ["AWS_REGION"],
        )


def main(
    photos: Annotated[Path, typer.Option(help="folder of the photos; where it is empty, samples are rendered")],
    www: Annotated[Path, typer.Option(help="folder of the page")],
) -> None:
    """Fill the bucket and write the page that shows every photo in every preset."""
    s3 = Bucket.from_environment()
    source = os.environ.get("PREW_SOURCE_PREFIX") or "photo"
    preview = os.environ.get("PREW_PREVIEW_PREFIX") or "prew"
    make_public(s3, (source, preview))
    loaded = load_photos(_photos(photos), s3, source)
    print(f"{len(loaded.keys)} photos, {loaded.uploaded} of them new or changed", flush=True)
    write_page(www, loaded.keys, _presets(), source=source, preview=preview)


def make_public(s3: S3Address, prefixes: tuple[str, ...]) -> None:
    """Create the bucket where it is missing, and let anybody read, not list, what is under these prefixes."""
    client = s3_client(s3)
    if s3.bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=s3.bucket)
    objects = [f"arn:aws:s3:::{s3.bucket}/{prefix}/*" for prefix in prefixes]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=s3.bucket, Policy=json.dumps(policy))


def _photos(folder: Path) -> Path:
    """The folder itself, or, where nothing is in it, one below with the samples."""
    samples = folder / ".samples"  # hidden, and so not taken for the user's
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        return folder
    print("rendering the sample photos, a quarter of a minute, once", flush=True)
    subprocess.run([sys.executable, "-m", "devstack.samples", str(samples)], check=True)
    return samples


def _presets() -> list[dict[str, object]]:
    done = subprocess.run([find("prewmanager"), "presets", "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    presets: list[dict[str, object]] = json.loads(done.stdout)
    return presets


if __name__ == "__main__":
    typer.run(main)
