"""Previews as values: presets, variants, keys, outcomes. No I/O."""
