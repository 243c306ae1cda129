"""Settings of one server, written by `steersman serve` and read by every API process it starts."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from steersman_vectors.engine_contract import SERVER_ENV
from steersman_vectors.model_dir import ModelShape

from .access.settings import AccessSettings
from .access.whole_body import MAX_BODY_BYTES
from .quality.logprob_gate import LOGPROB_SHARE
from .quality.sampler import QUALITY_SAMPLE
from .readout.slots import ReadoutSlot


class ServerSettings(BaseModel):
    """What the API processes must know; travels in one environment variable as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry_url: str
    """Where the registry listens; never logged (it may carry a password)."""
    fingerprint: str
    """Of the base model that is served."""
    shape: ModelShape
    data_dir: Path
    registry_copy: Path
    """Where this machine keeps its own copy of the registry."""
    server_pid: int
    """Of the `steersman serve` that started the API processes."""
    access: AccessSettings = AccessSettings()
    api_processes: int = 1
    max_body_bytes: int = MAX_BODY_BYTES
    intents: Path | None = None
    """The intent classifier: a folder or a file; None without one."""
    quality_sample: float = QUALITY_SAMPLE
    """Share of requests whose answers are judged, 0 to 1."""
    quality_shadow: float = 0.0
    """Share of requests of which the steered ones are run unsteered too."""
    readout: tuple[ReadoutSlot, ...] = ()
    """The vectors that are read out, with their blocks as the engine was started."""
    quality_logprob_share: float = LOGPROB_SHARE
    """Share of time in which one of these asks for log-probabilities; 1: all of them do."""
    model_names: tuple[str, ...]
    """Under which the base model is served; the first is the one to tell people."""
    try_it_url: str | None = None
    """Base URL to print examples for once the server answers; None prints nothing."""

    def to_environment(self) -> None:
        """Puts the settings where child processes find them."""
        os.environ[SERVER_ENV] = self.model_dump_json()


def settings_from_environment() -> ServerSettings | None:
    """Returns the settings of the server this process belongs to, or None under plain vLLM."""
    text = os.environ.get(SERVER_ENV)
    return None if text is None else ServerSettings.model_validate_json(text)
