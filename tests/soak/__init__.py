"""The soak: the whole system on real parts under mixed load and a fault every few seconds; every answer is checked.

`make soak` runs it for ten minutes; docs/soak.md describes it.
"""
