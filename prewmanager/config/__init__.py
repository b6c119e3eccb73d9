"""Settings: the only package that reads the environment, once, and validates it."""
