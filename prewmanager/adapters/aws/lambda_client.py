"""Sends Invoke requests to Lambda by aiohttp, with the SDK's endpoint, credentials and signature.

The SDK's own call takes two to three times the CPU of the request itself (it validates each call and runs some thirty
hooks), and a miss consists of little else. docs/decisions/0012 has the figures.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aioboto3
import aiohttp
import orjson
from aiobotocore.session import AioSession
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError
from yarl import URL

from prewmanager.adapters.aws.opening import sdk_refusals
from prewmanager.adapters.http_limits import Limits

# Below the 15 s after which some load balancers in front of AWS's endpoints drop an idle connection; the SDK's value.
_KEEPALIVE_S = 12
_REFUSED_FROM = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """Lambda's reply to one request; `refused` is AWS's error code if the function did not run, else empty."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    refused: str


class LambdaClient:
    """Sends each request exactly once: a retry after a time-out would run the function twice."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        endpoint: str,
        region: str,
        function: str,
        credentials: Any,
        proxy_login: Mapping[str, str],
    ) -> None:
        """`credentials` are the SDK's, which refresh themselves, or None; `proxy_login` is a header."""
        path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
        self._address = endpoint.rstrip("/") + path
        # Marked as encoded: aiohttp would decode an ARN's colons, and the signature would not match the path.
        self._url = URL(self._address, encoded=True)
        self._host = _host(self._url)
        self._http = http
        self._region = region
        self._credentials = credentials
        # An encrypted request passes the proxy unseen: the login is for the tunnel.
        tunnels = self._url.scheme == "https"
        self._tunnel_headers = dict(proxy_login) if tunnels and proxy_login else None
        self._proxy_headers = {} if tunnels else dict(proxy_login)

    async def invoke(self, payload: bytes, *, dry: bool = False) -> Reply:
        """Run the function with this event or, if `dry`, only check the permission.

        Raises `aiohttp.ClientError`, `OSError`, `TimeoutError`, and botocore's `BotoCoreError` if there are no
        credentials.
        """
        headers = await self._signed(payload, {"X-Amz-Invocation-Type": "DryRun"} if dry else {})
        sent = headers | self._proxy_headers
        async with self._http.post(
            self._url, data=payload, headers=sent, proxy_headers=self._tunnel_headers
        ) as response:
            body = await response.read()
            refused = _error_code(response.headers) if response.status >= _REFUSED_FROM else ""
            return Reply(response.status, response.headers, body, refused)

    async def _signed(self, payload: bytes, headers: dict[str, str]) -> dict[str, str]:
        if self._credentials is None:
            raise NoCredentialsError
        frozen = await self._credentials.get_frozen_credentials()
        # Otherwise the signer derives both twice, from the address and from a copy of the payload.
        headers |= {"Host": self._host, "X-Amz-Content-SHA256": sha256(payload).hexdigest()}
        request = AWSRequest("POST", self._address, data=payload, headers=headers)
        SigV4Auth(frozen, "lambda", self._region).add_auth(request)
        return dict(request.headers.items())


def _host(url: URL) -> str:
    """Return the Host header as HTTP clients send it and Lambda verifies it: a default port is left out."""
    return str(url.host_subcomponent) if url.is_default_port() else f"{url.host_subcomponent}:{url.port}"


def _error_code(headers: Mapping[str, str]) -> str:
    # Lambda sends the code, followed for some errors by a colon and a URL.
    return headers.get("x-amzn-ErrorType", "").partition(":")[0] or "an error without a type"


def error_message(body: bytes) -> str:
    """Return the message of an error's body; AWS spells the field in two ways."""
    try:
        error = orjson.loads(body)
    except ValueError:
        return body[:200].decode(errors="replace")
    return str(error.get("message") or error.get("Message") or error) if isinstance(error, dict) else str(error)


@contextlib.asynccontextmanager
async def open_lambda_client(
    function: str, *, region: str, endpoint_url: str | None, limits: Limits
) -> AsyncIterator[LambdaClient]:
    """Open a client of one function, with persistent connections; it closes when the block ends.

    Raises `InvalidSettings` for what the SDK cannot work with.
    """
    sdk = AioSession()
    with sdk_refusals():
        session = aioboto3.Session(botocore_session=sdk)
        # Opened only for its endpoint: the SDK knows AWS's endpoints in all partitions.
        async with session.client("lambda", region_name=region, endpoint_url=endpoint_url) as client:
            endpoint = client.meta.endpoint_url
        bundle = sdk.get_config_variable("ca_bundle")
        # aiohttp has read this machine's certificate authorities already; reading them again takes 40 ms and 1 MB.
        authorities = ssl.create_default_context(cafile=bundle) if bundle else True
        proxy, login = _proxy(endpoint)
        credentials = await session.get_credentials()
    connector = aiohttp.TCPConnector(limit=limits.connections, keepalive_timeout=_KEEPALIVE_S, ssl=authorities)
    # The session holds 8 MB of API descriptions, which are no longer needed.
    del client, session, sdk
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.read_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Not signed: a signed header costs CPU at each request.
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        proxy=proxy,
    ) as http:
        yield LambdaClient(
            http, endpoint=endpoint, region=region, function=function, credentials=credentials, proxy_login=login
        )


def _proxy(endpoint: str) -> tuple[URL | None, dict[str, str]]:
    """Return the environment's proxy for this address, as the SDK does, but once and not for each call.

    Its password is apart from its address, which reaches messages. Raises `ValueError`.
    """
    parts = urlsplit(endpoint)
    found = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if not found:
        return None, {}
    url = URL(found if "://" in found else f"http://{found}")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("a proxy's address begins with http:// or https://")
    if not (url.user or url.password):
        return url, {}
    return url.with_user(None), {"Proxy-Authorization": aiohttp.encode_basic_auth(url.user or "", url.password or "")}
