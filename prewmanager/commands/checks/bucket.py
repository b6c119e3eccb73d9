"""The buckets: each right by itself, and S3's clock against this machine's.

The service itself lists and reads previews. Rights that only the operators' commands need are no fault where they are
missing: the service's own role is better without them.
"""

from __future__ import annotations

import secrets

from prewmanager.adapters.aws.s3_permissions import S3Answer, S3Permissions
from prewmanager.commands.checks import Finding, failed, ok, skipped

# No preset can have this name, so nothing that is put there is anybody's preview.
DOCTOR = "__doctor__"
_MOST_SKEW_S = 30.0
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif")
_MOST_BYTES = 20_000_000
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})


async def check_photos(permissions: S3Permissions, bucket: str, prefix: str) -> tuple[list[Finding], str]:
    """Findings about the photos, and the key of one that a preview can be tried of."""
    listed = await permissions.list(f"{prefix}/")
    variable = "PREW_SOURCE_BUCKET"
    right = _right("photos: list", listed, bucket, f"s3:ListBucket on {bucket}", variable)
    findings = [_clock(listed), _for_commands(right, listed)]
    photo = _photo(listed)
    if not photo:
        findings.append(skipped("photos: read", f"no photo of moderate size under {prefix}/", "upload one"))
        return findings, ""
    read = await permissions.read(photo)
    right = _right("photos: read", read, bucket, f"s3:GetObject on {bucket}/{prefix}/*", variable)
    findings.append(_for_commands(right, read))
    return findings, photo


async def check_previews(permissions: S3Permissions, bucket: str, prefix: str) -> tuple[list[Finding], str]:
    """Findings about the previews, and the key of one, or nothing."""
    listed = await permissions.list(f"{prefix}/")
    unused = f"{prefix}/{DOCTOR}/{secrets.token_hex(8)}"
    read, deleted = await permissions.read(unused), await permissions.delete(unused)
    variable = "PREW_PREVIEW_BUCKET"
    # Of an object that is not there S3 says so only to those who may list.
    read = S3Answer() if read.code == "NoSuchKey" else read
    findings = [
        _right("previews: list", listed, bucket, f"s3:ListBucket on {bucket}", variable),
        _right("previews: read", read, bucket, f"s3:GetObject and s3:ListBucket on {bucket}/{prefix}/*", variable),
        _for_commands(
            _right("previews: delete", deleted, bucket, f"s3:DeleteObject on {bucket}/{prefix}/*", variable), deleted
        ),
    ]
    found = (item["Key"] for item in listed.content.get("Contents", ()))
    return findings, next((key for key in found if not key.startswith(f"{prefix}/{DOCTOR}/")), "")


def _right(check: str, answer: S3Answer, bucket: str, right: str, variable: str) -> Finding:
    said = f"{answer.code}: {answer.message}"
    match answer.code:
        case "":
            return ok(check, bucket)
        case "NoSuchBucket" | "404":
            return failed(
                check, said, f"{bucket}: set {variable} to a bucket that is there; AWS_REGION must be its own"
            )
        case code if code in _DENIED:
            return failed(check, said, f"allow these credentials {right}")
        case "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "NoCredentialsError":
            return failed(check, said, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role")
        case "RequestTimeTooSkewed":
            return failed(
                check, said, "set this machine's clock: S3 refuses signatures that are a quarter of an hour off"
            )
        case _:
            return failed(check, said, "is AWS_ENDPOINT_URL_S3 right (unset for Amazon's), and AWS_REGION?")


def _for_commands(finding: Finding, answer: S3Answer) -> Finding:
    if answer.code not in _DENIED:
        return finding
    said = "not allowed; warm, stale and purge need it, the service does not"
    return skipped(finding.check, said, finding.fix)


def _clock(answer: S3Answer) -> Finding:
    if answer.skew_s is None:
        return skipped("clock", "S3 did not say what time it is")
    said = f"S3 is {answer.skew_s:+.0f} s from this machine"
    if abs(answer.skew_s) > _MOST_SKEW_S:
        return failed("clock", said, "let this machine's clock be set by NTP; above a quarter of an hour S3 refuses it")
    return ok("clock", said)


def _photo(listed: S3Answer) -> str:
    for item in listed.content.get("Contents", ()):
        if 0 < item["Size"] <= _MOST_BYTES and item["Key"].lower().endswith(_PICTURES):
            return str(item["Key"])
    return ""
