"""`python -m devstack.fill_bucket`: create the bucket, make it publicly readable, load the photos.

The one-shot job of docker-compose.yml; each step is idempotent. The job reads the AWS SDK's variables,
`PREW_SOURCE_BUCKET` and the presets; the folder of photos is an argument.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from devstack.backends import S3Address, let_read, s3_client
from devstack.bucket import Bucket
from devstack.local_settings import source_buckets, source_keys
from devstack.photos import load_photos
from devstack.programs import find


def main(
    photos: Annotated[Path, typer.Option(help="folder of photos; if it is empty, samples are rendered")],
) -> None:
    """Check the presets and fill the bucket."""
    s3 = Bucket.from_environment()
    photos_at = source_keys(os.environ)
    preview = os.environ.get("PREW_PREVIEW_PREFIX") or "prew"
    _check_presets()
    _create(s3)
    let_read(s3, photos_at, f"{preview}/")  # but not list
    for bucket in source_buckets(os.environ):
        another = replace(s3, bucket=bucket)
        _create(another)
        let_read(another, source_keys(os.environ, bucket), f"{preview}/")
    loaded = load_photos(_photos(photos), s3, photos_at)
    print(f"{len(loaded.keys)} photos, {loaded.uploaded} of them new or changed", flush=True)


def _create(s3: S3Address) -> None:
    client = s3_client(s3)
    if s3.bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=s3.bucket)


def _photos(folder: Path) -> Path:
    """Return the folder, or, if it is empty, a subfolder with the samples."""
    samples = folder / ".samples"  # hidden, so that it does not count as the user's
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        return folder
    print("rendering the sample photos once, which takes 15 seconds", flush=True)
    subprocess.run([sys.executable, "-m", "devstack.samples", str(samples)], check=True)
    return samples


def _check_presets() -> None:
    """Exit if the service would not start: compose shows the last lines of the first failure."""
    done = subprocess.run([find("prewmanager"), "presets", "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)


if __name__ == "__main__":
    typer.run(main)
