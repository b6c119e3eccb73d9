"""What the service reports: log lines, metrics, costs, traces."""
