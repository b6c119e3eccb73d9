"""What watches the service: a Grafana dashboard, made by code, and alert rules for Prometheus with their tests."""
