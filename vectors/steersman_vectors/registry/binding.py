"""Binding a vector to its base model: the checks that nothing registered can have skipped."""

from __future__ import annotations

from ..card import VectorCard
from ..errors import CallerError
from ..formats import native
from ..model_dir import ModelShape
from ..names import check_name
from ..vector import SteeringVector


def bind(vector: SteeringVector, *, name: str, fingerprint: str) -> SteeringVector:
    """Returns the vector with this name and base model on its card.

    Raises `CallerError(vector_model_mismatch)` when its card already names another base model.
    """
    card = vector.card
    if card.fingerprint not in (None, fingerprint):
        raise CallerError(
            f"vector {name!r} belongs to another base model: it was made for {card.fingerprint}, "
            f"this is {fingerprint}. Extract it again for this model",
            code="vector_model_mismatch",
        )
    fields = {**card.model_dump(), "name": check_name(name), "fingerprint": fingerprint}
    try:
        return SteeringVector(VectorCard.model_validate(fields), vector.directions)
    except ValueError as error:
        raise _unstorable(name) from error


def bound_form(
    vector: SteeringVector, *, name: str, fingerprint: str
) -> tuple[VectorCard, bytes, str]:
    """Returns the card, the native file and its digest that a bound vector is registered with.

    Raises what `bind` and `stored_form` raise. Takes about a second for the largest vectors.
    """
    bound = bind(vector, name=name, fingerprint=fingerprint)
    data = stored_form(bound)
    return bound.card, data, native.digest(data)


def stored_form(bound: SteeringVector) -> bytes:
    """Returns the native file of a bound vector; it reads back as what it was made of.

    Raises `CallerError(invalid_vector)` for a card that JSON cannot hold.
    """
    try:
        data = native.dumps(bound)
        same = native.loads(data).card == bound.card
    except (ValueError, CallerError) as error:
        raise _unstorable(bound.card.name) from error
    if not same:
        raise _unstorable(bound.card.name)
    return data


def _unstorable(name: str) -> CallerError:
    return CallerError(
        f"the card of vector {name!r} cannot be stored: it holds NaN, infinity or text that is "
        "no Unicode. Remove that from the file and register it again",
        code="invalid_vector",
    )


def check_fits(vector: SteeringVector, shape: ModelShape) -> None:
    """Returns when the vector fits the model's residual stream.

    Raises `CallerError`: `hidden_size_mismatch` or `layer_out_of_range`, with got and expected.
    """
    name = vector.card.name
    if vector.card.hidden_size != shape.hidden_size:
        raise CallerError(
            f"vector {name!r} does not fit the model: got hidden size {vector.card.hidden_size}, "
            f"expected {shape.hidden_size}",
            code="hidden_size_mismatch",
        )
    beyond = [layer_idx for layer_idx in vector.layers if layer_idx >= shape.num_layers]
    if beyond:
        raise CallerError(
            f"vector {name!r} does not fit the model: got layers {beyond}, expected layer_idx "
            f"0 to {shape.num_layers - 1} (the model has {shape.num_layers} decoder blocks)",
            code="layer_out_of_range",
        )
