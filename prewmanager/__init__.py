"""Image previews made once, stored in S3, and served from there."""
