"""An emulator of AWS Lambda: the Invoke API for callers, the Runtime API for functions, several sandboxes.

As on AWS: payload limits, time-outs, `X-Amz-Function-Error`, one invocation at a time per sandbox, warm sandboxes, 429
above the concurrency limit, and two retries of a failed asynchronous invocation. Not emulated: destinations and
dead-letter queues, log tails, client contexts, versions and aliases, and the memory limit (functions see it, but it is
not enforced).
"""
