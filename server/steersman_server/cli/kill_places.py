"""Where the kill switch is: a file in the data directory, and the registry. Each may fail alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from ..control.documents import Done
from ..control.flags import set_kill_switch
from ..kill_file import KillFile
from ..processes import living
from .registry_access import Where, change, read_configuration

NO_HISTORY = (
    "the registry holds nothing but its switch: servers that followed an older one, before it was "
    "wiped or replaced, do not follow this. "
)
REMEDY_ON = (
    "For those write the file kill-switch into their data directories (`steersman kill-switch on "
    "--local`), or restart them without their registry-copy folders"
)
REMEDY_OFF = (
    "If those are switched off they stay so: restart them without their registry-copy folders"
)


@dataclass(frozen=True, slots=True)
class _Report:
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_json(self, *, complete: bool) -> dict[str, Any]:
        return {"complete": complete, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Places:
    """The places that a command is about."""

    where: Where
    file: bool
    registry: bool

    def set(self, reason: str, actor: str) -> dict[str, Any]:
        """Switches steering off; returns what was done, and what could not be.

        The file first: it takes effect at once, and needs nothing that could be down.
        """
        report = _Report()
        if self.file:
            path = self._file.path
            try:
                self._file.set(reason or f"by {actor}")
                report.done.append(
                    f"file {path}: written; the servers on this data directory serve everybody "
                    "unsteered from the next request on"
                )
                if not living(self.where.data_dir / "processes"):
                    report.warnings.append(
                        f"no server runs on {self.where.data_dir} at present: is it the right "
                        "data directory? The file holds for a server that is started there"
                    )
            except OSError as error:
                report.failed.append(f"file {path}: not written: {error.strerror or error}")
        if self.registry:
            self._change_registry(report, on=True, reason=reason, actor=actor)
        # A private registry has no other servers than those that look at the file.
        enough = self.where.redis_url is None and self.file and bool(report.done)
        return report.as_json(complete=enough or not report.failed)

    def clear(self, actor: str) -> dict[str, Any]:
        """Switches steering on again; returns what was done, and what could not be."""
        report = _Report()
        if self.file:
            path = self._file.path
            try:
                was_on = self._file.clear()
                report.done.append(f"file {path}: {'removed' if was_on else 'was not there'}")
            except OSError as error:
                report.failed.append(f"file {path}: not removed: {error.strerror or error}")
        if self.registry:
            self._change_registry(report, on=False, reason="", actor=actor)
        if not self.registry:
            report.warnings.append("the registry's switch is left as it is")
        if not self.file:
            report.warnings.append("files kill-switch in data directories are left as they are")
        return report.as_json(complete=not report.failed)

    def status(self) -> dict[str, Any]:
        """Returns where the switch is on; `on` is None where that cannot be known."""
        file = None
        if self.file:
            reason = self._file.reason()
            file = {"where": str(self._file.path), "on": reason is not None, "reason": reason}
        registry: dict[str, Any] = {"where": str(self.where), "on": None, "reason": None}
        try:
            switch = read_configuration(self.where).kill_switch
            registry["on"] = switch is not None
            registry["reason"] = None if switch is None else switch.reason
        except OperatorError as error:
            registry["error"] = error.message
        states = [found["on"] for found in (file, registry) if found is not None]
        on = True if True in states else None if None in states else False
        return {"on": on, "file": file, "registry": registry}

    @property
    def _file(self) -> KillFile:
        return KillFile(self.where.data_dir)

    def _change_registry(self, report: _Report, *, on: bool, reason: str, actor: str) -> None:
        if not self.where.exists:
            # NOTE: nothing was switched there, so it does not count as done.
            report.warnings.append(f"registry {self.where}: there is none")
            return

        async def switch(store: RegistryStore) -> tuple[Done, RegistrySnapshot]:
            done = await set_kill_switch(store, on=on, reason=reason, actor=actor)
            return done, await store.snapshot()

        try:
            (done, snapshot), stray = change(self.where, switch)
        except OperatorError as error:
            report.failed.append(f"registry {self.where}: not switched: {error.message}")
            return
        when = "it was so already" if done.revision is None else f"revision {done.revision}"
        follow = "its servers follow within a second" if stray is None else "not followed here"
        state = f"switch {'on' if on else 'off'} ({when})"
        report.done.append(f"registry {self.where}: {state}; {follow}")
        if stray is not None:
            # Off, a server may stay killed by what it knows; on, the file has reached it.
            (report.warnings if on and self.file else report.failed).append(stray)
        elif self.where.redis_url is not None and _is_bare(snapshot):
            report.warnings.append(NO_HISTORY + (REMEDY_ON if on else REMEDY_OFF))


def _is_bare(snapshot: RegistrySnapshot) -> bool:
    """Returns whether nobody has put anything in but the switch, as after a wipe."""
    others = [name for name in snapshot.documents if not name.startswith("switch/")]
    return not snapshot.versions and not others
