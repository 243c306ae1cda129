"""A snapshot with a few vectors, and an engine to resolve against."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from steersman_server.admission.decision import Decision
from steersman_server.admission.engine_facts import EngineFacts
from steersman_server.admission.inbound import LOCAL_CALLER, Inbound
from steersman_server.admission.request import parse_steering
from steersman_server.admission.resolve import Situation, resolve
from steersman_server.configuration import Configuration
from steersman_vectors.card import Preset
from steersman_vectors.errors import OperatorError
from steersman_vectors.formats import native
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.schedule import Linear
from steersman_vectors.vector import from_differences

MODEL = "sha256:" + "1" * 64
OTHER_MODEL = "sha256:" + "2" * 64
HEADER = Linear(tokens=1, floor=0.1)


def entry(
    name: str, version: int = 1, *, fingerprint: str = MODEL, layers=(1,), scale="unit", **card
):
    vector = from_differences(
        {i: np.full(4, version, dtype=float) for i in layers},
        name=name,
        scale=scale,
        fingerprint=fingerprint,
        **card,
    )
    digest = native.digest(native.dumps(vector) + name.encode() + bytes([version]))
    return VectorEntry(
        name=name,
        version=version,
        digest=digest,
        fingerprint=fingerprint,
        card=vector.card,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        actor="test",
    )


ENTRIES = (
    entry("empathy", 1),
    entry(
        "empathy",
        2,
        alpha_max=2.0,
        presets={
            "low": Preset(alpha=0.3, schedule=HEADER),
            "strong": Preset(alpha=1.0, schedule=HEADER, scope="generation"),
        },
    ),
    entry("concise", presets={"low": Preset(alpha=0.5, schedule=HEADER)}),
    entry(
        "calibrated",
        scope="generation",
        schedule=HEADER,
        presets={"low": Preset(alpha=0.2), "wide": Preset(alpha=0.2, scope="all")},
    ),
    entry("plain", presets={"low": Preset(alpha=0.5)}),
    entry("deep", layers=(1, 9)),
    entry("by-norm", scale="token"),
    entry("foreign", fingerprint=OTHER_MODEL),
)
SNAPSHOT = RegistrySnapshot.of(7, ENTRIES, {(MODEL, "empathy", "prod"): (1,)})
ENGINE = EngineFacts(MODEL, frozenset(range(4)), None)
NO_TEMPLATE = EngineFacts(
    MODEL, frozenset(range(4)), OperatorError("no template", code="chat_template_unsupported")
)
DIGEST = {(e.name, e.version): e.digest for e in ENTRIES}


def resolve_field(field, engine=ENGINE, snapshot=SNAPSHOT) -> Decision:
    """Returns the decision for a field on a server that asks nobody for keys."""
    inbound = Inbound(LOCAL_CALLER, parse_steering(field))
    return resolve(inbound, Situation(snapshot, Configuration(), engine))
