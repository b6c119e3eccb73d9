"""The page at `/` of the local system: the service's contact sheet, and a herd of requests for a missing preview."""
