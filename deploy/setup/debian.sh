#!/usr/bin/env bash
# debian.sh NAME=PACKAGE...: installs the packages whose command or library (lib*.so.*) is missing,
# and what Python needs for a venv.
set -euo pipefail
# shellcheck source=deploy/setup/messages.sh
source "$(dirname "$0")/messages.sh"

is_here() {
    case $1 in
        lib*.so.*) /sbin/ldconfig -p | grep -F "$1 " >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing=()
for pair in "$@"; do
    is_here "${pair%%=*}" || missing+=("${pair#*=}")
done
# Debian splits Python: python3 has neither venv's pip nor the headers that torch.compile includes.
if [ "$(command -v python3 || true)" = /usr/bin/python3 ]; then
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    headers=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    [ -f "$headers/Python.h" ] || missing+=(python3-dev)
fi

[ ${#missing[@]} -eq 0 ] && exit

remedy="as root: apt-get update && apt-get install --yes ${missing[*]}"
command -v apt-get >/dev/null || fail "missing: ${missing[*]}; and this is not a Debian" "install them with this system's package manager"
[ "$(id -u)" -eq 0 ] || fail "missing: ${missing[*]}; and only root can install them" "$remedy"

say "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
logged "$log" apt-get update --quiet || fail "apt-get update failed" "see the lines above; then $remedy"
logged "$log" apt-get install --quiet --yes --no-install-recommends "${missing[@]}" ||
    fail "apt-get install ${missing[*]} failed" "see the lines above; then $remedy"
rm -f "$log"
