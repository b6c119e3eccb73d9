#!/bin/sh
# What `make install` needs from the system: Python 3.11 with venv, nginx, redis-server.
# Missing ones are installed through apt-get, as root or with sudo; without those it says what to install.
set -eu

PYTHON=${PYTHON:-python3}
PATH=$PATH:/usr/sbin:/sbin
POLICY=/usr/sbin/policy-rc.d

has() { command -v "$1" >/dev/null 2>&1; }

python_is_recent() { "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Debian ships venv without ensurepip until python3-venv is there.
python_makes_venvs() { "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null; }

missing_packages() {
    if ! has "$PYTHON" || ! python_makes_venvs; then printf 'python3 python3-venv '; fi
    has nginx || printf 'nginx '
    has redis-server || printf 'redis-server '
}

give_up() {
    echo "Please install these first: $1(and Python 3.11 or later). On Debian or Ubuntu, as root:" >&2
    echo "    apt-get install $1" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() { [ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }

# Debian starts a daemon as soon as its package is installed; exit code 101 of this file means "do not".
# The local system starts its own on free ports, and nobody asked for others on port 80 and 6379.
forbid_daemons() {
    [ ! -e "$POLICY" ] || return 0
    trap allow_daemons EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
}

allow_daemons() { as_root rm -f "$POLICY"; }

install_packages() {
    echo "Installing with apt-get: $1"
    forbid_daemons
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq || true # old lists may do; the install below says when they do not
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

packages=$(missing_packages)
if [ -n "$packages" ]; then
    { has apt-get && can_be_root; } || give_up "$packages"
    install_packages "$packages" || give_up "$packages"
    packages=$(missing_packages)
    [ -z "$packages" ] || give_up "$packages"
fi
if ! python_is_recent; then
    echo "$PYTHON is $("$PYTHON" -V 2>&1), needed is 3.11 or later: say which one with PYTHON=/path/to/python3" >&2
    exit 1
fi
