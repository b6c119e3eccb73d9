"""Benchmarks of the image core: against others, from a cold start, and over the size of the photo."""
