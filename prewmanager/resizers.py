"""Opens what renders previews: Lambda, a resize server, or worker processes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import structlog

from prewmanager.adapters.aws.lambda_client import open_lambda_client
from prewmanager.adapters.aws.lambda_resizer import LambdaResizer
from prewmanager.adapters.http_limits import Limits
from prewmanager.adapters.resize_http.resizer import open_http_resizer
from prewmanager.config.environment import require_resize_packages
from prewmanager.config.settings import Settings
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.polish import Polisher
from prewmanager.resizing.ports import CostMeter, Resizer
from prewmanager.sizes import renderings_at_once
from prewmanager.times import UNWRITTEN_S
from prewmanager.web.ports import Probe
from prewmanager_presets import Effort

if TYPE_CHECKING:
    from prewmanager.adapters.worker_pool import WorkerPool

_log = structlog.get_logger(__name__)


class ReadyResizer(Resizer, Polisher, Probe, Protocol):
    """A resizer with a readiness probe, which polishes too."""


@contextlib.asynccontextmanager
async def innermost_resizer(
    settings: Settings, cost_meter: CostMeter, *, effort: Effort | None = None, workers: WorkerPool | None = None
) -> AsyncIterator[ReadyResizer]:
    """Open the resizer that renders: Lambda, a resize server, or the service's `workers` if neither is configured.

    `effort`: of the encoders, whatever the presets say. `workers` None: processes of its own.
    """
    contract = ResizeContract(
        source_bucket=settings.source_bucket,
        preview_bucket=settings.preview_bucket_name,
        layout=settings.layout,
        cache_control=settings.cache_control,
        thumbhash=settings.thumbhash,
        max_result_bytes=settings.max_result_bytes,
        unwritten_s=UNWRITTEN_S,
        effort=effort,
    )
    limits = Limits(
        connect_s=1, read_s=settings.invoke_timeout, connections=renderings_at_once(settings) + settings.polish
    )
    if settings.lambda_function is not None:
        region, endpoint = settings.aws_region, settings.lambda_endpoint
        opened = open_lambda_client(settings.lambda_function, region=region, endpoint_url=endpoint, limits=limits)
        async with opened as client:
            yield LambdaResizer(client, contract, cost_meter)
    elif settings.resizer_url is not None:
        token = settings.resizer_token.get_secret_value() if settings.resizer_token else ""
        async with open_http_resizer(settings.resizer_url, contract, token=token, limits=limits) as server:
            yield server
    elif workers is not None:
        yield _local_resizer(contract, workers)
    else:
        async with _own_workers(settings) as own:
            yield _local_resizer(contract, own)


def _local_resizer(contract: ResizeContract, workers: WorkerPool) -> ReadyResizer:
    from prewmanager.adapters.local_resizer import LocalResizer  # noqa: PLC0415 -- as in `_own_workers`

    return LocalResizer(contract, workers)


@contextlib.asynccontextmanager
async def worker_pool(settings: Settings) -> AsyncIterator[WorkerPool | None]:
    """Start the worker processes, and stop them with the renderings in progress; None where something else renders."""
    if settings.has_workers:
        async with _own_workers(settings) as pool:
            yield pool
    else:
        yield None


@contextlib.asynccontextmanager
async def _own_workers(settings: Settings) -> AsyncIterator[WorkerPool]:
    require_workers(settings)
    # Imported only here: the worker processes' dependencies are optional, and a service with Lambda needs none.
    from prewmanager.adapters.worker_pool import WorkerPool  # noqa: PLC0415 -- see above

    _log.warning("resizer.in_process", reason="PREW_LAMBDA_FUNCTION is not set", workers=settings.resize_workers)
    pool = WorkerPool(workers=settings.resize_workers, timeout_s=settings.lambda_timeout)
    async with contextlib.aclosing(pool):
        yield pool


def resizer_name(settings: Settings) -> str:
    """Return what renders, as `/readyz` names it."""
    return "workers" if settings.has_workers else "lambda" if settings.lambda_function else "resize_server"


def require_workers(settings: Settings) -> None:
    """Raise `InvalidSettings` if previews are to be rendered by worker processes, and what these need is missing."""
    if settings.has_workers:
        require_resize_packages("PREW_LAMBDA_FUNCTION is not set", ", or set it to a function's name")
