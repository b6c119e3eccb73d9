"""Implementations of the ports, each for one technology; they translate third-party errors."""
