"""What a report is made of, read and checked before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..calibrate.record import Calibration
from ..card import VectorCard
from ..errors import CallerError
from ..formats import native
from ..formats.reader import read_file
from ..judges.figures import SettingFigures, figures_of
from ..judges.scores import Scores, read_scores
from ..sweep.grid import key_of
from ..sweep.results import Results, read_results
from ..sweep.summary import Summary, summarise


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep, its figures, and what judges said of it."""

    results: Results
    summaries: tuple[Summary, ...]
    scores: Scores | None = None
    figures: tuple[SettingFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a report may say; None for what was not given."""

    card: VectorCard
    digest: str
    """Of the vector's file."""
    calibration: Calibration | None = None
    swept: Swept | None = None
    extracted: VectorCard | None = None
    """Of the vector before calibration took the chosen layers out of it."""

    @property
    def measured(self) -> VectorCard:
        """The card with the metrics of most layers."""
        return self.extracted or self.card


def gather(
    vector: Path,
    *,
    calibration: Path | None = None,
    sweep: Path | None = None,
    scores: Path | None = None,
    extracted: Path | None = None,
) -> Contents:
    """Returns what the files say.

    Raises `CallerError`: `file_unreadable`, `invalid_vector_file`, `calibration_invalid`,
    `calibration_of_another_vector`, `extracted_another_vector`, `sweep_of_another_vector`,
    `scores_of_another_sweep`, `results_not_found`, `results_damaged`, `scores_invalid`,
    `scores_without_sweep`.
    """
    if scores is not None and sweep is None:
        raise CallerError(
            "--scores: got scores without the sweep that they are of; add --sweep RESULTS",
            code="scores_without_sweep",
            param="scores",
        )
    data = read_file(vector)
    card = native.loads(data).card
    return Contents(
        card=card,
        digest=native.digest(data),
        calibration=None if calibration is None else read_calibration(calibration, card),
        swept=None if sweep is None else read_sweep(sweep, scores, card),
        extracted=None if extracted is None else read_extracted(extracted, card),
    )


def read_calibration(path: Path, card: VectorCard) -> Calibration:
    """Returns the record, which must be of this vector on this base model."""
    try:
        record = Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _invalid(path, f"it cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"])) or "the file"
        raise _invalid(path, f"{at}: {first['msg']}") from None
    mine, its = (card.name, card.fingerprint), (record.vector, record.fingerprint)
    if record.vector != card.name or card.fingerprint not in (None, record.fingerprint):
        raise CallerError(
            f"--calibration: {path} is of another vector or base model: got {its}, expected "
            f"{mine}. Give the record that was written beside this vector",
            code="calibration_of_another_vector",
            param="calibration",
        )
    return record


def read_extracted(path: Path, card: VectorCard) -> VectorCard:
    """Returns the card of the vector that this one was calibrated from."""
    whole = native.loads(read_file(path)).card
    if (whole.hidden_size, whole.data_hash) != (card.hidden_size, card.data_hash):
        raise CallerError(
            f"--extracted: {path} was made of other data: got {whole.data_hash or 'no data hash'}, "
            f"expected {card.data_hash or 'none'}. Give what `steersman vectors extract` wrote",
            code="extracted_another_vector",
            param="extracted",
        )
    return whole


def read_sweep(path: Path, scores_path: Path | None, card: VectorCard) -> Swept:
    """Returns the sweep's figures, which must have settings of this vector."""
    results = read_results(path)
    names = [vector.name for vector in results.grid.vectors]
    same_model = card.fingerprint in (None, results.grid.model)
    if card.name not in names or not same_model:
        raise CallerError(
            f"--sweep: {path} is of other vectors or another base model: got {names} on "
            f"{results.grid.model}, expected {card.name!r} on {card.fingerprint}",
            code="sweep_of_another_vector",
            param="sweep",
        )
    summaries = summarise(results)
    if scores_path is None:
        return Swept(results, summaries)
    scores = read_scores(scores_path)
    if scores.sweep not in ("", key_of(results.grid)):
        raise CallerError(
            f"--scores: {scores_path} is of another sweep than {path}: got {scores.sweep}, "
            f"expected {key_of(results.grid)}. Judge this sweep with `steersman judge`",
            code="scores_of_another_sweep",
            param="scores",
        )
    return Swept(results, summaries, scores, figures_of(results.grid, scores))


def _invalid(path: Path, what: str) -> CallerError:
    return CallerError(
        f"{path} is no calibration: {what}. Expected what `steersman vectors calibrate` writes",
        code="calibration_invalid",
        param="calibration",
    )
