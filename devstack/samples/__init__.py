"""Sample photos, rendered by the project itself, byte for byte the same each time: no download, no licence."""
