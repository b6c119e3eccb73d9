#!/bin/sh
# Writes site.env, and new keys for S3, into the folder $1; existing files stay unchanged.
set -eu
umask 027

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
[ -e "$1/site.env" ] || cp "$here/site.env" "$1/site.env"
[ ! -e "$1/secrets.env" ] || exit 0

random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
access=$(random)
secret=$(random)
cat >"$1/s3.json" <<END
{"identities": [
  {"name": "prewmanager", "actions": ["Read:photos", "List:photos", "Tagging:photos", "Write:photos"],
   "credentials": [{"accessKey": "$access", "secretKey": "$secret"}]},
  {"name": "anonymous", "actions": ["Read:photos"]}
]}
END
printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$access" "$secret" >"$1/secrets.env"
# systemd itself reads the other files.
if getent group prewmanager-s3 >/dev/null; then chgrp prewmanager-s3 "$1/s3.json"; fi
