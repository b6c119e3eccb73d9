"""CloudFront on one machine: the cache and the two functions of infra/edge.yaml.

Kept as on AWS: the cache's key and life-times, one request to the origin for all who ask at once, the shape of both
functions' events, what of a function's answer is accepted, and the errors where it is not. Not emulated: ranges,
conditional requests, `Expires`, compression, other methods than GET and HEAD, and refreshing what is stale instead of
getting it anew.

viewer_request    the path and query to the cache's key, by the JavaScript that CloudFront would run
cache             what is kept, and for how long
origin_response   the function's event, and what is made of its answer
distribution      a request's way through all of them
local_edge        the edge function with the names that lead to this machine; runs in the Lambda service's sandboxes
"""
