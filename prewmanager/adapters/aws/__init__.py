"""AWS: S3, Lambda, CloudFront."""
