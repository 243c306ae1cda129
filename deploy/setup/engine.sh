#!/usr/bin/env bash
# engine.sh: prints the engine to install, cpu or cuda: $ENGINE, or what this machine's hardware says.
set -euo pipefail
# shellcheck source=deploy/setup/messages.sh
source "$(dirname "$0")/messages.sh"

case "${ENGINE:-auto}" in
    cpu | cuda)
        echo "$ENGINE"
        ;;
    auto)
        if nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then echo cuda; else echo cpu; fi
        ;;
    *)
        fail "ENGINE=$ENGINE is not an engine" \
            "say ENGINE=cpu or ENGINE=cuda, or leave it out: an NVIDIA GPU gets cuda, any other machine cpu"
        ;;
esac
