#!/bin/sh
# Checks and completes the variables, then runs the image's entry point. The official one would source the scripts too,
# but other builds of nginx render templates without them, and an invalid variable would break the configuration.
set -eu

if [ "${1:-}" = nginx ]; then
    for script in /docker-entrypoint.d/*-prewmanager-*.envsh; do
        . "$script"
    done
    sh /prewmanager-cache-watch.sh "$$"
    sh /prewmanager-role-credentials.sh "$$"
    sh /prewmanager-log-watch.sh "$$"
    # nginx looks for included files beside its configuration.
    ln -sfn /etc/nginx/snippets "$NGINX_ENVSUBST_OUTPUT_DIR/snippets"
fi
exec /docker-entrypoint.sh "$@"
