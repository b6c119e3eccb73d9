"""An emulator of CloudFront: the cache and the two functions of infra/edge.yaml.

As on AWS: the cache key and TTLs, one request to the origin for simultaneous requests, the structure of both functions'
events, the validation of a function's answer, its errors, and conditional requests. Not emulated: ranges, `Expires`,
compression, methods other than GET and HEAD, and revalidation of stale responses.

viewer_request    maps path and query to the cache key, with the JavaScript that CloudFront would run
conditional       304 for a viewer that has what the cache has
cache             the cached responses, and for how long they are cached
origin_response   the function's event, and the validation of its answer
distribution      passes a request through all of these
local_edge        the edge function, with host names that resolve to this machine; runs in the Lambda emulator's
sandboxes
"""
