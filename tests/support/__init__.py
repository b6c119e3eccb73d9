"""Shared by tests and benchmarks: fakes of our ports, an in-memory replica, a gated Lambda, a whole site."""
