#!/bin/sh
# Runs mtail over the access log, "$1"; /metrics is on this machine's port 3903 alone.
exec /usr/bin/mtail --progs=/opt/prewmanager/observability/nginx.mtail --logs="$1" --emit_prog_label=false \
    --address=127.0.0.1 --port=3903 --logtostderr
