"""Has caches forget previews that were polished: what they keep is right, only larger."""

from __future__ import annotations

from prewmanager.polishing.fates import Fate
from prewmanager.polishing.ports import PolishObserver
from prewmanager.previews.catalogue import Catalogue
from prewmanager.purging.copies import of_preview
from prewmanager.purging.purger import Purger


class PurgePolished:
    """A `PolishObserver` around another one."""

    def __init__(self, observer: PolishObserver, purger: Purger, catalogue: Catalogue) -> None:
        self._observer = observer
        self._purger = purger
        self._catalogue = catalogue

    def ended(self, preview_key: str, fate: Fate, before: int = 0, after: int = 0) -> None:
        """Report, and tell the caches where a preview was replaced, but none that is paid for each time."""
        self._observer.ended(preview_key, fate, before, after)
        if fate is Fate.DONE:
            self._purger.later(of_preview(self._catalogue, preview_key), billed=False)
