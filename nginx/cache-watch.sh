#!/bin/sh
# Run before nginx, whose process is $1: notices when the volume of its cache is full, and returns.
#
# nginx breaks off an answer that it cannot write to its cache, so the configuration uses the cache only while the file
# below is there. nginx's own min_free, checked every ten seconds, makes room long before.
set -eu
[ "$PREW_NGINX_CACHE" = on ] || exit 0
# nginx that was killed leaves its socket, and would not start again.
rm -f "$PREW_NGINX_STATE_PATH/not-there.sock"
writable="$PREW_NGINX_STATE_PATH/cache-has-room"

check() {
    if [ "$(df -Pk "$PREW_NGINX_STATE_PATH" | awk 'END { print $4 }')" -gt $((PREW_NGINX_CACHE_RESERVE / 2)) ]; then
        [ -e "$writable" ] || : >"$writable"
    else
        rm -f "$writable"
    fi
}

check
while kill -0 "$1" 2>/dev/null; do
    sleep 0.5
    check || true
done </dev/null &
