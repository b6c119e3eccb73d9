"""Lambda behind a proxy with a password."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from prewmanager.adapters.aws.lambda_client import open_lambda_client
from prewmanager.adapters.http_limits import Limits


@pytest.mark.fault("secret-in-setting")
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_proxy_gets_its_password_and_messages_do_not(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    seen: list[str] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Proxy-Authorization", ""))
        return web.Response(status=407)

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    async with RawTestServer(proxy) as server:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"{scheme}user:hunter2@127.0.0.1:{server.port}")
        for endpoint in ("http://lambda.invalid", "https://lambda.invalid"):
            opened = open_lambda_client("f", region="us-east-1", endpoint_url=endpoint, limits=Limits(1, 1, 1))
            async with opened as client:
                try:
                    reply = await client.invoke(b"{}")
                    assert "hunter2" not in repr(reply)
                except aiohttp.ClientError as error:
                    assert "hunter2" not in f"{error!r} {error}"  # noqa: PT017 -- plain HTTP has a reply instead

    login = aiohttp.encode_basic_auth("user", "hunter2")
    assert seen == [login, login]
