# How the setup scripts speak: what is being done, what failed, what to do about it. Sourced, not run.
# shellcheck shell=bash

say() {
    printf '%s\n' "$*"
}

# fail WHAT REMEDY: ends the script.
fail() {
    printf '\nerror: %s\n  remedy: %s\n' "$1" "$2" >&2
    exit 1
}

# logged LOG COMMAND...: runs the command with its output in LOG; on failure shows the end of it.
logged() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if "$@" >"$log" 2>&1; then
        return 0
    fi
    printf '\nThe last lines of %s:\n' "$log" >&2
    grep -vE '^(WARNING: |Ignoring |$)' "$log" | tail -n 12 | sed 's/^/    /' >&2
    return 1
}
