#!/bin/sh
# What `make install` needs before it can use pip: Python 3.11 or later with venv, nginx, redis-server, and `.venv`.
# Missing programs are installed by apt-get, as root or with sudo; without either, the script prints what to install.
# It also installs what the tests need, and the programs given as arguments; if these fail, the script goes on.
set -eu

VENV=.venv
NJS_MODULE=/usr/lib/nginx/modules/ngx_http_js_module.so
POLICY=/usr/sbin/policy-rc.d
# The first python3 on PATH may be incomplete; Debian's own is tried after it.
CANDIDATES=${PYTHON:-python3 /usr/bin/python3}
PATH=$PATH:/usr/sbin:/sbin

has() { command -v "$1" >/dev/null 2>&1; }

has_all() {
    for program in "$@"; do
        has "$program" || return 1
    done
}

# Without python3-venv, Debian's venv lacks ensurepip; a Python built from source may lack ssl.
is_usable() {
    "$1" -c 'import sys, ssl, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

usable_python() {
    for candidate in $CANDIDATES; do
        if is_usable "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

missing_packages() {
    usable_python >/dev/null || printf 'python3 python3-venv '
    has nginx || printf 'nginx '
    has redis-server || printf 'redis-server '
}

missing_for_tests() {
    [ -e "$NJS_MODULE" ] || printf 'libnginx-mod-http-js '
    has envsubst || printf 'gettext-base '
    has systemd-analyze || printf 'systemd '
    has exiftool || printf 'libimage-exiftool-perl '
    for program in "$@"; do
        has "$program" || printf '%s ' "$(package_of "$program")"
    done
}

package_of() { if [ "$1" = kubectl ]; then echo kubernetes-client; else echo "$1"; fi; }

give_up() {
    echo "Please install what is missing. On Debian or Ubuntu, as root:" >&2
    echo "    apt-get install $1" >&2
    usable_python >/dev/null || echo "Python must be 3.11 or later; another one: PYTHON=/path/to/python3" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() { [ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }

# Debian starts a daemon when its package is installed; exit code 101 of this file prevents it.
# The local system starts its own daemons on free ports; ports 80 and 6379 stay free.
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
    as_root apt-get update -qq || true # old lists may suffice; otherwise the install below fails
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

# Only the programs of Debian's Prometheus, mtail and blackbox exporter: with its dependencies the first package is 330 MB,
# and all start daemons.
WATCHING="promtool prometheus mtail prometheus-blackbox-exporter"
unpack_prometheus() {
    PATH=$PWD/$VENV/bin:$PATH
    # shellcheck disable=SC2086 # a list of names
    ! has_all $WATCHING || return 0
    has apt-get || return 1
    echo "Unpacking $WATCHING from Debian's packages"
    folder=$(mktemp -d)
    status=0
    (cd "$folder" && download_prometheus && for each in *.deb; do dpkg-deb -x "$each" .; done) || status=1
    for each in $WATCHING; do
        cp "$folder/usr/bin/$each" "$VENV/bin/" || status=1
    done
    rm -rf "$folder"
    return $status
}

download_prometheus() {
    set -- apt-get download -qq -o APT::Sandbox::User=root prometheus mtail prometheus-blackbox-exporter
    "$@" 2>/dev/null || { can_be_root && as_root apt-get update -qq && "$@"; }
}

# A working environment is kept, whichever Python it was created with.
make_venv() {
    ! "$VENV/bin/python" -c 'import ssl, pip' >/dev/null 2>&1 || return 0
    python=$(usable_python)
    echo "Making the virtual environment $VENV with $("$python" -V)"
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
}

needed=$(missing_packages)
wanted=$(missing_for_tests "$@")
if [ -n "$needed$wanted" ] && has apt-get && can_be_root; then
    install_packages "$needed$wanted" || install_packages "$needed" || true # what is still missing is reported below
    needed=$(missing_packages)
    wanted=$(missing_for_tests "$@")
fi
[ -z "$needed" ] || give_up "$needed"
make_venv
[ -z "$wanted" ] || echo "Without these some tests fail: apt-get install $wanted" >&2
unpack_prometheus || echo "Without $WATCHING some tests fail" >&2
