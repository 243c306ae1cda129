"""Judges from installed packages: `python:package.module:factory`.

The factory is called without arguments and returns a `Judge`. NOTE: naming one runs its code, as
`python -m` would; so a judge is imported only because whoever runs the command named it there,
never because a card or a file of results did.
"""

from __future__ import annotations

import re
from importlib import import_module

from ..errors import CallerError
from .contract import Judge, Measure

_SPEC = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def imported_judge(spec: str) -> Judge:
    """Returns the judge that `package.module:factory` makes.

    Raises `CallerError(invalid_judge)` where there is none; what the module itself raises when it
    is imported is its own.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise _invalid(spec, "expected package.module:factory")
    module_name, factory_name = match.groups()
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise _invalid(spec, f"{error}; install the package that has it") from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise _invalid(spec, f"{module_name} has no function {factory_name}")
    judge = factory()
    if not isinstance(getattr(judge, "measure", None), Measure) or not callable(
        getattr(judge, "judge", None)
    ):
        raise _invalid(
            spec,
            f"it returned {type(judge).__name__}, which is no judge: expected `measure` and "
            "`judge` as in steersman_vectors.judges.contract",
        )
    made: Judge = judge
    return made


def _invalid(spec: str, what: str) -> CallerError:
    return CallerError(f"--judge python:{spec[:80]}: {what}", code="invalid_judge", param="judge")
