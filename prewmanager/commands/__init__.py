"""The operators' commands: each one's logic in a module of its own."""
