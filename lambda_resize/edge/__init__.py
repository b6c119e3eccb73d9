"""The Lambda@Edge function: answers where the origin has nothing, with an image of an allowed host, resized."""
