"""A Lambda endpoint that counts, stands still while it is told to, and marks what it writes with the fingerprint."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tests.support.gated_lambda import GatedLambda


class CountingLambda(GatedLambda):
    """As Lambda does, it goes on when the caller goes away; its gate is open unless a test closes it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate.set()
        self.running_now = 0
        self.most_at_once = 0
        self.finished = 0

    @property
    def calls(self) -> int:
        """Invocations so far."""
        return sum(self.invocations.values())

    async def _invoke(self, request: web.Request) -> web.Response:
        await request.read()
        return await asyncio.shield(asyncio.create_task(self._counted(request)))

    async def _counted(self, request: web.Request) -> web.Response:
        self.running_now += 1
        self.most_at_once = max(self.most_at_once, self.running_now)
        try:
            return await super()._invoke(request)
        finally:
            self.running_now -= 1
            self.finished += 1

    def _make(self, event: dict[str, Any], call: int) -> dict[str, Any]:
        answer = super()._make(event, call)
        key = event["src_key"].replace(event["rewrite_part"], f"{event['root_folder']}/{event['preset_name']}", 1)
        self._s3.copy_object(
            Bucket=event["dst_bucket"],
            Key=key,
            CopySource={"Bucket": event["dst_bucket"], "Key": key},
            Metadata={"preset-fingerprint": event["fingerprint"]},
            MetadataDirective="REPLACE",
        )
        return answer
