"""All settings of the service, read from the environment once and validated, one by one and together.

Their names begin with `PREW_`; settings that the AWS SDK reads too keep their AWS names. An invalid setting aborts
startup with one line that names the variable and the fix.
"""

from __future__ import annotations

import re
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    FilePath,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from prewmanager.config.environment import is_installed
from prewmanager.config.errors import too_long
from prewmanager.config.fitting import misfit_of
from prewmanager.config.names import (
    Bucket,
    Function,
    Host,
    Hosts,
    Region,
    SourceKeys,
    namespace_of,
    one_resizer,
)
from prewmanager.config.presets import ParsedPreset, PresetName, without_unknown_fields
from prewmanager.config.purges import Purges
from prewmanager.config.sources import SourceName, SourceSettings
from prewmanager.previews.layout import Layout
from prewmanager.previews.variants import all_variants
from prewmanager.redis_address import parse
from prewmanager_presets import Preset

Seconds = Annotated[float, Field(gt=0, le=900)]
Rate = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]
Endpoint = Annotated[str, AfterValidator(lambda address: address.rstrip("/"))]
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Settings(BaseSettings):
    """One field for each variable: `lock_ttl` is `PREW_LOCK_TTL`. Times are seconds, sizes bytes."""

    model_config = SettingsConfigDict(
        env_prefix="PREW_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
        frozen=True,
        extra="ignore",
    )

    # The first field: the validator of the presets asks for it.
    strict: bool = Field(
        True,
        description="stop at a variable or preset field that this version does not know; `false`: warn, and ignore it, "
        "as beside a newer version",
    )

    presets: Annotated[dict[PresetName, ParsedPreset], Field(min_length=1)] = Field(
        description="the presets, as one JSON object or field by field: `PREW_PRESETS__CARD__WIDTH=720`"
    )

    source_bucket: Bucket = Field(description="the bucket of the photos")
    preview_bucket: Bucket | None = Field(None, description="bucket of the previews; unset: that of the photos")
    source_prefix: Prefix = Field("photo", description="first path segment of photos")
    source_keys: SourceKeys | None = Field(
        None,
        description="what photos' keys begin with, such as `wp-content/uploads/`; set and empty, or `/`: the bucket's "
        "root. Unset: `PREW_SOURCE_PREFIX`",
    )
    sources: dict[SourceName, SourceSettings] = Field(
        {},
        description="further sources, each by the host of requests: `PREW_SOURCES__SHOP__BUCKET` and `…__HOSTS`, and "
        "where wanted `…__KEYS` and `…__PRESETS`",
    )
    preview_prefix: Prefix = Field("prew", description="first path segment of previews")
    cache_control: str = Field("public, max-age=31536000", description="`Cache-Control` of stored previews")

    thumbhash: bool = Field(
        False, description="send the photo's ThumbHash, a placeholder of some 25 bytes, as `X-ThumbHash`"
    )

    host: Host = Field("::", description="address that the service listens on; `::` is every one, IPv4 too")
    port: Port = Field(8180, description="port that the service listens on")
    hosts: Hosts | None = Field(
        None,
        description="names that the service answers to besides addresses and `prewmanager`, separated by spaces, such "
        "as `images.example.com`: those of nginx; others get 421. Unset: all",
    )
    shutdown_grace: Seconds = Field(25, description="time for requests in flight at shutdown")
    log_level: LogLevel = Field("info", description="`debug`, `info`, `warning` or `error`")
    contact_sheet: bool = Field(
        False, description="serve the contact sheet, a page of presets, photos and flights, at `/-/presets`"
    )

    redis_url: str | None = Field(
        None,
        repr=False,
        description="Redis or Valkey, such as `redis://host:6379/0`, `redis+cluster://host,host` or "
        "`redis+sentinel://host,host/name`; unset: each process coalesces alone",
    )
    redis_password_file: FilePath | None = Field(
        None,
        repr=False,
        description="file with Redis's password, read for each connection, so that a rotated one needs no restart; "
        "unset: the password in `PREW_REDIS_URL`",
    )
    lease: Seconds = Field(
        5, description="life of a lease between renewals; a dead replica's flight is taken over after it"
    )
    lock_ttl: Seconds = Field(30, description="longest time that one replica holds a preview's lease")
    wait_timeout: Seconds = Field(45, description="longest time that a request waits for its preview")
    proxy_read_timeout: Seconds = Field(60, description="nginx's time-out for the service; nginx reads it too")
    fallback_after: Annotated[float, Field(ge=0, le=900)] | None = Field(
        None,
        description="time after which a request gets a fallback preview of the photo while its own is rendered, or "
        "after a failure that is not the photo's fault; 0: at once; unset: never",
    )
    max_flights: Count = Field(2000, description="most flights of one process at once; above: 503")
    max_result_bytes: Bytes = Field(
        1024 * 1024, description="largest preview that Redis and memory hold; larger ones are streamed from S3"
    )

    lambda_function: Function | None = Field(
        None, description="the resize function's name or ARN; without it and a resize server, worker processes render"
    )
    lambda_timeout: Seconds = Field(
        10, description="the function's time-out, as set in AWS; otherwise that of a worker, or of the resize server"
    )
    resizer_url: Endpoint | None = Field(
        None, description="instead of a function, a `prewmanager resize-server`, such as `http://resizer:8190`"
    )
    resizer_token: SecretStr | None = Field(None, description="what the resize server demands as a bearer token")
    invoke_timeout: Seconds = Field(15, description="longest time for the existence check and the resize together")
    max_resizes_per_second: Rate | None = Field(
        None, description="most resizes a second over all replicas; above: 503. Unset: no limit"
    )
    resize_burst: Count = Field(20, description="most resizes at once under that rate limit")
    answer_first: bool = Field(True, description="answer a preview before it is in S3, where Redis serves it meanwhile")
    max_invocations: Count = Field(
        64, description="most concurrent invocations of one process, or requests to the server"
    )
    resize_workers: Count = Field(2, description="worker processes if neither a function nor a resize server is set")

    polish: bool = Field(
        False,
        description="render each preview that somebody waited for once more where nobody waits, at the effort "
        "`small`; it replaces the first one if it has 5 % fewer bytes. Needs Redis",
    )
    max_polishes_per_second: Rate = Field(
        1, description="most previews that are polished in a second, over all replicas"
    )

    result_ttl: Seconds = Field(
        10, description="how long a finished result stays cached in Redis; 10 s longer where S3 may not show it yet"
    )
    missing_ttl: Seconds = Field(60, description="how long a missing photo stays cached")
    rejected_ttl: Seconds = Field(300, description="how long an unsupported, corrupt or too large photo stays cached")
    transient_ttl: Seconds = Field(2, description="how long any other failure stays cached")

    purges: Purges | None = Field(
        None,
        description="caches in front, where copies of what has changed are purged, separated by spaces: "
        "`cloudfront:DISTRIBUTION`, `cloudflare:ZONE`, `fastly:SERVICE`, and nginx's purge port, `nginx:HOST:PORT` "
        "(`nginx`: `nginx:nginx:8081`)",
    )
    cloudflare_token: SecretStr | None = Field(None, description="API token of Cloudflare that may purge the zone")
    cloudflare_url: Endpoint = Field("https://api.cloudflare.com/client/v4", description="Cloudflare's API")
    fastly_token: SecretStr | None = Field(None, description="API token of Fastly that may purge the service")
    fastly_url: Endpoint = Field("https://api.fastly.com", description="Fastly's API")

    aws_region: Region = Field(
        "us-east-1", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"), description="AWS region"
    )
    s3_endpoint: Endpoint | None = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        description="endpoint of another S3 than Amazon's, addressed path-style",
    )
    lambda_endpoint: Endpoint | None = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"),
        description="endpoint of another Lambda than Amazon's",
    )

    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        repr=False,
        description="OpenTelemetry collector for traces, by OTLP over HTTP; unset: no traces",
    )

    @field_validator("presets", mode="before")
    @classmethod
    def _fields_are_known(cls, value: object, info: ValidationInfo) -> object:
        return value if info.data.get("strict", True) else without_unknown_fields(value)

    @field_validator("otlp_endpoint")
    @classmethod
    def _has_otel(cls, value: str | None) -> str | None:
        if value is not None and not is_installed("opentelemetry.exporter.otlp.proto.http"):
            raise ValueError("requires an optional dependency: pip install prewmanager[otel], or unset it")
        return value

    @field_validator("proxy_read_timeout", mode="before")
    @classmethod
    def _is_a_number_for_nginx(cls, value: object) -> object:
        """Accept the forms that nginx's script accepts."""
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", value):
            raise ValueError("must be a number of seconds such as 60 or 60.5, as nginx reads it")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            parse(value)
        return value

    @field_validator("cache_control")
    @classmethod
    def _is_a_header(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()):
            raise ValueError("has a character that is invalid in an HTTP header")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        misfit = misfit_of(self)
        if misfit is not None:
            raise ValueError(misfit)
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Settings:
        one_resizer(self.lambda_function, self.resizer_url, self.resizer_token)
        most = "resize_workers" if self.has_workers else "max_invocations"
        if {"max_flights", most} <= self.model_fields_set and getattr(self, most) > self.max_flights:
            raise ValueError(too_long(self, most, "must not be more than", "max_flights"))
        return self

    @cached_property
    def variants(self) -> dict[str, Preset]:
        """All variants that a path can request, by name: each preset, with its formats and densities."""
        return all_variants(self.presets)

    @property
    def source(self) -> str:
        """The name of the source that these settings are of; empty for the main one."""
        return ""

    @property
    def quota_name(self) -> str:
        """What separates this service's rate limit in Redis from those of others."""
        return self.namespace

    @property
    def layout(self) -> Layout:
        """Where photos and previews are in their buckets and in paths."""
        return Layout(self.source_prefix, self.preview_prefix, self.source_keys)

    @property
    def preview_bucket_name(self) -> str:
        """The bucket of the previews, which is that of the photos if none is set."""
        return self.preview_bucket or self.source_bucket

    @property
    def has_workers(self) -> bool:
        """Whether the service's own processes render."""
        return not (self.lambda_function or self.resizer_url)

    @property
    def namespace(self) -> str:
        """What separates this site's keys in Redis from those of others: the previews' bucket, and whose it is.

        Amazon has each name once, other stores have theirs.
        """
        return namespace_of(self.preview_bucket_name, self.s3_endpoint)

    @property
    def site(self) -> str:
        """What replicas of one site have in common, and two sites have not, for messages."""
        # In an order of their own: replicas may have the variables in different ones.
        named = "".join(f"{name} {self.variants[name].fingerprint} " for name in sorted(self.variants))
        presets = sha256(named.encode()).hexdigest()[:8]
        where = self.s3_endpoint or "Amazon's S3"
        return f"photos in {self.source_bucket}/{self.layout.photos.removesuffix('/')} at {where}, presets {presets}"

    @property
    def identity(self) -> str:
        """The same, with where the previews are: what a replica proves to `doctor`."""
        return f"{self.namespace}/{self.preview_prefix} {self.site}"
