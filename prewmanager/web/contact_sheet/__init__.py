"""The contact sheet: a page on the service's own port that shows presets, photos in every preset, and flights."""
