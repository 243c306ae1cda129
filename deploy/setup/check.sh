#!/usr/bin/env bash
# check.sh: every check that is not a test, fastest first; goes on after a failure and ends with how many failed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
# shellcheck source=deploy/setup/messages.sh
source deploy/setup/messages.sh
PATH="$PWD/.venv/bin:$PATH"

failed=()

check() {
    local name=$1 started=$SECONDS output
    shift
    if output=$("$@" 2>&1); then
        printf '  ok    %-12s %3d s\n' "$name" $((SECONDS - started))
    else
        printf '  FAIL  %-12s %s\n%s\n' "$name" "$*" "$output"
        failed+=("$name")
    fi
}

mapfile -t scripts < <(find deploy tests -name '*.sh' -not -path '*/node_modules/*' | sort)
command -v shellcheck >/dev/null || fail "shellcheck is not installed" \
    "on x86_64 make setup installs it; elsewhere install your system's package (Debian: apt install shellcheck)"

check format ruff format --check --quiet .
check lint ruff check --quiet .
check scripts shellcheck --external-sources .ci/run "${scripts[@]}"
check dockerfile hadolint Dockerfile
check layers lint-imports
check types mypy

[ ${#failed[@]} -eq 0 ] || fail "${failed[*]}: not as they should be" "mend what is printed above; make format does the layout"
