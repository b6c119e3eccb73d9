#!/bin/sh
# Checks and completes the variables, then goes on as the image does. The official entry point would source the scripts
# as well; other builds of nginx render templates without, and a wrong variable then became a broken configuration.
set -eu

if [ "${1:-}" = nginx ]; then
    for script in /docker-entrypoint.d/*-prewmanager-*.envsh; do
        . "$script"
    done
    # nginx looks for what it includes beside its configuration.
    ln -sfn /etc/nginx/snippets "$NGINX_ENVSUBST_OUTPUT_DIR/snippets"
fi
exec /docker-entrypoint.sh "$@"
