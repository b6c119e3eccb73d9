"""What operators run beside the service: each command's logic in a module of its own."""
