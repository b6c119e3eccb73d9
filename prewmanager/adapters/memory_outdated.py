"""Photos whose outdated previews are being deleted, as one process remembers them: without Redis."""

from __future__ import annotations

from collections import OrderedDict
from uuid import uuid4

from prewmanager.purging.ports import Note

MOST = 10_000


class MemoryOutdatedPhotos:
    """An `OutdatedPhotos` of this process; the oldest ones are forgotten."""

    def __init__(self) -> None:
        self._notes: OrderedDict[str, Note] = OrderedDict()

    async def note(self, photo_key: str, *, untagged: bool) -> None:
        """Remember a photo."""
        known = self._notes.pop(photo_key, None)
        self._notes[photo_key] = Note(uuid4().hex, untagged=untagged or bool(known and known.untagged))
        while len(self._notes) > MOST:
            self._notes.popitem(last=False)

    async def known(self, photo_key: str) -> Note | None:
        """Return what is kept of it."""
        return self._notes.get(photo_key)

    async def done(self, photo_key: str, note: Note) -> None:
        """Forget it, unless it was noted once more since."""
        if self._notes.get(photo_key) == note:
            del self._notes[photo_key]
