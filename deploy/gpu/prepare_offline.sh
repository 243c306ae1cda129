#!/usr/bin/env bash
# prepare_offline.sh: packs vLLM, what it needs and this tree for a machine that has a GPU and PyTorch, but no
# network and a limit on what it takes at once. Makes .offline/1/part-1, .offline/2/part-2, ...
#
# PART_MIB=  the size of a part (default 48)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/setup/messages.sh
source deploy/setup/messages.sh

log=.venv/offline.log
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
site=$work/site

platforms=()
for tag in manylinux_2_35 manylinux_2_34 manylinux_2_31 manylinux_2_28 manylinux_2_27 manylinux_2_24 \
    manylinux_2_17 manylinux2014 manylinux1; do
    platforms+=(--platform "${tag}_x86_64")
done

say "Fetching vLLM and its packages for Python 3.12"
logged "$log" .venv/bin/python -m pip install --target "$site" --no-deps --no-compile \
    --only-binary=:all: --python-version 3.12 --implementation cp "${platforms[@]}" \
    -r deploy/gpu/packages.txt ||
    fail "a package could not be fetched" "read $log; the versions are in deploy/gpu/packages.txt"
logged "$log" .venv/bin/python -m pip wheel --no-deps --wheel-dir "$work" . ||
    fail "Steersman's wheel could not be built" "read $log"
logged "$log" .venv/bin/python -m pip install --target "$site" --no-deps --no-compile "$work"/*.whl ||
    fail "Steersman's wheel could not be unpacked" "read $log"

# A third of vLLM is for other GPUs than Hopper, for other Pythons, or a front end in Rust.
rm -rf "$site"/vllm/vllm_flash_attn/_vllm_fa2_C* "$site"/vllm/vllm-rs "${site:?}/bin"
find "$site/vllm/third_party" -name '_C.cpython-3*' ! -name '*cpython-312*' -delete

say "Packing"
rm -rf .offline
mkdir .offline
tar -C "$site" -c . | xz -T0 -3 >"$work/site.tar.xz"
split --bytes="${PART_MIB:-48}M" --numeric-suffixes=1 --suffix-length=1 "$work/site.tar.xz" "$work/part-"
parts=("$work"/part-?)
for part in "${parts[@]}"; do
    number=${part##*-}
    mkdir ".offline/$number"
    mv "$part" ".offline/$number/part-$number"
    sha256sum <"$work/site.tar.xz" >".offline/$number/sha256"
done
say "${#parts[@]} parts of at most ${PART_MIB:-48} MiB in .offline/"
