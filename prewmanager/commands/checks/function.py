"""The resize function, or the worker processes: can it be invoked, and does it make a preview?

It is tried on a photo that is there, under a preset's name that cannot be one, and what it made is deleted.
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

_INVOKE, _MAKES = "function: invoke", "function: makes a preview"
_CURES = {
    "missing": "the function reads another bucket or S3 than this command: its AWS_REGION, its AWS_ENDPOINT_URL_S3",
    "storage": "allow the function's own role s3:GetObject on photos, s3:PutObject on previews, and s3:ListBucket",
    "storage by workers": "allow these credentials s3:GetObject on photos, s3:PutObject on previews, and s3:ListBucket",
    "timeout": "raise the function's memory, which is also its CPU, or its time-out, and PREW_LAMBDA_TIMEOUT with it",
    "throttled": "raise Lambda's concurrency limit, or lower PREW_MAX_INVOCATIONS",
    "failed": "the function's log says why; is it this project's package, for this architecture?",
}


async def check_invoke(resizer: ReadyResizer, name: str) -> Finding:
    """Whether the function is there and may be invoked, without running it."""
    try:
        await resizer.ping()
    except Exception as error:  # noqa: BLE001 -- a probe raises what it likes, and all of it is the finding
        said, fix = str(error), "is AWS_ENDPOINT_URL_LAMBDA right (unset for Amazon's), and AWS_REGION?"
        if "ResourceNotFoundException" in said:
            fix = "set PREW_LAMBDA_FUNCTION to the name or ARN of a function in AWS_REGION"
        if "AccessDeniedException" in said:
            fix = f"allow these credentials lambda:InvokeFunction on {name}"
        return failed(_INVOKE, said, fix)
    return ok(_INVOKE, name)


async def check_makes(
    resizer: ReadyResizer, settings: Settings, photo: str, looks: ObjectReader, permissions: S3Permissions
) -> list[Finding]:
    """Whether it makes a preview of a photo, which is deleted again. Raises `StorageFailed`."""
    preset = next(iter(settings.variants.values()))
    name = photo.removeprefix(f"{settings.source_prefix}/") or f"{DOCTOR}/none.jpg"
    key = f"{settings.preview_prefix}/{DOCTOR}/{name}"
    job = RenderJob(Preview(DOCTOR, preset, f"{settings.source_prefix}/{name}", key))
    try:
        made = (await resizer.resize(job)).made
    except PhotoMissing as error:
        if photo:
            return [failed(_MAKES, str(error), _CURES["missing"])]
        return [skipped(_MAKES, "it answers, and may read photos; there is none to try", "upload one")]
    except PhotoRejected as error:
        return [
            skipped(_MAKES, f"it answers, and {photo} is no picture that it can use: {error}", "name another photo")
        ]
    except PreviewFailed as error:
        kind = error.kind if settings.lambda_function else f"{error.kind} by workers"
        return [failed(_MAKES, f"{error.kind}: {error}", _CURES.get(kind) or _CURES.get(error.kind, _CURES["failed"]))]
    found = await looks.head(key)
    deleted = await permissions.delete(key)
    if found is None:
        fix = "the function writes to another bucket or S3 than this command reads: its AWS_ENDPOINT_URL_S3"
        return [failed(_MAKES, f"it says that it did, and {key} is not there", fix)]
    marked = "" if found.fingerprint else "; without a fingerprint, so `stale` takes all of its previews for changed"
    findings = [ok(_MAKES, f"{made.content_type}, {found.made.size} bytes of {name}{marked}")]
    if deleted.code:
        findings.append(failed("function: cleaned up", f"{key}: {deleted.code}", "delete it, or allow s3:DeleteObject"))
    return findings
