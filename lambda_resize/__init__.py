"""The resize function: reads a photo from S3, writes its preview there, and returns it."""
