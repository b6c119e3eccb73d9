"""What tests and benchmarks share: fakes of our ports, an in-memory replica, a gated Lambda, a whole site."""
