"""The environment of each program of the local system."""

from __future__ import annotations

from devstack.backends import S3
from devstack.lambda_server import Lambda
from devstack.local_settings import LocalSettings
from devstack.programs import LOOPBACK

BUCKET = "photos"
# photos.localhost: what the edge function may fetch from; every name below localhost is this machine.
LOCAL_HOSTS = "localhost 127.0.0.1 [::1] photos.localhost"
# Without credentials, SDKs would ask the metadata service of EC2, which is not available here.
_NO_METADATA = {"AWS_EC2_METADATA_DISABLED": "true"}
# Sandboxes and workers share the cores: docs/images.md has the figures.
_ONE_THREAD = {"VIPS_CONCURRENCY": "1"}


def service_environment(
    settings: LocalSettings, *, port: int, redis_url: str, s3: S3 | None = None, function: Lambda | None = None
) -> dict[str, str]:
    """Return the environment of `prewmanager`: the user's settings, and the addresses of the local system.

    An empty value disables a part. Without `s3` the environment suffices only for reading the presets.
    """
    return {
        **_ONE_THREAD,
        **settings.environment,
        **_NO_METADATA,
        **(s3.aws_environment() if s3 else {}),
        **(function.aws_environment() if function else {}),
        "PREW_SOURCE_BUCKET": BUCKET,
        "PREW_PREVIEW_BUCKET": "",
        "PREW_REDIS_URL": redis_url,
        "PREW_LAMBDA_FUNCTION": settings.function if function else "",
        "PREW_HOST": LOOPBACK,
        "PREW_PORT": str(port),
        "PREW_HOSTS": settings.environment.get("PREW_HOSTS") or _service_names(settings),
        "PREW_CONTACT_SHEET": "true",
    }


def _service_names(settings: LocalSettings) -> str:
    """Return nginx's names, which it passes on, or nothing where nginx answers to all."""
    return settings.environment.get("PREW_NGINX_HOSTS", LOCAL_HOSTS)


def function_environment(settings: LocalSettings, s3: S3, service_port: int) -> dict[str, str]:
    """Return the environment of the functions; as on AWS, only the prefixes and the service's address are of it."""
    others = {name: value for name, value in settings.environment.items() if not name.startswith("PREW_")}
    service = {"PREW_SERVICE_URL": f"http://{LOOPBACK}:{service_port}"}
    return _ONE_THREAD | others | places(settings) | service | _NO_METADATA | s3.aws_environment()


def places(settings: LocalSettings) -> dict[str, str]:
    """Return the variables that say where photos and previews are."""
    sources = {name: value for name, value in settings.environment.items() if name.startswith("PREW_SOURCES__")}
    return {"PREW_SOURCE_KEYS": settings.source_keys or "/", "PREW_PREVIEW_PREFIX": settings.preview_prefix, **sources}


def nginx_variables(settings: LocalSettings, s3: S3, service_ports: list[int], www: str) -> dict[str, str]:
    """Return nginx's variables, which nginx/README.md describes."""
    users = {name: value for name, value in settings.environment.items() if name.startswith("PREW_")}
    # At random, so that one can see how replicas share a flight.
    # Another site's name that is pointed at this machine must not read the user's photos.
    return (
        {"PREW_NGINX_HOSTS": LOCAL_HOSTS, "PREW_NGINX_BALANCE": "random"}
        | users
        | {
            "PREW_NGINX_S3_SERVER": f"{LOOPBACK}:{s3.port}",
            "PREW_NGINX_S3_SCHEME": "http",
            "PREW_NGINX_BUCKET_PATH": f"/{s3.bucket}",
            "PREW_NGINX_S3_REFERER": s3.keys.referer or "",
            "PREW_NGINX_SERVICES": " ".join(f"{LOOPBACK}:{port}" for port in service_ports),
            "PREW_NGINX_WWW": www,
        }
    )
