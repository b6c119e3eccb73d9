"""The whole system on one machine: real programs, for development and for tests."""
