"""The environment, read once and checked: the only place that does."""
