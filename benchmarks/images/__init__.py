"""Benchmarks of the image core: against other programs, from a cold start, and by photo size."""
