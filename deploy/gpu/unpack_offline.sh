#!/usr/bin/env bash
# unpack_offline.sh [FOLDER]: on the machine with the GPU, keeps the parts that have come in .offline/ in FOLDER
# (default steersman-offline in the temporary folder). Once the parts are whole it unpacks them and writes
# FOLDER/environment, to be sourced. Ends with 3 while parts are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-${TMPDIR:-/tmp}/steersman-offline}
mkdir -p "$folder"
if [ -e "$folder/environment" ]; then
    exit 0
fi
cp .offline/*/part-* .offline/*/sha256 "$folder"
if ! cat "$folder"/part-* | sha256sum | cmp --silent - "$folder/sha256"; then
    echo "$(find "$folder" -name 'part-*' | wc -l) parts are here; more are to come"
    exit 3
fi
cat "$folder"/part-* | python3 -c '
import sys, tarfile
tarfile.open(fileobj=sys.stdin.buffer, mode="r|xz").extractall(sys.argv[1], filter="tar")
' "$folder/site"
rm "$folder"/part-*
cat >"$folder/environment" <<END
export PYTHONPATH=$PWD/server:$PWD/plugins:$PWD/vectors:$PWD:$folder/site
export STEERSMAN_ALLOW_VLLM=0.26.0 PYTHONUNBUFFERED=1
END
echo "unpacked; now: . $folder/environment"
