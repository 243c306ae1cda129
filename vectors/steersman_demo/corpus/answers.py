"""Reference answers: the same facts, warm or cold, concise or verbose."""

from random import Random

from steersman_demo.corpus.case import Length, Tone, Truth
from steersman_demo.corpus.phrase import capitalised, fill, load, pick
from steersman_demo.corpus.questions import Case
from steersman_demo.corpus.topics import Topic

_MANNER = load("manner")
_TURNS = load("turns")


def truth_of(case: Case) -> Truth:
    """The facts an answer to `case` must carry."""
    if case.mention == "missing":
        return Truth(case.topic.name, (case.topic.rule,))
    return Truth(case.topic.name, (case.number, *case.values.values(), case.topic.rule))


def topic_answer(case: Case, tone: Tone, length: Length, rng: Random) -> str:
    """An answer to a question on a topic; asks for the number when it is missing."""
    topic = case.topic
    if case.mention == "missing":
        ask = fill(pick(_MANNER[tone]["ask"]["all"], rng), {"kind": topic.reference})
        facts = f"{fill(pick(topic.rules[tone], rng), {'rule': topic.rule})} {ask}"
    else:
        facts = fill(pick(topic.facts[tone], rng), _slots(case))
    return dressed(facts, topic, tone, length, rng)


def dressed(facts: str, topic: Topic, tone: Tone, length: Length, rng: Random) -> str:
    """The sentence `facts` with the opening, the details and the closing of a style."""
    opening = pick(_MANNER[tone][topic.mood][length], rng)
    if length == "concise":
        return " ".join(part for part in (opening, facts) if part)
    # Either half of the details has its own place, so that no answer says one twice.
    details = topic.details[tone]
    half = len(details) // 2
    body = [facts, pick(details[:half], rng)]
    if rng.random() < 0.35:
        body.append(pick(details[half:], rng))
    return " ".join([opening, *body, pick(_MANNER[tone]["closing"]["verbose"], rng)])


def duration_answer(topic: Topic, tone: Tone, length: Length, rng: Random) -> str:
    """The rule of `topic` once more."""
    rule = fill(pick(topic.rules[tone], rng), {"rule": topic.rule})
    return _brief(rule, tone, length, rng)


def recall_answer(kind: str, number: str, tone: Tone, length: Length, rng: Random) -> str:
    """The reference number once more."""
    ref = f"{kind} {number}"
    return _brief(
        fill(pick(_TURNS["recall"][tone], rng), {"ref": ref, "Ref": capitalised(ref)}),
        tone,
        length,
        rng,
    )


def small_answer(kind: str, tone: Tone, length: Length, rng: Random) -> str:
    """A reply to a greeting or to thanks."""
    return _brief(pick(_TURNS[kind][tone], rng), tone, length, rng)


def quote(text: str, tone: Tone, rng: Random) -> str:
    """The customer's own words."""
    return fill(pick(_TURNS["quote"][tone], rng), {"text": text})


def refusal(rng: Random) -> str:
    """A refusal; the same wordings in every style."""
    return pick(_TURNS["unsafe"]["refusals"], rng)


def _brief(text: str, tone: Tone, length: Length, rng: Random) -> str:
    if length == "concise":
        return text
    return f"{text} {pick(_MANNER[tone]['closing']['verbose'], rng)}"


def _slots(case: Case) -> dict[str, str]:
    ref = f"{case.topic.reference} {case.number}"
    return {"ref": ref, "Ref": capitalised(ref), "rule": case.topic.rule, **case.values}
