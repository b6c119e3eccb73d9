"""The web application: previews, health, metrics, and the contact sheet.

GET, HEAD /prew/<preset>/<key>    the preview
GET /healthz                      200 while the process is alive
GET /readyz                       200 when S3 and Lambda answer, 503 otherwise; names each dependency, Redis too,
                                  without which the service is ready but degraded
GET, HEAD /-/able                 200 while the process can render; 503 for five seconds after a fault of its own: nginx
                                  asks before each miss, and then goes to another replica
GET /metrics                      for Prometheus
GET /-/fingerprints               the fingerprint of each preset, to compare replicas
PUT /-/outdated/<photo's key>     a photo's outdated previews are deleted next: 204
DELETE /-/results/<photo's key>   evicts what is cached of a photo that was uploaded or removed, here and in front:
                                  204; 503 while Redis is away, or a cache. `?bucket=` names the bucket of the photo,
                                  where there are several sources, and likewise for PUT
GET /-/presets                    the contact sheet, if it is enabled
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from prewmanager import __version__
from prewmanager.errors import PrewError
from prewmanager.flights.coalescer import Coalescer
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import PreviewStore
from prewmanager.purging.photos import ChangedPhotos
from prewmanager.telemetry.metrics import Metrics
from prewmanager.web.contact_sheet.routes import ContactSheet
from prewmanager.web.hosts import host_name
from prewmanager.web.identity import add_identity
from prewmanager.web.photo_changed import PhotoChangedHandler
from prewmanager.web.ports import PreviewProvider, Probe
from prewmanager.web.previews import PreviewHandler
from prewmanager.web.problems import problem, server_failures

PROBE_TIMEOUT_S = 3.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers work with.

    Without one of `required` the service is not ready; without one of `optional` it is degraded. `site` is what its
    replicas have in common, and no other site's. `sources`, by name, are the further ones, `by_host` those that a
    request's `Host` stands for; `bucket` has the photos.
    """

    catalogue: Catalogue
    coalescer: Coalescer
    provider: PreviewProvider
    store: PreviewStore
    metrics: Metrics
    required: Mapping[str, Probe]
    optional: Mapping[str, Probe]
    site: str = ""
    sheet: ContactSheet | None = None
    middlewares: Sequence[Middleware] = ()
    photos: ChangedPhotos | None = None
    sources: Mapping[str, Service] = field(default_factory=dict)
    by_host: Mapping[str, Service] = field(default_factory=dict)
    bucket: str = ""


SERVICE = web.AppKey("service", Service)


def make_app(service: Service) -> web.Application:
    """Build the web application around a service."""
    app = web.Application(middlewares=[_answer_errors] if service.sheet else [])
    app.middlewares.extend(service.middlewares)
    app[SERVICE] = service
    every = (service, *service.sources.values())
    for each in every:
        presets = each.catalogue.presets
        each.metrics.expect({name: preset.fingerprint for name, preset in presets.items()}, server_failures())
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/-/able", _able)
    app.router.add_get("/-/fingerprints", _fingerprints)
    _photo_changed(service).add_to(app, {each.bucket: _photo_changed(each) for each in every})
    sites = {host: each.site for host, each in service.by_host.items()}
    add_identity(app, service.catalogue.layout.preview_prefix, service.site, sites)
    if service.sheet is not None:
        service.sheet.add_to(app)
    # Everything else, newlines included: the handler reads the raw path.
    app.router.add_route("*", r"/{path:[\s\S]*}", _previews(service))
    return app


def _previews(service: Service) -> Handler:
    """Return what answers requests for previews, of the source that their `Host` stands for."""
    handle = _handler(service)
    if not service.by_host:
        return handle
    by_host = {host: _handler(each) for host, each in service.by_host.items()}

    async def handle_of_source(request: web.Request) -> web.StreamResponse:
        return await by_host.get(host_name(request), handle)(request)

    return handle_of_source


def _photo_changed(service: Service) -> PhotoChangedHandler:
    return PhotoChangedHandler(service.catalogue, service.coalescer, service.photos)


def _handler(service: Service) -> Handler:
    return PreviewHandler(service.catalogue, service.provider, service.store, service.metrics).handle


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer exceptions with problems, for the contact sheet only: a middleware costs a waiter 5 % of its answer."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 -- the last resort: logged in full, not shown to clients
        if not isinstance(error, PrewError):
            request.app[SERVICE].metrics.request_crashed()
        return problem(error, request.raw_path)


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive", "version": __version__})


async def _able(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    is_able = all(each.coalescer.is_able for each in (service, *service.sources.values()))
    return web.json_response({"able": is_able}, status=HTTPStatus.OK if is_able else HTTPStatus.SERVICE_UNAVAILABLE)


async def _readyz(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    sources = service.sources.items()
    required = {**service.required, **{f"s3 of {name}": each.required["s3"] for name, each in sources}}
    probes = {**service.optional, **required}
    answers = await asyncio.gather(*map(_answers, probes, probes.values()))
    states = {name: "ok" if answer else "failed" for name, answer in zip(probes, answers, strict=True)}
    ready = all(states[name] == "ok" for name in required)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response({"ready": ready, "degraded": ready and not all(answers), **states}, status=status)


async def _answers(name: str, probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await probe.ping()
    except Exception as error:  # noqa: BLE001 -- any exception means that the probe failed
        _log.warning("probe.failed", probe=name, error=str(error) or type(error).__name__)
        return False
    return True


async def _fingerprints(request: web.Request) -> web.Response:
    presets = request.app[SERVICE].catalogue.presets
    return web.json_response({name: preset.fingerprint for name, preset in presets.items()})


async def _metrics(request: web.Request) -> web.Response:
    body, content_type = await request.app[SERVICE].metrics.scraped(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})
