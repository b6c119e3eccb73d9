"""What S3 has, as values: a photo that is read, a preview that is found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lambda_resize.download import Download


@dataclass(frozen=True)
class StoredPhoto:
    """A photo's bytes, the ETag that S3 returned with them, and when it was asked, on the clock of `time.time`.

    Those of a large photo are still on their way.
    """

    data: bytes | Download
    etag: str
    read_at: float = field(default_factory=time.time)

    @property
    def waited_s(self) -> float:
        """Seconds that were spent waiting for bytes since S3's first answer."""
        return self.data.waited_s if isinstance(self.data, Download) else 0.0

    def close(self) -> None:
        """Read no more of it."""
        if isinstance(self.data, Download):
            self.data.close()


@dataclass(frozen=True)
class StoredPreview:
    """A preview that is in the bucket; `data` is None above the size that was asked for."""

    data: bytes | None
    size: int
    etag: str
    content_type: str
    cache_control: str | None
    thumbhash: str | None
