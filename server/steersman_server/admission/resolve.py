"""The decision: one pure function from a request and what is configured to a plan or a refusal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.names import parse_ref
from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..configuration import Configuration
from ..flags.builtin import STEERING, STEERING_INTENT, STEERING_OVERRIDE
from ..flags.context import FlagContext
from ..flags.definition import VECTOR_PREFIX
from ..flags.evaluation import Evaluation
from ..policies.profile import Profile
from ..policies.steering import Steering
from ..tenants.backoff import BackedOff
from .choice import doses_of, first_rule
from .decision import Decision
from .dosing import NOTHING, Dosed, Doses, dose
from .engine_facts import EngineFacts
from .inbound import Inbound
from .refusals import NotAllowedError, NotFoundError
from .request import PARAM, SteeringRequest
from .trace import SILENT, Trace


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision depends on beside the request."""

    snapshot: RegistrySnapshot
    configuration: Configuration
    engine: EngineFacts
    kill_switch: str | None = None
    """Why steering is switched off on this machine; None when it is not."""
    safety_labels: Collection[str] = ()
    """Intents that are served unsteered."""
    local_backoffs: Mapping[str, BackedOff] = field(default_factory=dict)
    """Tenants that this process backed off, which the registry does not know yet."""

    def backoff_of(self, tenant: str) -> BackedOff | None:
        """Returns what the tenant is backed off to: of here and the registry the lower."""
        known = self.configuration.backoffs.get(tenant)
        local = self.local_backoffs.get(tenant)
        if known is None or local is None:
            return known or local
        return min(known, local, key=lambda backed_off: backed_off.scale)

    @property
    def killed(self) -> str | None:
        """Returns why nobody is steered, here or by the registry; None when that is not so."""
        switch = self.configuration.kill_switch
        if self.kill_switch is not None or switch is None:
            return self.kill_switch
        return switch.reason or "in the registry"


def resolve(inbound: Inbound, situation: Situation, trace: Trace = SILENT) -> Decision:
    """Returns the decision; DESIGN section 5 has its steps.

    Raises `CallerError` for what the request itself asks for and cannot have (`dosing.dose` lists
    the codes), `steering_not_allowed` and `steering_off` among them (403); `OperatorError` with the
    same codes when the tenant's own steering cannot be applied and its policy is to fail.
    """
    return _Resolution(inbound, situation, trace).decision()


def wants_intent(inbound: Inbound, situation: Situation) -> bool:
    """Returns whether the intent can change the decision, so that it is worth finding out."""
    configuration, name = situation.configuration, inbound.caller.name
    policy = configuration.policy_of(name)
    asked = inbound.steering is not None or inbound.profile is not None or bool(policy.rules)
    if inbound.steering is False or not (asked or inbound.caller.tenant.default is not None):
        return False
    if not (policy.uses_intent or situation.safety_labels):
        return False
    context = inbound.flag_context()
    flags = configuration.flags
    backed_off = situation.backoff_of(name)
    if backed_off is not None and backed_off.scale == 0.0:
        return False
    on = flags.enabled(STEERING, context) and flags.enabled(STEERING_INTENT, context)
    return on and situation.killed is None


