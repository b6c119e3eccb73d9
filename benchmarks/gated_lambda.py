"""The tests' gated Lambda as a process, which answers with a preview of 70 KB.

SIGUSR1                                       opens the gate
POST /-/gate?open=0&delay_ms=0                opens or closes it, and sets the duration of an invocation
GET  /-/counts                                invocations by `src_key`
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web

from benchmarks.serving import serve
from tests.support.gated_lambda import InvokeEndpoint

PREVIEW_BYTES = 70_000
_CONTRACT = Path(__file__).resolve().parents[1] / "tests" / "contract_examples" / "response_full.json"


class SteadyLambda(InvokeEndpoint):
    """Answers like the contract's example, with 70 incompressible KB, after `delay_s` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.delay_s = 0.0
        data = random.Random(1).randbytes(PREVIEW_BYTES)
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        example = json.loads(_CONTRACT.read_text(encoding="utf-8"))
        inlined = {"data": base64.b64encode(data).decode(), "size": len(data), "etag": etag}
        self._answer = json.dumps(example | inlined).encode()

    async def answer(self, _: dict[str, Any]) -> web.Response:
        """Answer one invocation."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return web.Response(body=self._answer, content_type="application/json")

    def app(self) -> web.Application:
        """Build the Invoke API, with routes for the gate and the counts."""
        app = super().app()
        app.router.add_get("/-/counts", self._counts)
        app.router.add_post("/-/gate", self._set_gate)
        app.on_startup.append(self._at_signal)
        return app

    async def _counts(self, _: web.Request) -> web.Response:
        return web.json_response(self.invocations)

    async def _set_gate(self, request: web.Request) -> web.Response:
        self.delay_s = float(request.query.get("delay_ms", "0")) / 1000
        if request.query["open"] == "1":
            self.gate.set()
        else:
            self.gate.clear()
        return web.Response(status=204)

    async def _at_signal(self, _: web.Application) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.gate.set)


def main(port: Annotated[int, typer.Option()]) -> None:
    """Serve until a signal ends the process."""
    serve(SteadyLambda().app(), port)


if __name__ == "__main__":
    typer.run(main)
