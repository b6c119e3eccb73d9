"""The sizes of one process that follow from the settings; docs/how-to/capacity.md says which must fit which."""

from __future__ import annotations

from prewmanager.config.settings import Settings


def flights_at_once(settings: Settings) -> int:
    """Return how many flights there may be: `max_flights`, or where it is not set enough for all renderings."""
    return (
        settings.max_flights
        if "max_flights" in settings.model_fields_set
        else max(settings.max_flights, _slots(settings))
    )


def renderings_at_once(settings: Settings) -> int:
    """Return how many previews are rendered at once: no more than there may be flights."""
    return min(_slots(settings), flights_at_once(settings))


def _slots(settings: Settings) -> int:
    return settings.resize_workers if settings.has_workers else settings.max_invocations
