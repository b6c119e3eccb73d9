"""S3's events on one machine: what SeaweedFS says of changed objects becomes EventBridge's events for a function.

In AWS a rule of infra/prewmanager.yaml does it. Kept: the events' form, what is a photo, and that they are delivered
later than the change, at least once, and in no certain order.
"""
