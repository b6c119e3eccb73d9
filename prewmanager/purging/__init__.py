"""Tells the caches in front which previews have changed: what they keep, how they are purged, what becomes of it."""
