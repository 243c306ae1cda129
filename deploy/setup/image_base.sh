#!/usr/bin/env bash
# image_base.sh: what both images hold besides Python: the user, tini, and the compiler torch.compile calls at start.
set -euo pipefail
# shellcheck source=deploy/setup/messages.sh
source "$(dirname "$0")/messages.sh"

export DEBIAN_FRONTEND=noninteractive
logged /tmp/apt.log apt-get update || fail "apt-get update failed" "see the lines above; is Debian's archive in reach?"
logged /tmp/apt.log apt-get install --yes --no-install-recommends g++ libnuma1 tini ||
    fail "apt-get install failed" "see the lines above"
rm -rf /var/lib/apt/lists/* /tmp/apt.log

# A fixed id, so that a volume's owner can be set from outside.
useradd --uid 10001 --user-group --create-home --home-dir /var/lib/steersman --shell /usr/sbin/nologin steersman
chmod 0700 /var/lib/steersman
