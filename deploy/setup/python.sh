#!/usr/bin/env bash
# python.sh: prints the Python to build on: $PYTHON, or the first that fits of python3, python3.11, 3.12, 3.13.
set -euo pipefail
# shellcheck source=deploy/setup/messages.sh
source "$(dirname "$0")/messages.sh"

wanted="Python 3.11, 3.12 or 3.13"
remedy="install Python 3.11 (Debian 12: apt install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3.11"

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

can_make_venvs() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    found=$(version_of "$PYTHON") || fail "PYTHON=$PYTHON does not run" "$remedy"
    fits "$PYTHON" || fail "PYTHON=$PYTHON is Python $found; Steersman needs $wanted" "$remedy"
    can_make_venvs "$PYTHON" || fail "$PYTHON cannot make virtual environments (no ensurepip)" \
        "install its venv package (Debian: apt install python3-venv)"
    printf '%s\n' "$PYTHON"
    exit
fi

without_venv=""
for candidate in python3 python3.11 python3.12 python3.13; do
    if fits "$candidate"; then
        if can_make_venvs "$candidate"; then
            printf '%s\n' "$candidate"
            exit
        fi
        without_venv=$candidate
    fi
done

if [ -n "$without_venv" ]; then
    fail "$without_venv cannot make virtual environments (no ensurepip)" \
        "install its venv package (Debian: apt install python3-venv)"
fi
fail "no $wanted on this machine: python3 is $(version_of python3 || echo missing)" "$remedy"
