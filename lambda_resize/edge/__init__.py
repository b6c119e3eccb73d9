"""The Lambda@Edge function: if the origin has no object, it answers with a resized image from an allowed host."""
