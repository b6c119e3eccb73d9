"""Programs that make previews on request, one JSON line in and one out: the contestants."""
