"""OpenTelemetry: spans around requests, flights and ports."""
