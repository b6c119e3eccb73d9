"""What `doctor` looks at, one part of the system a module."""
