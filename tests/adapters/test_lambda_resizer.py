"""The Lambda adapter against real functions in real runtime clients, and against an endpoint that fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aioboto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from devstack.lambda_server import Lambda, start_lambda
from prewmanager.adapters.aws.lambda_client import open_lambda_client
from prewmanager.adapters.aws.lambda_resizer import LambdaResizer
from prewmanager.adapters.http_limits import Limits
from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoFatal,
    PhotoMissing,
    PreviewFailed,
    ReplicaFailed,
    ResizerFailed,
)
from prewmanager.previews.layout import Layout
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.limits import RetryingResizer
from prewmanager.telemetry.metrics import Metrics
from tests.support.certificates import self_signed
from tests.support.fakes import job

FUNCTIONS = Path(__file__).parent / "functions"
NAMES = ("minimal", "raises", "dies", "sleeps", "nonsense", "huge")
CONTRACT = ResizeContract("photos", "photos", Layout("photo", "prew"), "max-age=60")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module", name="service")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    functions = {name: f"resize_functions.{name}" for name in NAMES}
    folder = tmp_path_factory.mktemp("lambda")
    service = start_lambda(folder, functions, f"--task-root={FUNCTIONS}", "--timeout=1", env=dict(os.environ))
    yield service
    service.program.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@contextlib.asynccontextmanager
async def _resizer(
    url: str, function: str, *, read_s: float = 5, metrics: Metrics | None = None
) -> AsyncIterator[LambdaResizer]:
    opened = open_lambda_client(function, region="us-east-1", endpoint_url=url, limits=Limits(0.5, read_s, 4))
    async with opened as client:
        yield LambdaResizer(client, CONTRACT, (metrics or Metrics()).costs)


async def test_a_function_of_the_reference_implementation_is_enough(service: Lambda) -> None:
    async with _resizer(service.url, "minimal") as resizer:
        made = (await resizer.resize(job())).made

    assert made.body == b"photo/a.jpg 720"
    assert made.content_type == "image/jpeg"
    assert made.etag
    assert made.cache_control == "max-age=60"


@pytest.mark.parametrize(
    ("function", "failure"),
    [
        ("raises", ResizerFailed),
        ("dies", PhotoFatal),
        ("sleeps", DeadlineExceeded),
        ("nonsense", ResizerFailed),
        ("huge", ResizerFailed),
        ("unheard_of", ResizerFailed),
    ],
)
async def test_each_way_to_fail_has_its_kind(service: Lambda, function: str, failure: type[PreviewFailed]) -> None:
    async with _resizer(service.url, function) as resizer:
        with pytest.raises(failure):
            await resizer.resize(job())


@pytest.mark.parametrize(("function", "ran"), [("minimal", 1), ("raises", 1), ("nonsense", 1), ("unheard_of", None)])
async def test_invocations_are_counted_unless_lambda_refused(service: Lambda, function: str, ran: int | None) -> None:
    metrics = Metrics()
    async with _resizer(service.url, function, metrics=metrics) as resizer:
        with contextlib.suppress(PreviewFailed):
            await resizer.resize(job())
    metrics.flush()
    count = metrics.registry.get_sample_value

    assert count("prewmanager_lambda_invocations_total", {"preset": "card"}) == ran
    assert count("prewmanager_lambda_gigabyte_seconds_total", {"preset": "card"}) == (0 if ran else None)
    assert count("prewmanager_lambda_cold_starts_total") == 0


async def test_ready_when_the_function_may_be_invoked(service: Lambda) -> None:
    async with _resizer(service.url, "minimal") as resizer:
        await resizer.ping()
    async with _resizer(service.url, "unheard_of") as resizer:
        with pytest.raises(ResizerFailed, match="ResourceNotFoundException"):
            await resizer.ping()


class Endpoint:
    """An endpoint that counts its requests."""

    def __init__(self, answer: Answer) -> None:
        self.calls = 0
        self._answer = answer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        async with TestServer(app) as server:
            yield f"http://127.0.0.1:{server.port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        return await self._answer(request)


async def _throttled(_: web.Request) -> web.Response:
    body = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."}
    headers = {"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": "7"}
    return web.json_response(body, status=429, headers=headers)


async def _throttled_without_reason(_: web.Request) -> web.Response:
    return web.json_response(
        {}, status=429, headers={"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": "soon"}
    )


async def _broken(_: web.Request) -> web.Response:
    return web.Response(status=500)


async def _hangs(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _cuts(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _plain_text(_: web.Request) -> web.Response:
    return web.Response(text="Task timed out after 3.00 seconds")


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (_throttled, Overloaded),
        (_broken, ResizerFailed),
        (_hangs, DeadlineExceeded),
        (_cuts, ResizerFailed),
        (_plain_text, ResizerFailed),
    ],
)
@pytest.mark.fault("lambda-fails")
async def test_one_attempt_is_one_invocation(answer: Answer, failure: type[PreviewFailed]) -> None:
    endpoint = Endpoint(answer)
    async with endpoint.running() as url, _resizer(url, "f", read_s=0.2) as resizer:
        with pytest.raises(failure):
            await resizer.resize(job())

    assert endpoint.calls == 1


async def _sandbox_ended(_: web.Request) -> web.Response:
    """Lambda's answer for a function that runs longer than its timeout."""
    text = (
        '{"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1-2 Error: Task timed out after 10.00 seconds"}'
    )
    return web.Response(text=text, headers={"X-Amz-Function-Error": "Unhandled"})


