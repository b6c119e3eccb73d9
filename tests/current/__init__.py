"""The suites on current versions of Python, nginx, Valkey and Redis, those of Debian's next release."""
