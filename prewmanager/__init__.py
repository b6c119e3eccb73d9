"""Image previews, rendered once, stored in S3, and served from there."""

__version__ = "0.1.0"
