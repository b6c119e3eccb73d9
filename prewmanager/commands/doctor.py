"""Checks everything that the service needs, one thing at a time, and reports what is wrong and how to fix it.

It leaves nothing behind: objects are written under names that nothing else uses, and deleted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict

import typer

from prewmanager.adapters.aws.s3_inventory import S3Inventory, s3_client
from prewmanager.adapters.aws.s3_permissions import S3Permissions
from prewmanager.commands.checks import Finding, State, credentials_fix, failed, ok, skipped
from prewmanager.commands.checks.balance import check_balance
from prewmanager.commands.checks.bucket import (
    check_former_prefixes,
    check_photos,
    check_presets,
    check_previews,
    check_reader,
    preview_of,
)
from prewmanager.commands.checks.function import INVOKE, MAKES, check_invoke, check_makes, check_missing
from prewmanager.commands.checks.polish import check_polished
from prewmanager.commands.checks.redis import check_redis, check_sites
from prewmanager.commands.checks.replicas import check_replicas
from prewmanager.commands.checks.request_path import check_port, check_request_path
from prewmanager.commands.output import print_json, print_table
from prewmanager.commands.site import object_reader
from prewmanager.config.one_source import read_settings_of
from prewmanager.config.reading import ignored_settings
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidKey, InvalidSettings, PrewError
from prewmanager.previews.layout import Layout
from prewmanager.resizers import innermost_resizer
from prewmanager.telemetry.metrics import Metrics


async def run(url: str, replicas: Sequence[str], photo: str, source: str = "", *, as_json: bool) -> int:
    """Run the command and return its exit code, 1 if a check failed.

    Raises `typer.BadParameter` if `photo` is not empty and no photo's key.
    """
    try:
        settings = read_settings_of(source)
        if photo:
            _check_photo(settings.layout, photo)
        findings = [ok("settings", f"presets: {', '.join(settings.presets)}")]
        fix = "update this version, or correct the name"
        findings += [skipped("settings: unknown", line, fix) for line in ignored_settings()]
        findings += await examine(settings, url, photo)
        findings += await check_replicas(replicas, settings.variants)
    except InvalidSettings as error:
        findings = [failed("settings", line, "correct this variable") for line in error.lines]
    rows = [asdict(each) for each in findings]
    (print_json if as_json else print_table)(rows)
    return int(any(each.state is State.FAILED for each in findings))


async def examine(settings: Settings, url: str, photo: str) -> list[Finding]:
    """Run all checks that need valid settings; nginx is checked only if `url` is not empty.

    `photo`, if it is not empty, is the key of the photo to render.
    """
    findings = [
        await check_port(settings.host, settings.port),
        *await check_redis(settings.redis_url, settings.redis_password_file),
        *await check_sites(settings),
        *await check_polished(settings),
    ]
    async with s3_client(region=settings.aws_region, endpoint_url=settings.s3_endpoint) as client:
        previews = S3Permissions(client, settings.preview_bucket_name)
        photos = S3Permissions(client, settings.source_bucket)
        found, sample = await check_photos(photos, settings.source_bucket, settings.layout, photo)
        findings += found
        found, preview = await check_previews(previews, settings.preview_bucket_name, settings.preview_prefix)
        findings += found
        if photo:
            preview = await preview_of(previews, photo, settings.variants, settings.layout)
        inventory = S3Inventory(client, settings.preview_bucket_name)
        findings.append(await check_presets(inventory, settings.preview_prefix, settings.variants))
        known = {settings.source_prefix, settings.preview_prefix, settings.layout.photos.partition("/")[0]}
        findings.append(await check_former_prefixes(inventory, known, settings.variants))
        findings.append(await check_reader(object_reader(settings, settings.preview_bucket_name)))
        findings += await _check_function(settings, sample.key if sample else "", previews)
    if url:
        samples = sample, preview
        findings += await check_request_path(url, samples, settings, os.environ)
        findings.append(await check_balance(os.environ))
    return findings


def _check_photo(layout: Layout, photo: str) -> None:
    try:
        layout.name_of(photo)
    except InvalidKey as error:
        raise typer.BadParameter(str(error), param_hint="--photo") from None


async def _check_function(settings: Settings, photo: str, permissions: S3Permissions) -> list[Finding]:
    name = settings.lambda_function or settings.resizer_url or f"{settings.resize_workers} worker processes"
    async with AsyncExitStack() as stack:
        try:
            resizer = await stack.enter_async_context(innermost_resizer(settings, Metrics().costs))
        except InvalidSettings as error:
            what, _, fix = str(error).partition(": ")
            return [failed(INVOKE, what, fix)]
        if not settings.has_workers:
            invoked = await check_invoke(resizer, name)
            if invoked.state is State.FAILED:
                return [invoked]
        else:
            invoked = ok(INVOKE, f"PREW_LAMBDA_FUNCTION is not set: {name}")
        try:
            previews = object_reader(settings, settings.preview_bucket_name)
            makes = await check_makes(resizer, settings, photo, previews, permissions)
            return [invoked, *makes, *(await check_missing(resizer, settings) if photo else [])]
        except PrewError as error:
            fix = credentials_fix(str(error)) or "see the findings about previews"
            return [invoked, failed(MAKES, str(error), fix)]
