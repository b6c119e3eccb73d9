"""Checks the request path: nginx, S3 and the service behind it; and the service's own port."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Mapping
from urllib.parse import quote

from prewmanager.adapters.http_probe import Reply, get
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager.commands.checks.access import access_to, opened_to_all
from prewmanager.commands.checks.bucket import Sample
from prewmanager.config.settings import Settings
from prewmanager.listening import listening_socket
from prewmanager.web.identity import DOCTOR, proof
from prewmanager_presets import Preset

_WITHIN_S = 10.0
_NGINX_FIXES = {
    False: "check that --url is nginx's address and that nginx runs; its error log says why it does not",
    True: "nginx is connected to and does not answer: its processes are frozen, or busy; restart it",
}
_UNKNOWN_PRESET = "Unknown preset"  # a problem's title in `web.problems`
_TO_S3 = (
    "point PREW_NGINX_S3_SERVER, PREW_NGINX_S3_HOST and PREW_NGINX_BUCKET_PATH to this bucket, "
    "and allow s3:GetObject to everyone, or to nginx's address, or renew PREW_NGINX_CREDENTIALS_FILE; with "
    "PREW_NGINX_ROLE, nginx's error log says what its role lacks"
)
_TO_SIGN = (
    "give this command nginx's PREW_NGINX_SIGNED and PREW_NGINX_SIGNING_KEYS_FILE, and both machines the right time"
)
_ASKED = 8  # times: nginx chooses among the replicas by chance


async def check_request_path(
    url: str,
    samples: tuple[Sample | None, Sample | None],
    settings: Settings,
    nginx: Mapping[str, str],
) -> list[Finding]:
    """Return the findings about nginx at `url`; the samples are a stored photo and a stored preview, or None.

    `nginx` has the variables that this command knows of nginx's.
    """
    base, preview_prefix = url.rstrip("/"), settings.preview_prefix
    health = await get(f"{base}/nginx-health", within_s=_WITHIN_S)
    if health.status != 200:  # noqa: PLR2004 -- HTTP's
        return [failed("nginx", described(health), _NGINX_FIXES[health.timed_out])]
    findings = [ok("nginx", base)]
    for check, sample in zip(("nginx: photos from S3", "nginx: previews from S3"), samples, strict=True):
        findings.append(await _sampled(base, check, sample, nginx, settings))
    findings.append(await _to_service(f"{base}/{preview_prefix}/{DOCTOR}", settings.identity))
    findings.append(await check_formats(f"{base}/{preview_prefix}", settings.presets))
    return findings


async def _sampled(
    base: str, check: str, sample: Sample | None, nginx: Mapping[str, str], settings: Settings
) -> Finding:
    if sample is None:
        return skipped(check, "none is stored")
    path = settings.layout.path_key(sample.key)
    try:
        access = access_to(path, nginx, settings.preview_prefix, settings.source)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return failed(check, f"PREW_NGINX_SIGNING_KEYS_FILE: {reason}", "give this command nginx's keys file")
    url = f"{base}/{quote(path)}"
    if wrong := await opened_to_all(url, access, within_s=_WITHIN_S):
        return failed(check, f"{sample.key}: {wrong}", "give nginx this variable, and restart it")
    if access.refusal and not access.query:
        return ok(check, f"closed by {access.variable}")
    return await _from_s3(f"{url}{access.query}", check, sample)


async def _from_s3(url: str, check: str, sample: Sample) -> Finding:
    key = sample.key
    reply = await get(url, within_s=_WITHIN_S)
    if reply.status == 403:  # noqa: PLR2004 -- HTTP's
        return failed(check, f"{key}: nginx asks for a signature, or for another", _TO_SIGN)
    if reply.status != 200:  # noqa: PLR2004 -- HTTP's
        return failed(check, f"{key} is in the bucket, but nginx answers {described(reply)}", _TO_S3)
    if "X-Preview" in reply.headers:
        return failed(check, f"{key} is in the bucket, but nginx asked the service for it", _TO_S3)
    etag = reply.headers.get("ETag", "").removeprefix("W/").strip('"')
    if sample.etag and etag != sample.etag:
        by_cache = "X-Cache" in reply.headers
        fix = "wait PREW_NGINX_CACHE_VALID, or delete its copy: prewmanager purge --nginx-cache" if by_cache else _TO_S3
        return failed(check, f"{key} is {sample.etag} in the bucket, but nginx serves {etag or 'another object'}", fix)
    return ok(check, key)


async def _to_service(url: str, site: str) -> Finding:
    """Ask which site's replicas answer through nginx: only those with this command's settings know."""
    check = "nginx: missing previews to the service"
    strangers = 0
    for _ in range(_ASKED):
        nonce = secrets.token_hex(8)
        reply = await get(f"{url}/{nonce}", within_s=_WITHIN_S)
        if reply.status != 404 or _UNKNOWN_PRESET not in reply.body:  # noqa: PLR2004 -- HTTP's
            fix = "set PREW_NGINX_SERVICES to running replicas, and PREW_PREVIEW_PREFIX to the same value in both"
            return failed(check, described(reply), fix)
        strangers += _member(reply, "site") != proof(site, nonce)
    if strangers:
        detail = (
            f"{strangers} of {_ASKED} answers are of replicas with other buckets, prefixes or presets than this command"
        )
        fix = "set PREW_NGINX_SERVICES to this site's replicas, and give them the PREW_ variables of this command"
        return failed(check, detail, fix)
    return ok(check, "the service answers through nginx")


def _member(reply: Reply, name: str) -> object:
    try:
        return json.loads(reply.body).get(name)
    except (ValueError, AttributeError):
        return None


async def check_formats(base: str, presets: Mapping[str, Preset]) -> Finding:
    """Check that nginx chooses a format by `Accept` for exactly those presets whose format is auto.

    Its `Vary` shows that, even for a path that nginx rejects: without a photo's name it reaches neither S3 nor the
    service.
    """
    check = "nginx: formats by Accept"
    negotiated = {name for name in presets if await _varies(f"{base}/{name}/")}
    auto = {name for name, preset in presets.items() if preset.format == "auto"}
    fix = "give nginx the service's PREW_PRESETS__<NAME>__FORMAT, or PREW_NGINX_AUTO_PRESETS, and restart both"
    if missed := sorted(auto - negotiated):
        return failed(check, f"{', '.join(missed)}: the format is auto, but nginx serves all clients the same", fix)
    if wrong := sorted(negotiated - auto):
        return failed(check, f"{', '.join(wrong)}: nginx requests formats that the service does not render", fix)
    return ok(check, ", ".join(sorted(auto)) or "no preset's format is auto")


async def _varies(url: str) -> bool:
    reply = await get(url, within_s=_WITHIN_S)
    return "accept" in {each.strip().lower() for each in reply.headers.get("Vary", "").split(",")}


async def check_port(host: str, port: int) -> Finding:
    """Check that the service can listen on this address, or does already."""
    try:
        listening_socket(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and await _is_service(host, port):
            return ok("port", f"the service listens on {host}:{port}")
        fix = "set PREW_HOST and PREW_PORT to a free, permitted address, or stop the program that listens"
        return failed("port", f"{host}:{port}: {os.strerror(error.errno or 0)}", fix)
    return ok("port", f"{host}:{port} is free")


async def _is_service(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 -- not bound
    reply = await get(f"http://{here}:{port}/healthz", within_s=_WITHIN_S)
    return reply.status == 200 and '"alive"' in reply.body  # noqa: PLR2004 -- HTTP's


def described(reply: Reply) -> str:
    """Format an answer for a finding."""
    return f"{reply.status}: {reply.body[:200]}" if reply.status else f"no answer: {reply.body}"
