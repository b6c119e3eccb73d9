"""The road from outside: nginx, S3 behind it, the service behind that; and the service's own port."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from urllib.parse import quote

from prewmanager.adapters.http_probe import Reply, get
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager.commands.checks.bucket import DOCTOR
from prewmanager_presets import Preset

_WITHIN_S = 10.0
_TO_S3 = (
    "PREW_NGINX_S3_SERVER, PREW_NGINX_S3_HOST and PREW_NGINX_BUCKET_PATH must name this bucket, "
    "and anybody, or nginx's address, must be allowed s3:GetObject"
)


async def check_road(
    url: str, photo: str, preview: str, preview_prefix: str, presets: Mapping[str, Preset]
) -> list[Finding]:
    """Findings about nginx at `url`; `photo` and `preview` are keys that are there, or empty."""
    base = url.rstrip("/")
    health = await get(f"{base}/nginx-health", within_s=_WITHIN_S)
    if health.status != 200:  # noqa: PLR2004 -- HTTP's
        fix = "is --url nginx's address, and is it running? its error log says why not"
        return [failed("nginx", _said(health), fix)]
    findings = [ok("nginx", base)]
    for check, key in (("nginx: photos from S3", photo), ("nginx: previews from S3", preview)):
        findings.append(await _from_s3(base, check, key))
    findings.append(await _to_service(f"{base}/{preview_prefix}/{DOCTOR}/none.jpg"))
    findings.append(await check_formats(f"{base}/{preview_prefix}", presets))
    return findings


async def _from_s3(base: str, check: str, key: str) -> Finding:
    if not key:
        return skipped(check, "there is none to ask for")
    reply = await get(f"{base}/{quote(key)}", within_s=_WITHIN_S)
    if reply.status != 200:  # noqa: PLR2004 -- HTTP's
        return failed(check, f"{key} is in the bucket, and nginx answers {_said(reply)}", _TO_S3)
    if "X-Preview" in reply.headers:
        return failed(check, f"{key} is in the bucket, and nginx asked the service for it", _TO_S3)
    return ok(check, key)


async def _to_service(url: str) -> Finding:
    """An unknown preset is refused by the service, in its own words."""
    reply = await get(url, within_s=_WITHIN_S)
    if reply.status == 404 and "no such preset" in reply.body:  # noqa: PLR2004 -- HTTP's
        return ok("nginx: missing previews to the service", "the service answers through nginx")
    fix = "PREW_NGINX_SERVICES must name the replicas, and they must run; PREW_PREVIEW_PREFIX must be alike in both"
    return failed("nginx: missing previews to the service", _said(reply), fix)


async def check_formats(base: str, presets: Mapping[str, Preset]) -> Finding:
    """Whether nginx goes by `Accept` for just those presets whose format is auto.

    It says so by `Vary`, also where it refuses a path: one without a photo's name reaches neither S3 nor the service.
    """
    check = "nginx: formats by Accept"
    said = {name for name in presets if await _varies(f"{base}/{name}/")}
    auto = {name for name, preset in presets.items() if preset.format == "auto"}
    fix = "give nginx the service's PREW_PRESETS__<NAME>__FORMAT, or PREW_NGINX_AUTO_PRESETS, and restart both"
    if missed := sorted(auto - said):
        return failed(check, f"{', '.join(missed)}: format auto, and nginx gives everybody the same", fix)
    if wrong := sorted(said - auto):
        return failed(check, f"{', '.join(wrong)}: nginx asks for formats that the service does not make", fix)
    return ok(check, ", ".join(sorted(auto)) or "no preset's format is auto")


async def _varies(url: str) -> bool:
    reply = await get(url, within_s=_WITHIN_S)
    return "accept" in {each.strip().lower() for each in reply.headers.get("Vary", "").split(",")}


async def check_port(host: str, port: int) -> Finding:
    """Whether the service can listen there, or does already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and await _is_ours(host, port):
            return ok("port", f"the service listens on {host}:{port}")
        said = f"{host}:{port}: {os.strerror(error.errno or 0)}"
        return failed(
            "port", said, "another program has it, or may not: set PREW_HOST and PREW_PORT, or end that program"
        )
    return ok("port", f"{host}:{port} is free")


async def _is_ours(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 -- not bound
    reply = await get(f"http://{here}:{port}/healthz", within_s=_WITHIN_S)
    return reply.status == 200 and '"alive"' in reply.body  # noqa: PLR2004 -- HTTP's


def _said(reply: Reply) -> str:
    return f"{reply.status}: {reply.body[:200]}" if reply.status else f"no answer: {reply.body}"
