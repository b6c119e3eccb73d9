"""Checks the buckets: each permission separately, and S3's clock against this machine's.

The service itself lists and reads previews. If a permission is missing that only the operators' commands need, the
check is skipped and does not fail: the service's own role is better without it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass

from prewmanager.adapters.aws.s3_permissions import S3Answer, S3Permissions
from prewmanager.commands.checks import Finding, credentials_fix, failed, ok, skipped
from prewmanager.commands.dropped import dropped_presets
from prewmanager.errors import StorageFailed
from prewmanager.previews.layout import Layout
from prewmanager.previews.ports import Inventory
from prewmanager.web.identity import DOCTOR
from prewmanager.web.ports import Probe

_MAX_SKEW_S = 30.0
_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif")
_MAX_BYTES = 20_000_000
_MAX_NAMES = 10
_MAX_FOLDERS = 100
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A stored object: its key, and its ETag without quotes."""

    key: str
    etag: str


async def check_photos(
    permissions: S3Permissions, bucket: str, layout: Layout, wanted: str = ""
) -> tuple[list[Finding], Sample | None]:
    """Return the findings about photos, and one to render a preview of, if there is any: `wanted`, if that is a key."""
    listed = await permissions.list(layout.photos)
    variable = "PREW_SOURCE_BUCKET"
    permission = _permission("photos: list", listed, bucket, f"s3:ListBucket on {bucket}", variable)
    findings = [_clock(listed), _for_commands(permission, listed)]
    photo = wanted or _photo(listed, layout)
    if not photo:
        findings.append(
            skipped("photos: read", f"no photo of moderate size under {bucket}/{layout.photos}", "upload one")
        )
        return findings, None
    read = await permissions.read(photo)
    permission = _permission("photos: read", read, bucket, f"s3:GetObject on {bucket}/{layout.photos}*", variable)
    if wanted and read.code == "NoSuchKey":
        permission = failed("photos: read", f"{wanted} is not in {bucket}", "name the key of a stored photo by --photo")
    findings.append(_for_commands(permission, read))
    return findings, Sample(photo, str(read.content.get("ETag", "")).strip('"'))


async def check_previews(permissions: S3Permissions, bucket: str, prefix: str) -> tuple[list[Finding], Sample | None]:
    """Return the findings about previews, and one of them, if there is any."""
    listed = await permissions.list(f"{prefix}/")
    unused = f"{prefix}/{DOCTOR}/{secrets.token_hex(8)}"
    read, deleted = await permissions.read(unused), await permissions.delete(unused)
    variable = "PREW_PREVIEW_BUCKET"
    # S3 answers NoSuchKey only to credentials that may list, and AccessDenied to all others.
    hidden = listed.code in _DENIED and read.code in _DENIED
    read = S3Answer() if read.code == "NoSuchKey" or hidden else read
    objects = f"{bucket}/{prefix}/*"
    deletion = _permission("previews: delete", deleted, bucket, f"s3:DeleteObject on {objects}", variable)
    listing = _permission("previews: list", listed, bucket, f"s3:ListBucket on {bucket}", variable)
    detail = "not allowed; S3 answers 403 to a missing preview, and to one that may not be read"
    findings = [
        skipped(listing.check, detail, listing.fix) if hidden else listing,
        _permission("previews: read", read, bucket, f"s3:GetObject on {objects}", variable),
        _for_commands(deletion, deleted),
    ]
    found = (Sample(item["Key"], item["ETag"].strip('"')) for item in listed.content.get("Contents", ()))
    return findings, next((each for each in found if not each.key.startswith(f"{prefix}/{DOCTOR}/")), None)


async def preview_of(permissions: S3Permissions, photo: str, presets: Iterable[str], layout: Layout) -> Sample | None:
    """Return the first stored preview of a photo, whose key this is, in one of all presets and variants."""
    name = layout.name_of(photo)
    for preset in presets:
        key = layout.preview_key(preset, name)
        read = await permissions.read(key)
        if not read.code:
            return Sample(key, str(read.content["ETag"]).strip('"'))
    return None


