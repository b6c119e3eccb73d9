"""Checks that the resize function, or the worker processes, can be invoked and render a preview.

The preview is of an existing photo, under a name that no preset can have, and is deleted afterwards.
"""

from __future__ import annotations

from prewmanager.adapters.aws.s3_permissions import S3Permissions
from prewmanager.app import ReadyResizer
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager.commands.checks.bucket import DOCTOR
from prewmanager.config.settings import Settings
from prewmanager.errors import PhotoMissing, PhotoRejected, PreviewFailed
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.ports import ObjectReader
from prewmanager.resizing.render import RenderJob

INVOKE, MAKES = "function: invoke", "function: makes a preview"
_FIXES = {
    "missing": "it reads another bucket or S3 than this command: set the function's AWS_REGION and AWS_ENDPOINT_URL_S3",
    "storage": "allow the function's own role s3:GetObject on photos, s3:PutObject on previews, and s3:ListBucket",
    "storage by workers": "allow these credentials s3:GetObject on photos, s3:PutObject on previews, and s3:ListBucket",
    "timeout": "raise the function's memory, which is also its CPU, or its time-out, and PREW_LAMBDA_TIMEOUT with it",
    "throttled": "raise Lambda's concurrency limit, or lower PREW_MAX_INVOCATIONS",
    "failed": "see the function's log; check that its package is this project's, for its architecture",
}


async def check_invoke(resizer: ReadyResizer, name: str) -> Finding:
    """Check that the function exists and may be invoked, without running it."""
    try:
        await resizer.ping()
    except Exception as error:  # noqa: BLE001 -- a probe raises any exception, and each one is a finding
        detail, fix = str(error), "check AWS_ENDPOINT_URL_LAMBDA (unset for Amazon's) and AWS_REGION"
        if "ResourceNotFoundException" in detail:
            fix = "set PREW_LAMBDA_FUNCTION to the name or ARN of a function in AWS_REGION"
        if "AccessDeniedException" in detail:
            fix = f"allow these credentials lambda:InvokeFunction on {name}"
        return failed(INVOKE, detail, fix)
    return ok(INVOKE, name)


async def check_makes(
    resizer: ReadyResizer, settings: Settings, photo: str, previews: ObjectReader, permissions: S3Permissions
) -> list[Finding]:
    """Check that it renders a preview of this photo, or only that it answers if `photo` is empty.

    Raises `StorageFailed`.
    """
    preset = next(iter(settings.variants.values()))
    name = photo.removeprefix(f"{settings.source_prefix}/") or f"{DOCTOR}/none.jpg"
    key = f"{settings.preview_prefix}/{DOCTOR}/{name}"
    job = RenderJob(Preview(DOCTOR, preset, f"{settings.source_prefix}/{name}", key))
    try:
        made = (await resizer.resize(job)).made
    except PhotoMissing as error:
        if photo:
            return [failed(MAKES, str(error), _FIXES["missing"])]
        return [skipped(MAKES, "it answers, and may read photos; no photo is stored to render", "upload a photo")]
    except PhotoRejected as error:
        return [skipped(MAKES, f"it answers, but cannot render {photo}: {error}", "upload another photo")]
    except PreviewFailed as error:
        kind = error.kind if settings.lambda_function else f"{error.kind} by workers"
        return [failed(MAKES, f"{error.kind}: {error}", _FIXES.get(kind) or _FIXES.get(error.kind, _FIXES["failed"]))]
    found = await previews.head(key)
    deleted = await permissions.delete(key)
    if found is None:
        fix = "the function writes to another bucket or S3 than this command reads: check its AWS_ENDPOINT_URL_S3"
        return [failed(MAKES, f"the function reports success, but {key} is not stored", fix)]
    warning = "" if found.fingerprint else "; it has no fingerprint, so `stale` reports all its previews as changed"
    findings = [ok(MAKES, f"{made.content_type}, {found.made.size} bytes of {name}{warning}")]
    if deleted.code:
        findings.append(failed("function: cleaned up", f"{key}: {deleted.code}", "delete it, or allow s3:DeleteObject"))
    return findings
