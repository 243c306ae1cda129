#!/usr/bin/env bash
# wheel.sh build DIST: builds this tree's wheel into DIST with the locked build tools.
# wheel.sh install ENGINE VENV DIST: installs that wheel beside the locked packages and proves the result.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/setup/messages.sh
source "$here/messages.sh"

case "${1:-}" in
    build)
        dist=$2
        tools=$(mktemp -d)
        trap 'rm -rf "$tools"' EXIT
        python=$("$here/python.sh")
        "$python" -m venv "$tools"
        pip=("$tools/bin/python" -m pip --disable-pip-version-check)
        logged "$tools/log" "${pip[@]}" install --no-deps --no-input -r requirements/build.lock ||
            fail "installing requirements/build.lock failed" "see the lines above"
        logged "$tools/log" "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$dist" . ||
            fail "building the wheel failed" "see the lines above"
        ls "$dist"
        ;;
    install)
        engine=$2 venv=$3 dist=$4
        logged "$venv/setup.log" "$venv/bin/python" -m pip install --no-deps --no-index --no-input \
            --disable-pip-version-check "$dist"/*.whl || fail "installing the wheel failed" "see the lines above"
        "$venv/bin/python" "$here/verify.py" "$engine"
        ;;
    *)
        fail "wheel.sh does not know '${1:-}'" "say build or install"
        ;;
esac