async def check_presets(previews: Inventory, prefix: str, known: Collection[str]) -> Finding:
    """Check that all stored previews are of presets that are configured: S3 serves the others, too."""
    check = "previews: presets"
    try:
        unknown = await dropped_presets(previews, prefix, known)
    except StorageFailed as error:
        return skipped(check, f"the presets of stored previews cannot be listed: {error}")
    if unknown:
        detail = f"{_listed(unknown)}: previews are stored and served, but no such preset is configured"
        fix = "give this command the service's PREW_PRESETS, or delete them: prewmanager purge --orphans --yes"
        return failed(check, detail, fix)
    return ok(check, "all stored previews are of configured presets")


async def check_former_prefixes(previews: Inventory, prefixes: Collection[str], known: Collection[str]) -> Finding:
    """Look for previews under an earlier preview prefix: other folders of the bucket with folders named as presets are.

    Another site may have its previews there, so that it is no failure.
    """
    check = "previews: earlier prefix"
    try:
        others = await _first(previews.folders(""), but=prefixes)
        folders = {other: await _first(previews.folders(f"{other}/")) for other in others}
    except StorageFailed as error:
        return skipped(check, f"the bucket's folders cannot be listed: {error}")
    found = [other for other, inside in folders.items() if not inside.isdisjoint(known)]
    if not found:
        return ok(check, "no other folder looks like one of previews")
    fix = f"if no site has it as PREW_PREVIEW_PREFIX any more: prewmanager purge --former-prefix {found[0]}"
    return skipped(check, f"{_listed(found)}: has folders with presets' names", fix)


async def _first(names: AsyncIterator[str], but: Collection[str] = ()) -> set[str]:
    """Return some hundred names: a bucket may have any number of folders."""
    found = set[str]()
    async for name in names:
        if name and name not in but:
            found.add(name)
        if len(found) == _MAX_FOLDERS:
            break
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if names[_MAX_NAMES:] else ""
    return ", ".join(names[:_MAX_NAMES]) + more


async def check_reader(previews: Probe) -> Finding:
    """Check that previews are read as the service reads them: by another client than the commands' own."""
    check = "previews: as the service reads them"
    try:
        await previews.ping()
    except StorageFailed as error:
        fix = "check AWS_ENDPOINT_URL_S3 and AWS_REGION; the other findings are those of the commands' client"
        return failed(check, str(error), credentials_fix(str(error)) or fix)
    return ok(check, "S3 answers")


def _permission(check: str, answer: S3Answer, bucket: str, permission: str, variable: str) -> Finding:
    detail = f"{answer.code}: {answer.message}"
    match answer.code:
        case "":
            return ok(check, bucket)
        case "NoSuchBucket" | "404":
            fix = f"{bucket}: set {variable} to an existing bucket, and AWS_REGION to its region"
        case code if code in _DENIED:
            fix = f"allow these credentials {permission}"
        case code:
            fix = credentials_fix(detail) or "check AWS_ENDPOINT_URL_S3 (unset for Amazon's) and AWS_REGION"
    return failed(check, detail, fix)


def _for_commands(finding: Finding, answer: S3Answer) -> Finding:
    if answer.code not in _DENIED:
        return finding
    detail = "not allowed; warm, stale and purge need it, the service does not"
    return skipped(finding.check, detail, finding.fix)


def _clock(answer: S3Answer) -> Finding:
    if answer.skew_s is None:
        return skipped("clock", "S3's answer has no date")
    skew_s = round(answer.skew_s)
    detail = f"S3's clock is {abs(skew_s)} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    detail = detail if skew_s else "S3's clock and this machine's agree"
    if abs(answer.skew_s) > _MAX_SKEW_S:
        fix = "set this machine's clock by NTP: S3 refuses signatures that are a quarter of an hour off"
        return failed("clock", detail, fix)
    return ok("clock", detail)


def _photo(listed: S3Answer, layout: Layout) -> str:
    for item in listed.content.get("Contents", ()):
        key = str(item["Key"])
        if 0 < item["Size"] <= _MAX_BYTES and key.lower().endswith(_EXTENSIONS) and layout.is_photo(key):
            return key
    return ""
