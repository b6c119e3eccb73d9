#!/bin/sh
# Run before nginx, whose process is $1: keeps the copy of its access log small, and returns.
#
# mtail reads on as lines come, and from the beginning where the file has become shorter. nginx appends, so what follows is
# at the file's new end. Lines of the last quarter of a second may be lost to mtail, once for some 130,000.
set -eu
[ -n "$PREW_NGINX_LOG_COPY" ] || exit 0
most_bytes=67108864

while kill -0 "$1" 2>/dev/null; do
    size=$(stat -c %s "$PREW_NGINX_LOG_COPY" 2>/dev/null || echo 0)
    [ "$size" -le "$most_bytes" ] || : >"$PREW_NGINX_LOG_COPY"
    sleep 1
done </dev/null &
