"""The settings of `make up`: its own variables (`PREW_LOCAL_…`), and the environment for its programs.

They come from `.env`, overridden by the process's environment. The developer's own AWS configuration is not passed on:
the local system must not reach a real account.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

LOCAL_PREFIX = "PREW_LOCAL_"
FUNCTION = "prew-resize"
_BUCKET = re.compile(r"(PREW_SOURCES__\w+__)BUCKET")
_DEFAULT_PORT = 8080
_DEFAULT_REPLICAS = 2
_LAST_PORT = 65_535
_DEFAULT_LAMBDA_TIMEOUT_S = 10.0


class LocalSettingsError(Exception):
    """A variable is invalid; the message begins with its name."""


@dataclass(frozen=True)
class LocalSettings:
    """The settings of the local system.

    Attributes:
        port: nginx's port, on loopback.
        photos: The folder to load; None: the samples.
        replicas: The number of processes of the service.
        s3_delay_s: How much later S3 answers, in seconds; None: no proxy delays and counts.
        environment: All variables from `.env` and the process, except those of `make up` itself and `AWS_…`.
    """

    port: int
    photos: Path | None
    replicas: int
    s3_delay_s: float | None
    environment: Mapping[str, str]

    @property
    def redis_url(self) -> str | None:
        """The URL of an external Redis; empty: no Redis; None: start one."""
        return self.environment.get("PREW_REDIS_URL")

    @property
    def function(self) -> str:
        """The resize function's name; empty: the service's worker processes render previews."""
        return self.environment.get("PREW_LAMBDA_FUNCTION", FUNCTION)

    @property
    def source_keys(self) -> str:
        """What photos' keys begin with: empty for the bucket's root, or with a slash at its end."""
        return source_keys(self.environment)

    @property
    def preview_prefix(self) -> str:
        """First path segment of previews."""
        return self.environment.get("PREW_PREVIEW_PREFIX") or "prew"

    @property
    def lambda_timeout_s(self) -> float:
        """The function's time-out in seconds, which the service must know."""
        return float(self.environment.get("PREW_LAMBDA_TIMEOUT") or _DEFAULT_LAMBDA_TIMEOUT_S)


def source_buckets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the variables of each further source begin with, by its bucket."""
    found = ((name, _BUCKET.fullmatch(name.upper())) for name in environment)
    return {environment[name]: is_bucket[1] for name, is_bucket in found if is_bucket and environment[name]}


def source_keys(environment: Mapping[str, str], bucket: str = "") -> str:
    """Return what photos' keys begin with: empty for the bucket's root, or with a slash at its end.

    `bucket` may be that of a further source.
    """
    variable = f"{source_buckets(environment).get(bucket, 'PREW_SOURCE_')}KEYS"
    segments = environment.get(variable, environment.get("PREW_SOURCE_PREFIX") or "photo").strip("/")
    return f"{segments}/" if segments else ""


def make_env_file(root: Path) -> bool:
    """Copy `.env.example` to `.env` unless `.env` exists; return whether it was copied."""
    if (root / ".env").exists():
        return False
    shutil.copyfile(root / ".env.example", root / ".env")
    return True


def read_local_settings(env_file: Path, environ: Mapping[str, str]) -> LocalSettings:
    """Read both sources; the process's environment takes precedence. Raises `LocalSettingsError`."""
    # Not interpolated: a preset's JSON may contain a dollar sign.
    written = dotenv_values(env_file, interpolate=False)
    merged = {name: value for name, value in written.items() if value is not None} | dict(environ)
    port = _whole_number(merged, "PREW_LOCAL_PORT", _DEFAULT_PORT)
    if port > _LAST_PORT:
        raise LocalSettingsError(f"PREW_LOCAL_PORT={port}: the highest port is {_LAST_PORT}")
    return LocalSettings(
        port=port,
        photos=_folder(merged, "PREW_LOCAL_PHOTOS"),
        replicas=_whole_number(merged, "PREW_LOCAL_REPLICAS", _DEFAULT_REPLICAS),
        s3_delay_s=_seconds(merged, "PREW_LOCAL_S3_DELAY"),
        environment={name: value for name, value in merged.items() if not name.startswith((LOCAL_PREFIX, "AWS_"))},
    )


def _whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise LocalSettingsError(f"{name} is not a whole number from 1")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text):
        raise LocalSettingsError(f"{name} is not a number of seconds below 100, such as 0.3")
    return float(text)


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    if not text:
        return None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise LocalSettingsError(f"{name}={text}: no such folder")
    return folder.resolve()
