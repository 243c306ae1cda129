"""Prompts and plans of offline requests, checked before any of them runs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from steersman_vectors.engine_contract import intake_of
from steersman_vectors.errors import CallerError
from steersman_vectors.message import Message
from steersman_vectors.plan import SteeringPlan, decode_plan
from steersman_vectors.spans import steered_turns
from steersman_vectors.sweep.contract import Dose

from . import compat
from .intake import check_plan, markers_for

REMEMBERED = 65_536

TokenIds = tuple[int, ...]


class Prompts:
    """What one engine makes of messages and doses; each is worked out once."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self._input = compat.input_processor_of(llm)
        self._longest = compat.max_model_len(llm)
        self.vocabulary = compat.vocabulary_size(llm)
        self.ids = lru_cache(REMEMBERED)(self._ids)
        self.plan = lru_cache(REMEMBERED)(self._plan)

    def _ids(self, messages: tuple[Message, ...]) -> TokenIds:
        """Returns the prompt's token ids, generation header included, as the server renders them.

        Raises `CallerError`: `too_long`, `prompt_unusable`.
        """
        try:
            ids = compat.chat_token_ids(self._llm, [message.as_json() for message in messages])
        except compat.TooLongError as error:
            raise self._too_long(str(error)) from error
        except Exception as error:  # templates run arbitrary Jinja and raise what they like
            raise CallerError(
                f"the model's chat template does not take this prompt: {error}. "
                f"Its roles are {[message.role for message in messages]}",
                code="prompt_unusable",
            ) from error
        return self.checked(tuple(ids))

    def checked(self, ids: TokenIds) -> TokenIds:
        """Returns the ids.

        Raises `CallerError`: `too_long` where no token has room after them, `invalid_ask` for an id
        that the model does not have.
        """
        if len(ids) >= self._longest:
            raise self._too_long(f"{len(ids)} tokens")
        if wrong := [token for token in ids if not 0 <= token < self.vocabulary]:
            raise CallerError(
                f"got token ids {wrong[:10]}, expected 0 to {self.vocabulary - 1}: the model has "
                f"{self.vocabulary} tokens",
                code="invalid_ask",
            )
        return ids

    def _plan(self, dose: Dose, prompt: TokenIds) -> SteeringPlan | None:
        """Returns the plan bound to the prompt; None for a dose that does nothing.

        Raises `CallerError`: `invalid_plan`, `vector_not_resident`, `alpha_out_of_reach`, ...
        """
        terms = [list(term) for term in dose.terms]
        schedule = dose.schedule.model_dump(mode="json")
        plan = decode_plan({"terms": terms, "scope": dose.scope, "schedule": schedule})
        if not plan.terms:
            return None
        check_plan(self._input, plan)
        markers = None
        if dose.scope == "assistant":
            markers = markers_for(intake_of(self._input), self._input)
        return plan.with_turns(steered_turns(dose.scope, prompt, markers))

    def _too_long(self, got: str) -> CallerError:
        return CallerError(
            f"a prompt is too long: got {got}, expected fewer than {self._longest} tokens, so that "
            "an answer has room. Shorten it, or start the engine with a longer max_model_len",
            code="too_long",
        )
