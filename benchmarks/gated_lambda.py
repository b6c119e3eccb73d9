"""A Lambda that answers on command: the Invoke API with one answer of 70 KB, and a gate before it.

SIGUSR1                                       opens the gate
POST /-/gate?open=0&delay_ms=0                sets it, and how long an invocation takes
GET  /-/counts                                invocations by `src_key`
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from benchmarks.serving import serve

PREVIEW_BYTES = 70_000
_CONTRACT = Path(__file__).resolve().parents[1] / "tests" / "contract_examples" / "response_full.json"


@dataclass
class _State:
    answer: bytes
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    delay_s: float = 0.0
    invocations: Counter[str] = field(default_factory=Counter)


_STATE = web.AppKey("state", _State)


def answer() -> bytes:
    """The function's answer, as the contract's example has it, with 70 KB that do not compress."""
    data = random.Random(1).randbytes(PREVIEW_BYTES)
    etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    example = json.loads(_CONTRACT.read_text(encoding="utf-8"))
    carried = {"data": base64.b64encode(data).decode(), "size": len(data), "etag": etag}
    return json.dumps(example | carried).encode()


async def _invoke(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    if request.headers.get("X-Amz-Invocation-Type") == "DryRun":
        return web.Response(status=204)
    event = await request.json()
    state.invocations[event["src_key"]] += 1
    await state.gate.wait()
    if state.delay_s:
        await asyncio.sleep(state.delay_s)
    return web.Response(body=state.answer, content_type="application/json")


async def _counts(request: web.Request) -> web.Response:
    return web.json_response(request.app[_STATE].invocations)


async def _set_gate(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    state.delay_s = float(request.query.get("delay_ms", "0")) / 1000
    if request.query["open"] == "1":
        state.gate.set()
    else:
        state.gate.clear()
    return web.Response(status=204)


async def _at_signal(app: web.Application) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, app[_STATE].gate.set)


def main(port: Annotated[int, typer.Option()]) -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app[_STATE] = _State(answer())
    app.router.add_post("/2015-03-31/functions/{name}/invocations", _invoke)
    app.router.add_get("/-/counts", _counts)
    app.router.add_post("/-/gate", _set_gate)
    app.on_startup.append(_at_signal)
    serve(app, port)


if __name__ == "__main__":
    typer.run(main)
