"""What the .json or .toml file of a classifier may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
Score = Annotated[float, Field(ge=0, le=1)]
Phrases = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(
    max_length=2000
)]  # fmt: skip
SAFETY = "safety"
"""The label whose turns are served unsteered where nothing else is said."""


class Strict(BaseModel):
    """Refuses keys that nothing would look at."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rule(Strict):
    """A label, and the words by which a turn gets it."""

    label: Label
    any: Phrases = ()
    """One of these is in the turn."""
    all: Phrases = ()
    """Each of these is."""
    none: Phrases = ()
    """None of these is."""
    score: Score = 1.0

    @model_validator(mode="after")
    def _says_something(self) -> Rule:
        if not self.any and not self.all:
            raise ValueError("a rule needs 'any' or 'all': phrases that must be in the turn")
        return self


class RulesConfig(Strict):
    """The first rule that holds gives the label."""

    kind: Literal["rules"]
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=500)
    safety_labels: tuple[Label, ...] | None = None
    """None: `safety`, where a rule gives it."""


class EmbeddingConfig(Strict):
    """A trained folder; `path` is relative to the file that names it."""

    kind: Literal["embedding"]
    path: str
    threshold: Score | None = None
    """None: the one on the card."""


Fallback = (
    Literal["abstain"] | Annotated[RulesConfig | EmbeddingConfig, Field(discriminator="kind")]
)


class HttpConfig(Strict):
    """A service that is asked by POST, and what stands in for it."""

    kind: Literal["http"]
    url: HttpUrl
    labels: tuple[Label, ...] = Field(min_length=1, max_length=256)
    """What the service may answer; anything else counts as a failure."""
    fallback: Fallback
    """Has to be said: who labels turns, safety among them, while the service does not."""
    safety_labels: tuple[Label, ...] | None = None
    timeout_s: float = Field(default=0.2, gt=0, le=10)
    threshold: Score = 0.0
    """Answers with a lower score abstain."""
    failures_to_open: int = Field(default=5, ge=1, le=1000)
    """After so many failures in a row the service is not asked for a while."""
    open_s: float = Field(default=5.0, gt=0, le=3600)
    """For so long; then one request asks it again."""
    max_connections: int = Field(default=32, ge=1, le=1024)
    headers: dict[str, str] = Field(default_factory=dict)


Config = Annotated[RulesConfig | HttpConfig | EmbeddingConfig, Field(discriminator="kind")]


class ConfigFile(Strict):
    """A file's content under one name, so that pydantic's messages start with the kind."""

    classifier: Config


def safety_of(labels: tuple[str, ...], stated: tuple[str, ...] | None) -> frozenset[str]:
    """Returns the safety labels: those stated, else `safety` where it is a label.

    Raises ValueError for a stated one that no turn can get.
    """
    if stated is None:
        return frozenset(labels) & {SAFETY}
    unknown = sorted(set(stated) - set(labels))
    if unknown:
        raise ValueError(f"safety label {unknown[0]!r} is no label; labels: {', '.join(labels)}")
    return frozenset(stated)
