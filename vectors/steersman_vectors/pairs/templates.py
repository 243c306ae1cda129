"""What the model is asked that writes pairs: Markdown with `${...}` where the concept goes.

${concept}  the behaviour, as free text          ${count}  how many are wanted
${topic}    the situation; not in `topics.md`    $$        a dollar sign
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

from ..errors import CallerError

FOLDER = Path(__file__).parent / "templates"
TOPICS = "topics"
SHIPPED = ("behaviour", "prompts")
"""Templates of pairs; `topics` is asked before either."""
MAX_CHARS = 40_000
MAX_CONCEPT_CHARS = 4_000
NEEDED = {True: frozenset({"concept", "count"}), False: frozenset({"concept", "count", "topic"})}


@dataclass(frozen=True, slots=True)
class PairTemplate:
    """A template whose placeholders are known to be there."""

    name: str
    text: str

    def ask(self, **values: str | int) -> str:
        """Returns the question with the values in place of the placeholders."""
        return Template(self.text).substitute(values).strip()


def load_template(name: str) -> PairTemplate:
    """Returns a shipped template by name, or one from a file.

    Raises `CallerError`: `template_not_found`, `template_invalid`.
    """
    path = FOLDER / f"{name}.md" if name in (*SHIPPED, TOPICS) else Path(name)
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_CHARS + 1)
    except OSError:
        raise CallerError(
            f"no template {name!r}: give {' or '.join(SHIPPED)}, or the path of a file with "
            "${concept}, ${topic} and ${count}",
            code="template_not_found",
        ) from None
    except UnicodeDecodeError:
        raise _invalid(name, "is not UTF-8; save the file as UTF-8") from None
    if len(text) > MAX_CHARS:
        raise _invalid(name, f"has more than {MAX_CHARS:,} characters; shorten it")
    return checked(name, text)


def checked(name: str, text: str) -> PairTemplate:
    """Returns the template; raises `CallerError(template_invalid)` for other placeholders."""
    template, needed = Template(text), NEEDED[name == TOPICS]
    if not template.is_valid():
        raise _invalid(name, "has a $ that begins no placeholder; write $$ for a dollar sign")
    found = set(template.get_identifiers())
    if found != needed:
        missing = ", ".join(f"${{{each}}}" for each in sorted(needed - found))
        unknown = ", ".join(f"${{{each}}}" for each in sorted(found - needed))
        raise _invalid(
            name,
            "; ".join(
                [f"lacks {missing}; add it"] * bool(missing)
                + [f"has the unknown {unknown}; remove it, or write $$"] * bool(unknown)
            ),
        )
    return PairTemplate(name, text)


def checked_concept(concept: str) -> str:
    """Returns the concept without white space around; raises `CallerError(invalid_option)`."""
    concept = concept.strip()
    if not concept or len(concept) > MAX_CONCEPT_CHARS:
        raise CallerError(
            f"--concept: got {len(concept):,} characters, expected 1 to {MAX_CONCEPT_CHARS:,} that "
            'say what the vector is to do, such as "answers with warmth and empathy"',
            code="invalid_option",
            param="concept",
        )
    return concept


def _invalid(name: str, what: str) -> CallerError:
    return CallerError(f"template {name!r} {what}", code="template_invalid")
