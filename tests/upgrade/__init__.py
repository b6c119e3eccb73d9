"""The previous release beside this one, for real: `make test-upgrade`."""
