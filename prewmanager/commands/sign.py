"""Signed addresses of photos and previews, for whom an application shows them to."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prewmanager.commands.output import print_json, print_line
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidKey, InvalidSettings
from prewmanager.previews.signed_urls import LAST_EXPIRY, SigningKey, path_of, signed_query, signing_keys

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,6})([smhd])")


@dataclass(frozen=True)
class SignRequest:
    """What to sign: photos or prefixes by key, in these presets or themselves; with which key, and for how long.

    `key_id` "" is the first key of the file, `expires` None is `lasts` from now.
    """

    photos: tuple[str, ...]
    presets: tuple[str, ...]
    keys_file: Path | None
    key_id: str
    lasts: str
    expires: int | None
    url: str


@dataclass(frozen=True)
class Signed:
    """A signed address; `path` and `query` are its parts, `preset` "" is the photo itself."""

    photo: str
    preset: str
    path: str
    query: str
    url: str
    expires: int
    key: str


def show(settings: Settings, asked: SignRequest, *, as_json: bool) -> None:
    """Print the signed addresses. Raises `InvalidSettings` if an argument or the keys file is not valid."""
    _check_presets(asked.presets, settings.variants)
    by = _By(_key(asked), _expires(asked), asked.url.rstrip("/"))
    signed = [_signed(settings, photo, preset, by) for photo in asked.photos for preset in asked.presets or ("",)]
    if as_json:
        print_json([asdict(each) for each in signed])
    else:
        for each in signed:
            print_line(each.url)


@dataclass(frozen=True)
class _By:
    key: SigningKey
    expires: int
    base: str


def _signed(settings: Settings, photo: str, preset: str, by: _By) -> Signed:
    layout = settings.layout
    try:
        name = layout.name_of(photo)
        signed_key = layout.preview_key(preset, name) if preset else layout.path_key(photo)
        path, query = (
            path_of(signed_key),
            signed_query(signed_key, by.expires, by.key, settings.preview_prefix, settings.source),
        )
    except InvalidKey as error:
        raise InvalidSettings([f"{photo}: {error}"]) from None
    return Signed(photo, preset, path, query, f"{by.base}{path}?{query}", by.expires, by.key.id)


def _check_presets(named: Sequence[str], known: Collection[str]) -> None:
    for name in named:
        if name not in known:
            raise InvalidSettings([f"--preset {name}: configured are {', '.join(known)}"])


def _key(asked: SignRequest) -> SigningKey:
    if asked.keys_file is None:
        raise InvalidSettings(["PREW_NGINX_SIGNING_KEYS_FILE is required, or --keys: nginx's keys file"])
    try:
        keys = signing_keys(asked.keys_file.read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidSettings([f"PREW_NGINX_SIGNING_KEYS_FILE (--keys) {asked.keys_file}: {reason}"]) from None
    found = next((key for key in keys if asked.key_id in {"", key.id}), None)
    if found is None:
        raise InvalidSettings([f"--key {asked.key_id}: the file has {', '.join(key.id for key in keys)}"])
    return found


def _expires(asked: SignRequest) -> int:
    now = int(time.time())
    duration = _DURATION.fullmatch(asked.lasts)
    if duration is None or not int(duration[1]):
        raise InvalidSettings([f"--for {asked.lasts}: write a number with s, m, h or d, such as 90m"])
    expires = now + int(duration[1]) * _UNITS_S[duration[2]] if asked.expires is None else asked.expires
    if not now < expires <= LAST_EXPIRY:
        raise InvalidSettings([f"--expires {expires}: write a time to come, in Unix seconds"])
    return expires
