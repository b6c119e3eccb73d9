"""AWS Lambda on one machine: the Invoke API on one side, the Runtime API on the other, several sandboxes between.

Kept as on AWS: payload limits, time-outs, `X-Amz-Function-Error`, one invocation at a time in a sandbox, warm
sandboxes, 429 when as many as allowed are busy, and two more tries of an asynchronous invocation that failed. Not
emulated: destinations and dead-letter queues, log tails, client contexts, versions and aliases, and the memory limit
(the function gets it, but it is not enforced).
"""
