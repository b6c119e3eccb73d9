"""The resizer without Lambda: worker processes of the service run the resize function."""

from __future__ import annotations

from dataclasses import replace

from prewmanager.adapters.worker_pool import WorkerPool
from prewmanager.errors import CredentialsRefused, ReplicaFailed, ResizerFailed
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.polish import PolishJob, PolishResult
from prewmanager.resizing.render import RenderJob, RenderResult


class LocalResizer:
    """Renders in worker processes, and closes their pool with itself."""

    def __init__(self, contract: ResizeContract, pool: WorkerPool) -> None:
        self._contract = contract
        self._pool = pool

    async def resize(self, job: RenderJob) -> RenderResult:
        """Run the function for the job in a worker. Raises the `PreviewFailed` of its outcome."""
        ran = await self._pool.run(self._contract.request(job))
        try:
            result = self._contract.result(ran.response, job)
        except CredentialsRefused as error:  # the workers have this process's
            raise ReplicaFailed(error.detail) from error
        return replace(result, write=ran.write)

    @property
    def can_polish(self) -> bool:
        """Whether there is somebody to polish: the workers are of this version."""
        return self._pool.is_open

    async def polish(self, job: PolishJob) -> PolishResult:
        """Polish in a process of its own, which leaves workers the CPU. Raises the `PreviewFailed` of its outcome."""
        return self._contract.polish_result(await self._pool.run_behind(self._contract.polish_request(job)))

    async def ping(self) -> None:
        """Return where work is accepted. Raises `ResizerFailed`."""
        if not self._pool.is_open:
            raise ResizerFailed("the pool of workers is closed")

    async def aclose(self) -> None:
        """Stop the workers, and with them the renderings in progress."""
        await self._pool.aclose()
