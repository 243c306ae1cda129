"""A generated support-desk corpus with ground truth for every answer."""

from steersman_demo.corpus.case import Conversation, Length, Split, Style, Tone, Truth, Turn
from steersman_demo.corpus.generate import conversation, conversations

__all__ = [
    "Conversation",
    "Length",
    "Split",
    "Style",
    "Tone",
    "Truth",
    "Turn",
    "conversation",
    "conversations",
]
