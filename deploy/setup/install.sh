#!/usr/bin/env bash
# install.sh ENGINE VENV: installs the locked packages of ENGINE (cpu or cuda) into VENV, made where missing.
# `make setup` and the Dockerfile both call it.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/setup/messages.sh
source "$here/messages.sh"

engine=${1:?install.sh ENGINE VENV}
venv=${2:?install.sh ENGINE VENV}
locks="$here/../../requirements"
[ -d "$locks" ] || locks="$here/../requirements" # the image keeps both folders side by side
log="$venv/setup.log"
pytorch_cpu_index=https://download.pytorch.org/whl/cpu

[ -f "$locks/$engine.lock" ] || fail "there is no lock file $locks/$engine.lock" \
    "restore it with git, or make it with: make lock"

if ! [ -x "$venv/bin/python" ]; then
    python=$("$here/python.sh")
    say "Making $venv with $("$python" --version)"
    "$python" -m venv "$venv" || fail "could not make the virtual environment $venv" \
        "remove $venv, see that the disk is not full and the folder is yours, and try again"
fi

# --no-deps: a lock file is a full closure, and pip's own resolver would bring in torchvision,
# torchaudio and torchcodec, whose builds on PyPI are for CUDA and break transformers on the CPU.
install() {
    logged "$log" "$venv/bin/python" -m pip install --no-deps --no-input --disable-pip-version-check "$@"
}

if [ "$engine" = cpu ]; then
    say "Installing $(grep '^torch==' "$locks/cpu-torch.lock") from where pip is configured to look"
    if ! install -r "$locks/cpu-torch.lock" 2>/dev/null; then
        say "Not there; taking it from PyTorch's CPU index"
        install --index-url "$pytorch_cpu_index" -r "$locks/cpu-torch.lock" ||
            fail "PyTorch's CPU build is neither where pip is configured to look nor on $pytorch_cpu_index" \
                "let this machine reach one of them, or put the wheel of this Python version in a folder and set PIP_FIND_LINKS to it"
    fi
fi

say "Installing requirements/$engine.lock (minutes on a first run; pip writes to $log)"
install -r "$locks/$engine.lock" || fail "installing requirements/$engine.lock failed" \
    "see the lines above; if it is the network or the disk, mend that and run the same command again: it goes on where it stopped"
