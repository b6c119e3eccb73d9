"""The functions' deployment packages: `python -m shipping` builds them from locked wheels."""