class _Resolution:
    """One run of `resolve`: what it was given, and which flags had a say so far."""

    def __init__(self, inbound: Inbound, situation: Situation, trace: Trace) -> None:
        self.inbound = inbound
        self.situation = situation
        self.trace = trace
        self.backed_off = situation.backoff_of(inbound.caller.name)
        self.context: FlagContext = inbound.flag_context()
        self.asked: dict[str, Evaluation] = {}

    def decision(self) -> Decision:
        """Runs the steps in their order."""
        inbound = self.inbound
        self.trace.note("tenant", inbound.caller.name, _allowed(inbound))
        if (off := self._switched_off() or self._safety()) is not None:
            return off
        if inbound.steering is not None:
            return self._request(inbound.steering)
        profile = self._profile()
        if (by_rule := self._policy()) is not None:
            return by_rule
        return self._default() if profile is None else self._by_profile(profile)

    def _switched_off(self) -> Decision | None:
        """Step 2: kill switch, the flag `steering`, a back-off down to nothing."""
        killed = self.situation.killed
        self.trace.note("kill switch", killed, "off" if killed is None else "on: unsteered")
        if killed is not None:
            return self._off("kill_switch", "operators have pulled the kill switch")
        if not self._enabled(STEERING):
            return self._off("flag_off", f"the flag {STEERING!r} is off for this tenant")
        if self.backed_off is None:
            return None
        scale, tenant = self.backed_off.scale, self.inbound.caller.name
        self.trace.note("back-off", self.backed_off,
                        f"every alpha times {scale:g}" if scale else "unsteered")  # fmt: skip
        if scale > 0.0:
            return None
        return self._off(
            "backed_off",
            "too many of this tenant's steered answers were degenerate; an operator restores its "
            f"steering with `steersman tenants backoff clear {tenant}`",
            scale=0.0,
        )

    def _safety(self) -> Decision | None:
        """Step 3: a safety intent."""
        intent = self.inbound.intent
        label = None if intent is None else intent.label
        if label is None or label not in self.situation.safety_labels:
            self.trace.note("safety", label, "no safety intent")
            return None
        self.trace.note("safety", label, "unsteered")
        return self._off("safety_override", f"its intent is {label!r}")

    def _request(self, field: SteeringRequest | bool) -> Decision:
        """Step 4: the request's own steering."""
        allowed = self.inbound.caller.unrestricted or self._enabled(STEERING_OVERRIDE)
        self.trace.note("request", field, "allowed" if allowed else "not allowed")
        if not allowed:
            raise NotAllowedError(
                "requests of this tenant may not name their own steering; remove 'steering', or "
                f"have an operator set the flag {STEERING_OVERRIDE!r} with `steersman flags set "
                f"{STEERING_OVERRIDE} on --tenant {self.inbound.caller.name}`",
                code="steering_not_allowed",
                param=PARAM,
            )
        if isinstance(field, bool):
            return self._decided("request_off")
        asked = Doses(field.vectors, field.scope, field.schedule)
        decision = self._dosed(asked, "request")
        if field.required and decision.switched_off:
            names = ", ".join(decision.switched_off)
            raise _required(f"the flags of {names} are off for this tenant")
        return decision

    def _profile(self) -> Profile | None:
        """Returns the profile named by the model field."""
        name = self.inbound.profile
        if name is None:
            return None
        profile = self.situation.configuration.profiles.get(name)
        if profile is None or not profile.is_for(self.inbound.caller.name):
            raise NotFoundError(
                f"no profile {name[:80]!r} for this tenant; GET /v1/models lists them",
                code="model_not_found",
                param="model",
            )
        return profile

    def _policy(self) -> Decision | None:
        """Step 6, or 5 where a rule names the profile: the first rule whose condition holds."""
        policy = self.situation.configuration.policy_of(self.inbound.caller.name)
        rule = first_rule(policy, self.inbound, self._ask, self.trace)
        if rule is None:
            return None
        reason = f"policy:{rule.name}"
        if not isinstance(rule.steer, Steering):
            return self._decided(reason)
        return self._operators(rule.steer, reason, may_fall_back=True)

    def _by_profile(self, profile: Profile) -> Decision:
        """Step 5: the profile's own steering."""
        name = self.inbound.profile
        self.trace.note("profile", name, "chosen")
        return self._operators(profile.steer, f"profile:{name}", may_fall_back=False)

    def _default(self) -> Decision:
        """Step 7: the tenant's default, else unsteered."""
        default = self.inbound.caller.tenant.default
        self.trace.note("default", default, "unsteered" if default is None else "chosen")
        if default is None:
            return self._decided("default")
        return self._operators(default, "default", may_fall_back=True)

    def _operators(self, steering: Steering, reason: str, *, may_fall_back: bool) -> Decision:
        """Returns the decision for steering that operators wrote.

        What it asks for may be gone by now: then the tenant's `on_unavailable` says what happens.
        """
        try:
            doses = doses_of(steering, self._ask)
            if doses is None:
                return self._decided(reason)
            return self._dosed(doses, reason, by_operator=may_fall_back)
        except CallerError as error:
            if not may_fall_back:
                raise
            return unavailable(self._decided(reason), self.inbound, error, self.trace)

    def _dosed(self, asked: Doses, reason: str, *, by_operator: bool = False) -> Decision:
        """Returns the decision to apply these, but for vectors whose flag is off."""
        off = tuple(text for text in asked.vectors if not self._vector_is_on(text))
        if off:
            left = {text: dial for text, dial in asked.vectors.items() if text not in off}
            if not left:
                return self._decided("flag_off", switched_off=off, by_operator=by_operator)
            asked = replace(asked, vectors=left)
        tenant, situation = self.inbound.caller.tenant, self.situation
        scale = 1.0 if self.backed_off is None else self.backed_off.scale
        dosed = dose(asked, tenant, situation.snapshot, situation.engine, scale)
        for vector in dosed.applied:
            self.trace.note("dose", f"{vector.name}@{vector.version}", f"alpha {vector.alpha:g}")
        return self._decided(reason, dosed, switched_off=off, by_operator=by_operator, scale=scale)

    def _vector_is_on(self, text: str) -> bool:
        try:
            name = parse_ref(text).name
        except CallerError:
            return True  # `dose` says what is wrong with it
        return self._enabled(VECTOR_PREFIX + name)

    def _off(self, reason: str, why: str, scale: float = 1.0) -> Decision:
        asked = self.inbound.steering
        if isinstance(asked, SteeringRequest) and asked.required:
            raise _required(why)
        return self._decided(reason, scale=scale)

    def _decided(
        self, reason: str, dosed: Dosed = NOTHING, *, switched_off: tuple[str, ...] = (),
        by_operator: bool = False, scale: float = 1.0,
    ) -> Decision:  # fmt: skip
        return Decision(
            plan=dosed.plan, applied=dosed.applied, reason=reason,
            revision=self.situation.snapshot.revision, scope=dosed.scope,
            tenant=self.inbound.caller.name, intent=self.inbound.intent,
            flags=tuple(self.asked.values()), switched_off=switched_off, by_operator=by_operator,
            scale=scale,
        )  # fmt: skip

    def _enabled(self, flag: str) -> bool:
        evaluation = self.situation.configuration.flags.evaluate(flag, self.context)
        self.trace.note(f"flag {flag}", self.context.targeting_key,
                        f"{evaluation.variant} ({evaluation.reason})")  # fmt: skip
        return evaluation.value is True

    def _ask(self, flag: str) -> Evaluation:
        if flag not in self.asked:
            self.asked[flag] = self.situation.configuration.flags.evaluate(flag, self.context)
            got = self.asked[flag]
            self.trace.note(f"flag {flag}", self.context.targeting_key,
                            f"{got.variant} ({got.reason})")  # fmt: skip
        return self.asked[flag]


def unavailable(
    decision: Decision, inbound: Inbound, error: CallerError | OperatorError, trace: Trace = SILENT
) -> Decision:
    """Returns the decision to serve without what cannot be had, where the tenant wants that.

    Raises `OperatorError` with the error's code otherwise.
    """
    policy = inbound.caller.tenant.on_unavailable
    trace.note("unavailable", error.code, f"{policy}: {error.message}")
    if policy == "base":
        return decision.unsteered(error)
    raise OperatorError(
        f"this tenant's own steering ({decision.reason}) cannot be applied: {error.message}",
        code=error.code,
        param=error.param,
    ) from error


def _required(why: str) -> NotAllowedError:
    return NotAllowedError(
        f"this request would run unsteered: {why}, and it says 'required'. Remove "
        "'steering.required' to be served all the same",
        code="steering_off",
        param=f"{PARAM}.required",
    )


def _allowed(inbound: Inbound) -> str:
    if inbound.caller.unrestricted:
        return "unrestricted"
    return "may use " + (", ".join(inbound.caller.tenant.vectors) or "no vector")
