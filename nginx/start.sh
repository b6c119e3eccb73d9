#!/bin/sh
# Runs nginx, "$@", outside of the image, on a configuration that is rendered already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for script in "$here"/docker-entrypoint.d/*.envsh; do
    . "$script"
done
sh "$here/cache-watch.sh" "$$"
sh "$here/role-credentials.sh" "$$"
sh "$here/log-watch.sh" "$$"
exec "$@"
