"""Checks that the resize function, or the worker processes, can be invoked and render a preview.

The preview is of an existing photo, under a name that no preset can have, and is deleted afterwards.
"""

from __future__ import annotations

from prewmanager.adapters.aws.s3_permissions import S3Permissions
from prewmanager.commands.checks import Finding, credentials_fix, failed, ok, skipped
from prewmanager.commands.checks.polish import check_polishes
from prewmanager.config.settings import Settings
from prewmanager.errors import (
    CredentialsRefused,
    PhotoFatal,
    PhotoHidden,
    PhotoMissing,
    PhotoRejected,
    PreviewFailed,
)
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.ports import ObjectReader
from prewmanager.resizers import ReadyResizer
from prewmanager.resizing.render import RenderJob
from prewmanager.web.identity import DOCTOR

INVOKE, MAKES, MISSING = "function: invoke", "function: makes a preview", "function: missing photos"
_FIXES = {
    "missing": "it reads another bucket or S3 than this command: set the function's AWS_REGION and AWS_ENDPOINT_URL_S3",
    "storage": "allow the function's own role s3:GetObject on photos, s3:PutObject on previews, and s3:ListBucket",
    "storage by workers": "allow these credentials s3:GetObject on photos, s3:PutObject on previews, and s3:ListBucket",
    "timeout": "raise PREW_INVOKE_TIMEOUT above the function's time-out",
    "timed_out": "raise the function's memory, which is also its CPU, or its time-out, and PREW_LAMBDA_TIMEOUT with it",
    "throttled": "raise Lambda's concurrency limit, or lower PREW_MAX_INVOCATIONS",
    "crashed": "raise the function's memory, and see its log; --photo tries another photo",
    "crashed by workers": "see how much memory the machine has left; --photo tries another photo",
    "failed": "see the function's log; check that its package is this project's, for its architecture",
}


async def check_invoke(resizer: ReadyResizer, name: str) -> Finding:
    """Check that the function exists and may be invoked, without running it."""
    try:
        await resizer.ping()
    except Exception as error:  # noqa: BLE001 -- a probe raises any exception, and each one is a finding
        detail, fix = str(error), "check AWS_ENDPOINT_URL_LAMBDA (unset for Amazon's) and AWS_REGION"
        if name.startswith("http"):
            fix = "check PREW_RESIZER_URL, and that a resize server runs there"
        if "ResourceNotFoundException" in detail:
            fix = "set PREW_LAMBDA_FUNCTION to the name or ARN of a function in AWS_REGION"
        if "AccessDeniedException" in detail:
            fix = f"allow these credentials lambda:InvokeFunction on {name}"
        return failed(INVOKE, detail, credentials_fix(detail) or fix)
    return ok(INVOKE, name)


async def check_makes(
    resizer: ReadyResizer, settings: Settings, photo: str, previews: ObjectReader, permissions: S3Permissions
) -> list[Finding]:
    """Check that it renders a preview of this photo, or only that it answers if `photo` is empty.

    Raises `StorageFailed`.
    """
    preset = next(iter(settings.variants.values()))
    layout = settings.layout
    name = layout.name_of(photo) if photo else f"{DOCTOR}/none.jpg"
    key = layout.preview_key(DOCTOR, name)
    job = RenderJob(Preview(DOCTOR, preset, layout.photo_key(name), key))
    try:
        made = (await resizer.resize(job)).made
    except PreviewFailed as error:
        await permissions.delete(key)  # a function that has timed out may have stored it
        return _not_made(error, photo, settings)
    found = await previews.head(key)
    polishes = [await check_polishes(resizer, job.preview, found)] if found and settings.polish else []
    deleted = await permissions.delete(key)
    if found is None:
        fix = "the function writes to another bucket or S3 than this command reads: check its AWS_ENDPOINT_URL_S3"
        return [failed(MAKES, f"the function reports success, but {key} is not stored", fix)]
    warning = "" if found.fingerprint else "; it has no fingerprint, so `stale` reports all its previews as changed"
    findings = [ok(MAKES, f"{made.content_type}, {found.made.size} bytes of {name}{warning}"), *polishes]
    if deleted.code:
        findings.append(failed("function: cleaned up", f"{key}: {deleted.code}", "delete it, or allow s3:DeleteObject"))
    return findings


async def check_missing(resizer: ReadyResizer, settings: Settings) -> list[Finding]:
    """Check whether S3 tells the function of a photo that it does not exist."""
    name, layout = f"{DOCTOR}/none.jpg", settings.layout
    preset = next(iter(settings.variants.values()))
    preview = Preview(DOCTOR, preset, layout.photo_key(name), layout.preview_key(DOCTOR, name))
    try:
        await resizer.resize(RenderJob(preview))
    except PhotoHidden:
        return [_hidden()]
    except PhotoMissing:
        return [ok(MISSING, "S3 tells them from those that may not be read")]
    except PreviewFailed:
        return []  # another finding says what fails
    return []


def _not_made(error: PreviewFailed, photo: str, settings: Settings) -> list[Finding]:
    """Return what a failure says of the function."""
    by_photo = _by_photo(error, photo)
    if by_photo:
        return by_photo
    detail, fix = f"{error.kind}: {error}", _fix(settings, error.kind)
    if not settings.layout.photos and "rewrite_part" in detail:
        fix = "update the function: it is older than photos at the bucket's root, PREW_SOURCE_KEYS=/"
    match error:
        case PhotoHidden():
            detail, fix = str(error), _fix(settings, "storage")
        case PhotoFatal():
            detail = f"it died at {photo}: {error}"
        # The workers have this command's credentials, a function has those of its role.
        case PreviewFailed() if settings.has_workers:
            fix = credentials_fix(str(error)) or fix
        case CredentialsRefused():
            fix = "S3 refuses the function's own credentials: see its role, and the variables AWS_… of its environment"
    return [failed(MAKES, detail, fix)]


def _by_photo(error: PreviewFailed, photo: str) -> list[Finding]:
    """Return the findings where the function answers, and only the photo is missing or unfit."""
    match error:
        case PhotoHidden() if not photo:
            return [skipped(MAKES, "it answers; no photo can be listed to render", "name one by --photo"), _hidden()]
        case PhotoMissing() if not photo:
            return [skipped(MAKES, "it answers, and may read photos; no photo is stored to render", "upload a photo")]
        case PhotoRejected() if not isinstance(error, PhotoFatal):
            fix = "name another photo by --photo"
            return [skipped(MAKES, f"it answers, but cannot render {photo}: {error.kind}: {error}", fix)]
    return []


def _hidden() -> Finding:
    detail = "S3 answers 403, as for one that may not be read: 404, cached for a sixth of PREW_MISSING_TTL"
    return skipped(MISSING, detail, "allow the function s3:ListBucket, and S3 tells the two apart")


def _fix(settings: Settings, kind: str) -> str:
    by_workers = _FIXES.get(f"{kind} by workers") if settings.has_workers else None
    return by_workers or _FIXES.get(kind, _FIXES["failed"])
