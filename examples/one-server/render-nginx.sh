#!/bin/sh
# Renders nginx/templates into the folder $1, as the official image's entry point does. An invalid variable aborts it
# before it writes anything.
set -eu

sources=$(cd "$(dirname "$0")/../../nginx" && pwd)
for script in "$sources"/docker-entrypoint.d/*.envsh; do
    . "$script"
done
# Only our own names: nginx's variables look the same.
names=$(env | sed -n 's/^\(PREW_[A-Z0-9_]*\)=.*/${\1}/p')
cd "$sources/templates"
find . -name '*.template' | while read -r template; do
    rendered="$1/${template%.template}"
    mkdir -p "$(dirname "$rendered")"
    envsubst "$names" <"$template" >"$rendered"
done
ln -sfn "$sources/snippets" "$1/snippets"
