"""Runs the Dockerfile's steps for one target in an empty root folder, without a Docker engine.

debootstrap stands in for the base image; RUN steps run under chroot in mount and process
namespaces of their own, so that no mount and no process outlives them. Then ENTRYPOINT and CMD are
started as the image's user, without any network but loopback, until HEALTHCHECK passes, and told
to stop. Needs root, debootstrap and minutes: `make docker-check`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import dockerfile
from dockerfile import Stage, Step

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What the official Python image has and a minimal Debian lacks.
BASE_PACKAGES = "ca-certificates,python3,python3-dev,python3-venv"
# `docker run -e`: the image serves other machines, so it starts with a key or not at all.
RUN_ENV = {"VLLM_API_KEY": "docker-check"}
LOG = Path("/var/tmp/steersman-docker-check.log")
# What an engine gives every container from its host.
FROM_HOST = ("/etc/hosts", "/etc/resolv.conf")


def fail(what: str, remedy: str) -> NoReturn:
    """Says what failed and what to do, and ends the program."""
    print(f"\nerror: {what}\n  remedy: {remedy}", file=sys.stderr)
    sys.exit(1)


@dataclass(frozen=True)
class Image:
    """A root folder and the settings that instructions gathered for it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0"
    health: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)


class Builder:
    """Builds stages into folders under `work`, each once."""

    def __init__(self, stages: dict[str, Stage], work: Path) -> None:
        self.stages = stages
        self.work = work
        self.images: dict[str, Image] = {}
        self.secret = work / "pip.conf"
        self.secret_paths = write_pip_secret(self.secret)

    def image(self, name: str) -> Image:
        """Returns the stage or base image of that name, building what it needs first."""
        if name not in self.images:
            built = self.stage(self.stages[name]) if name in self.stages else self.base(name)
            self.images[name] = built
        return self.images[name]

    def base(self, name: str) -> Image:
        """Returns a minimal Debian of the release that the base image's tag ends with."""
        release = name.rsplit("-", 1)[-1]
        folder = self.work / "base-image"
        say(f"FROM {name}: debootstrap {release}")
        command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}"]
        run([*command, release, str(folder)], f"debootstrap of {release} failed")
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return Image(folder, env={"PATH": path})

    def stage(self, stage: Stage) -> Image:
        """Returns the stage's image: a copy of its base, changed step by step."""
        base = self.image(stage.base)
        folder = self.work / f"stage-{stage.name}"
        run(["cp", "-a", "--reflink=auto", str(base.folder), str(folder)], "copying a root failed")
        image = replace(base, folder=folder)
        for step in stage.steps:
            started = time.monotonic()
            image = self.apply(step, image)
            took = time.monotonic() - started
            say(f"[{stage.name}] {step.word} {step.rest[:90]} ({took:.0f} s)")
        return image

    def apply(self, step: Step, image: Image) -> Image:
        """Returns the image after one instruction."""
        match step.word:
            case "ENV":
                pairs = (pair.split("=", 1) for pair in step.arguments())
                path = image.env["PATH"]
                env = {name: value.replace("$PATH", path) for name, value in pairs}
                return replace(image, env={**image.env, **env})
            case "WORKDIR":
                inside(image, step.rest).mkdir(parents=True, exist_ok=True)
                return replace(image, workdir=step.rest)
            case "COPY":
                self.copy(step, image)
                return image
            case "RUN":
                self.run_step(step, image)
                return image
            case "USER":
                return replace(image, user=step.rest)
            case "EXPOSE":
                return image
            case "HEALTHCHECK":
                _, _, command = step.rest.partition("CMD ")
                return replace(image, health=Step("CMD", {}, command).arguments())
            case "ENTRYPOINT":
                return replace(image, entrypoint=step.arguments(), cmd=[])
            case "CMD":
                return replace(image, cmd=step.arguments())
            case word:
                fail(f"{word} is not done here", "teach docker_check.py what it means")

    def copy(self, step: Step, image: Image) -> None:
        """Copies as COPY does: a folder's content, or files into a folder named with a slash."""
        source_root = ROOT
        if "from" in step.flags:
            source_root = self.image(step.flags["from"]).folder
        *sources, target = step.arguments()
        into = inside(image, os.path.join(image.workdir, target))
        for source in sources:
            path = source_root / source.lstrip("/")
            if path.is_dir():
                skip = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, into, dirs_exist_ok=True, ignore=skip)
                own(into, step.flags)
            elif path.is_file():
                name = into / path.name if target.endswith(("/", ".")) else into
                name.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, name)
                own(name, step.flags)
            else:
                fail(
                    f"COPY {source}: there is no such file here", "make it, or mend the Dockerfile"
                )

    def run_step(self, step: Step, image: Image) -> None:
        """Runs a RUN line under the image's shell."""
        binds = {path: path for path in FROM_HOST}
        mount = dict(part.partition("=")[::2] for part in step.flags.get("mount", "").split(","))
        if mount.get("id") == "pip":
            binds |= {str(self.secret): mount["target"]}
            binds |= {path: path for path in self.secret_paths}
        command = ["/bin/sh", "-c", step.rest]
        run(enter(image, command, binds, network=True), f"RUN {step.rest} failed")


