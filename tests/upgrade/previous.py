"""The previous release: its packages, unpacked from git's history."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a replica and the function consist of; the environment's locked libraries serve both versions.
_PACKAGES = ("prewmanager", "prewmanager_presets", "lambda_resize")
# Before the first release: replicas that announced all results on one channel, with the preview's bytes in each, and a
# function that knows neither `find` nor `answer_first`.
_BEFORE_RELEASES = "3a21825c23"


class NoHistory(Exception):
    """Git, or the previous release in its history, is not here; the message says which."""


def name() -> str:
    """Return the release to compare with: PREVIOUS, or the last tag before this commit, or what stands for one."""
    return os.environ.get("PREVIOUS") or _last_tag() or _BEFORE_RELEASES


def why_not() -> str:
    """Return why the previous release cannot be unpacked here, or nothing."""
    try:
        _git("cat-file", "-e", f"{name()}^{{commit}}")
    except OSError as error:
        return f"git is not here: {error}"
    except subprocess.CalledProcessError:
        return f"git's history has no {name()}: a shallow clone, or none"
    return ""


def unpack(into: Path) -> Path:
    """Unpack the previous release into a folder, and return it. Raises `NoHistory`."""
    reason = why_not()
    if reason:
        raise NoHistory(reason)
    archive = _git("archive", name(), *_PACKAGES)
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        opened.extractall(into, filter="data")
    return into


def _last_tag() -> str:
    try:
        return _git("describe", "--tags", "--abbrev=0", "HEAD^").decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
