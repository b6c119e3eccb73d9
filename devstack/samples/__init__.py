"""Photos that the project renders itself, the same bytes each time: nothing to download, nobody's rights."""
