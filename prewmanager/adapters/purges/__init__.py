"""Caches that are purged by HTTP what to forget: Cloudflare, Fastly, and each nginx."""
