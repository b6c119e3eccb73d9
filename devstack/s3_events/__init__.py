"""S3's events on one machine: turns SeaweedFS's notifications into EventBridge's events for a function.

On AWS, a rule in infra/prewmanager.yaml does this. As there, events concern photos only, and are delivered after the
change, at least once, in no particular order; and once more after a while, as by SQS.
"""
