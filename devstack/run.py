"""`python -m devstack.run COMMAND…`: run a command with the environment of the local system's service.

The operators' commands then work on the system that `make up` started: `python -m devstack.run prewmanager stale card`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devstack.environments import BUCKET
from devstack.local_settings import read_local_settings
from devstack.programs import ProgramError, find

_ROOT = Path(__file__).resolve().parents[1]


def environment(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the service's variables from `stack` (.local/stack.json) and the presets from .env."""
    s3 = stack["s3"]
    local = read_local_settings(_ROOT / ".env", os.environ)
    return {
        **local.environment,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_S3": s3["endpoint"],
        "AWS_ENDPOINT_URL_LAMBDA": stack["lambda"] or "",
        "AWS_ACCESS_KEY_ID": s3["access_key"],
        "AWS_SECRET_ACCESS_KEY": s3["secret_key"],
        "PREW_SOURCE_BUCKET": BUCKET,
        "PREW_REDIS_URL": stack["redis"] or "",
        "PREW_LAMBDA_FUNCTION": local.function if stack["lambda"] else "",
        "PREW_HOST": "127.0.0.1",
        "PREW_PORT": stack["services"][0].rpartition(":")[2],
    }


def main(argv: list[str]) -> None:
    """Replace this process by the command."""
    if not argv:
        sys.exit("usage: python -m devstack.run COMMAND…")
    try:
        stack = json.loads((_ROOT / ".local" / "stack.json").read_text(encoding="utf-8"))
        os.execve(find(argv[0]), argv, environment(stack))  # noqa: S606 -- the user's own command
    except FileNotFoundError:
        sys.exit("no local system runs here: `make up` starts it")
    except ProgramError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
