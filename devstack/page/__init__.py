"""The page at `/` of the local system: the service's contact sheet, and bursts of requests."""
