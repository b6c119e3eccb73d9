"""Caches that are purged by HTTP: Cloudflare, Fastly, and each nginx."""
