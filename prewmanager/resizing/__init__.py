"""The resizer: its contract, and what bounds it."""