def own(path: Path, flags: dict[str, str]) -> None:
    """Gives what was copied its owner and mode: root's, unless COPY says otherwise."""
    user, _, group = flags.get("chown", "0:0").partition(":")
    for each in (path, *path.rglob("*")):
        os.chown(each, int(user), int(group))
        if "chmod" in flags:
            each.chmod(int(flags["chmod"], 8))


def write_pip_secret(path: Path) -> list[str]:
    """Writes this machine's pip configuration as a pip.conf; returns the local paths it names."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(pip, capture_output=True, text=True, check=False).stdout.splitlines()
    pairs = [line.partition("=")[::2] for line in lines if "=" in line]
    pairs.sort(key=lambda pair: pair[0].startswith(":env:"))
    settings = {name.rsplit(".", 1)[-1]: value.strip("'\"") for name, value in pairs}
    # An index in a local folder links to files beside it, out of the image's sight.
    extra = settings.pop("extra-index-url", "").split()
    settings["extra-index-url"] = " ".join(url for url in extra if not url.startswith("file:"))
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    path.write_text(f"[global]\n{text}")
    words = " ".join(settings.values()).split()
    return [word for word in words if word.startswith("/") and Path(word).exists()]


def inside(image: Image, path: str) -> Path:
    """Returns where an absolute path of the image lies on this machine."""
    return image.folder / path.lstrip("/")


def home_of(image: Image) -> str:
    """Returns the user's home as the image's own user list has it."""
    users = (line.split(":") for line in inside(image, "/etc/passwd").read_text().splitlines())
    return next((user[5] for user in users if image.user in (user[0], user[2])), "/")


def enter(image: Image, command: list[str], binds: dict[str, str], *, network: bool) -> list[str]:
    """Returns the command that runs another in the image, in namespaces of its own."""
    root = shlex.quote(str(image.folder))
    mounts = [
        f"mount -t proc proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
        f"mount --rbind /sys {root}/sys",
        f"mount -t tmpfs tmpfs {root}/dev/shm",
    ]
    for source, target in binds.items():
        there = inside(image, target)
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            there.mkdir() if Path(source).is_dir() else there.touch()
        mounts.append(f"mount --bind {shlex.quote(source)} {shlex.quote(str(there))}")
    env = {"HOME": home_of(image), **image.env}
    chroot = ["chroot", f"--userspec={image.user}", str(image.folder), "env", "-i"]
    chroot += [f"{name}={value}" for name, value in env.items()]
    chroot += ["/bin/sh", "-c", f'cd {shlex.quote(image.workdir)} && exec "$@"', "sh", *command]
    script = " && ".join([*mounts, "exec " + shlex.join(chroot)])
    namespaces = ["--mount", "--pid", "--fork", "--kill-child"]
    if not network:
        namespaces.append("--net")
    return ["unshare", *namespaces, "/bin/sh", "-c", script]


def start(image: Image, patience_s: int) -> None:
    """Starts the image as an engine would, waits for its health check, and stops it."""
    script = "/tmp/docker_start.sh"
    binds = {path: path for path in FROM_HOST} | {str(HERE / "docker_start.sh"): script}
    command = [script, image.user, str(patience_s), shlex.join(image.health)]
    command += [*image.entrypoint, *image.cmd]
    as_root = replace(image, user="0", env={**image.env, **RUN_ENV, "HOME": home_of(image)})
    run(enter(as_root, command, binds, network=False), "the image does not start", show=True)


def run(command: list[str], what: str, *, show: bool = False) -> None:
    """Runs a command; fails with the end of what it said."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        LOG.write_text(done.stdout)
        end = "\n    ".join(lines[-25:])
        fail(f"{what} (exit {done.returncode})\n    {end}", f"see above; all it said is in {LOG}")
    if show:
        say("\n".join(f"    {line}" for line in lines[-12:]))


def say(line: str) -> None:
    """Prints at once: a step may take minutes."""
    print(line, flush=True)


def main() -> None:
    """Builds the target and, unless told otherwise, starts it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--no-start", action="store_true", help="only build")
    parser.add_argument("--patience", type=int, default=300, help="seconds to become healthy")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        fail("only root can make an empty root folder", "run it as root: sudo make docker-check")
    if shutil.which("debootstrap") is None:
        fail("debootstrap is not installed", "apt install debootstrap")
    stages = dockerfile.stages((ROOT / "Dockerfile").read_text())
    if chosen.target not in stages:
        fail(f"the Dockerfile has no target {chosen.target}", f"say one of {', '.join(stages)}")
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="steersman-docker-check-", dir="/var/tmp"))
    try:
        image = Builder(stages, work).image(chosen.target)
        if not chosen.no_start:
            say(f"starting {shlex.join([*image.entrypoint, *image.cmd])}")
            start(image, chosen.patience)
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(work)], check=False)
    say(f"Target {chosen.target}: every step ran ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