@pytest.mark.fault("photo-slow")
async def test_a_sandbox_that_is_ended_is_the_photos_timeout_and_not_asked_again() -> None:
    endpoint = Endpoint(_sandbox_ended)
    async with endpoint.running() as url, _resizer(url, "f", read_s=5) as resizer:
        with pytest.raises(DeadlineExceeded):
            await RetryingResizer(resizer, within_s=10).resize(job())

    assert endpoint.calls == 1


@pytest.mark.fault("lambda-waking")
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (409, "ResourceConflictException"),
        (409, "CodeArtifactUserPendingException"),
        (409, "SnapStartNotReadyException"),
        (502, "ResourceNotReadyException"),
        (502, "EC2ThrottledException"),
        (502, "ENILimitReachedException"),
        (502, "SubnetIPAddressLimitReachedException"),
        (429, "ThrottlingException"),
    ],
)
async def test_a_function_that_is_waking_up_is_asked_again(status: int, error: str) -> None:
    async def waking(_: web.Request) -> web.Response:
        return web.json_response(
            {"message": "Pending"}, status=status, headers={"x-amzn-ErrorType": f"{error}:http://x"}
        )

    async with Endpoint(waking).running() as url, _resizer(url, "f") as resizer:
        with pytest.raises(Overloaded) as caught:
            await resizer.resize(job())

    assert caught.value.retry_after_s == 1.0


@pytest.mark.fault("lambda-away")
async def test_a_connection_that_comes_too_late_is_a_failed_resize() -> None:
    """A listener whose queue is full answers no connection."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        async with _resizer(f"http://127.0.0.1:{port}", "f") as resizer:
            with pytest.raises(ReplicaFailed):
                await resizer.resize(job())
        for each in waiting:
            each.close()


@pytest.mark.parametrize(("answer", "seconds"), [(_throttled, 7.0), (_throttled_without_reason, 1.0)])
async def test_a_throttled_resize_has_a_retry_after(answer: Answer, seconds: float) -> None:
    async with Endpoint(answer).running() as url, _resizer(url, "f") as resizer:
        with pytest.raises(Overloaded) as caught:
            await resizer.resize(job())

    assert caught.value.retry_after_s == seconds


@pytest.mark.fault("lambda-away")
async def test_an_unreachable_lambda_is_a_failed_resize() -> None:
    async with _resizer("http://127.0.0.1:1", "f") as resizer:
        with pytest.raises(ReplicaFailed):
            await resizer.resize(job())


class Recorder(Endpoint):
    """An endpoint that records its requests, byte for byte where the signature covers them."""

    def __init__(self) -> None:
        super().__init__(self._keep)
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []

    async def _keep(self, request: web.Request) -> web.Response:
        self.paths.append(request.raw_path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.read())
        return web.json_response({"status": False, "kind": "missing"})


ARN = "arn:aws:lambda:us-east-1:123456789012:function:prew-resize:live"


async def test_the_request_as_received_matches_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")
    recorder = Recorder()
    async with recorder.running() as url, _resizer(url, ARN) as resizer:
        with pytest.raises(PhotoMissing):
            await resizer.resize(job())

    headers = recorder.headers[0]
    authorization = headers["Authorization"]
    names = re.search("SignedHeaders=([^,]+)", authorization)
    assert names
    again = AWSRequest(
        "POST",
        url + recorder.paths[0],
        headers={name: headers[key] for key in headers for name in names[1].split(";") if key.lower() == name},
        data=recorder.bodies[0],
    )
    again.context["timestamp"] = headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials("test", "test", "a-session"), "lambda", "us-east-1")
    assert signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again) == authorization[-64:]


@pytest.mark.parametrize("function", ["prew-resize", ARN])
async def test_lambda_is_asked_as_the_sdk_asks_it(function: str) -> None:
    recorder = Recorder()
    async with recorder.running() as url:
        async with _resizer(url, function) as resizer:
            with pytest.raises(PhotoMissing):
                await resizer.resize(job())
        async with aioboto3.Session().client("lambda", region_name="us-east-1", endpoint_url=url) as client:
            await client.invoke(FunctionName=function, Payload=recorder.bodies[0])

    assert recorder.paths[0] == recorder.paths[1]
    assert recorder.bodies[0] == recorder.bodies[1]
    ours, sdks = ({name.lower() for name in headers} for headers in recorder.headers)
    assert sdks - ours <= {"amz-sdk-invocation-id", "amz-sdk-request"}


async def test_over_tls_lambdas_certificate_must_be_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = await asyncio.to_thread(self_signed, tmp_path / "lambda.pem", "IP:127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_post("/{path:.*}", _plain_text)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=tls)
    async with server:
        address = f"https://127.0.0.1:{server.port}"
        async with _resizer(address, "function") as resizer:
            with pytest.raises(ReplicaFailed, match="certificate"):
                await resizer.ping()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        async with _resizer(address, "function") as resizer:
            await resizer.ping()


async def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    recorder = Recorder()
    async with recorder.running() as url, _resizer(url, "f") as resizer:
        with pytest.raises(ReplicaFailed, match="credentials"):
            await resizer.ping()

    assert recorder.calls == 0
