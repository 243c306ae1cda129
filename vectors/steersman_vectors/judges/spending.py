"""What asking a model has cost, and may cost: stops before a limit is passed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import CallerError, OperatorError

CHARS_PER_TOKEN = 3
"""Of a prompt that is not yet counted; most have four, so more is set aside than is spent."""
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be spent in one run; None: as much as it takes."""

    max_calls: int | None = None
    max_tokens: int | None = None
    """Of prompts and replies together."""
    max_cost: float | None = None
    """In the currency of the prices."""
    prompt_price: float = 0.0
    reply_price: float = 0.0
    """Per million tokens."""

    def __post_init__(self) -> None:
        """Raises `CallerError(invalid_option)` for a cost limit that no price could reach."""
        prices = self.prompt_price, self.reply_price
        if not all(math.isfinite(price) and price >= 0 for price in prices):
            raise _invalid(f"prices {prices}", "numbers of at least 0", "price")
        if self.max_cost is not None and not any(prices):
            raise _invalid(
                "a limit of cost and no price",
                "--price PROMPT,REPLY per million tokens, or --max-tokens instead",
                "max_cost",
            )

    def cost(self, prompt_tokens: int, reply_tokens: int) -> float:
        """Returns what so many tokens cost."""
        spent = prompt_tokens * self.prompt_price + reply_tokens * self.reply_price
        return spent / MILLION


@dataclass(frozen=True, slots=True)
class Reserved:
    """What is set aside for one call, until its reply says what it took."""

    prompt_tokens: int
    reply_tokens: int


@dataclass(slots=True)
class Spending:
    """What one run has spent. NOTE: of one thread; calls in flight are counted as set aside."""

    limits: Limits
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0

    @property
    def cost(self) -> float:
        """Returns what was spent, in the currency of the prices."""
        return self.limits.cost(self.prompt_tokens, self.reply_tokens)

    def reserve(self, prompt_chars: int, max_reply_tokens: int) -> Reserved:
        """Sets aside what a call may take; raises `OperatorError(budget_spent)` beyond a limit."""
        wanted = Reserved(estimated_tokens(prompt_chars), max_reply_tokens)
        prompt = self.prompt_tokens + wanted.prompt_tokens
        reply = self.reply_tokens + wanted.reply_tokens
        limits = self.limits
        if limits.max_calls is not None and self.calls + 1 > limits.max_calls:
            raise self._spent(f"--max-calls {limits.max_calls:,}")
        if limits.max_tokens is not None and prompt + reply > limits.max_tokens:
            raise self._spent(f"--max-tokens {limits.max_tokens:,}")
        if limits.max_cost is not None and limits.cost(prompt, reply) > limits.max_cost:
            raise self._spent(f"--max-cost {limits.max_cost:g}")
        self.calls += 1
        self.prompt_tokens, self.reply_tokens = prompt, reply
        return wanted

    def settle(self, reserved: Reserved, prompt_tokens: int, reply_tokens: int) -> None:
        """Puts what a call took in the place of what was set aside for it."""
        self.prompt_tokens += prompt_tokens - reserved.prompt_tokens
        self.reply_tokens += reply_tokens - reserved.reply_tokens

    def said(self) -> str:
        """Returns what was spent, for people."""
        tokens = f"{self.prompt_tokens:,} + {self.reply_tokens:,} tokens"
        cost = f", {self.cost:.4g}" if self.limits.prompt_price or self.limits.reply_price else ""
        return f"{self.calls:,} calls, {tokens}{cost}"

    def _spent(self, limit: str) -> OperatorError:
        return OperatorError(
            f"stopped at {limit}: {self.said()} are spent, and the next call might pass it. What "
            "was answered is in the cache and costs nothing again: run the same command with a "
            "higher limit to go on",
            code="budget_spent",
        )


def estimated_tokens(chars: int) -> int:
    """Returns about how many tokens a text has, rather too many."""
    return -(-chars // CHARS_PER_TOKEN)


def _invalid(got: str, expected: str, param: str) -> CallerError:
    return CallerError(f"got {got}, expected {expected}", code="invalid_option", param=param)
