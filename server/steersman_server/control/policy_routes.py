"""`/admin/v1/policies`, `/admin/v1/profiles` and `/admin/v1/explain`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Body, Path

from steersman_vectors.card import Name

from ..policies.policy import Policy
from ..policies.profile import Profile
from ..service import SteeringService
from . import admin_schemas as schemas
from . import policies
from .admin_edge import Flagger, Service, admin_router, look
from .admin_errors import documented
from .checks import policy_problems
from .explain import Question, explain
from .policy_views import done_json, policy_json, profile_json
from .tenant_routes import TenantName

ProfileName = Annotated[Name, Path(description="A profile's name.", examples=["formal"])]
PolicyBody = Annotated[
    Policy,
    Body(
        examples=[
            {
                "rules": [
                    {
                        "name": "billing",
                        "when": {"intent": "billing", "min_score": 0.6},
                        "steer": {"vectors": {"empathy": "low"}},
                    },
                    {"name": "rest", "steer": False},
                ]
            }
        ]
    ),
]
ProfileBody = Annotated[
    Profile, Body(examples=[{"steer": {"vectors": {"formality": 0.4}}, "tenants": ["acme"]}])
]
QuestionBody = Annotated[
    Question, Body(examples=[{"tenant": "acme", "text": "Why was I charged twice?"}])
]
router = admin_router("policies and profiles")


@router.get("/policies", response_model=schemas.PolicyList)
async def list_policies(service: Service) -> dict[str, Any]:
    """Lists the policies of all tenants that have one."""
    seen = await look(service)
    found = sorted(seen.configuration.policies.items())
    return {
        "revision": seen.snapshot.revision,
        "policies": [policy_json(tenant, policy) for tenant, policy in found],
    }


@router.get("/policies/{tenant}", response_model=schemas.PolicyView, responses=documented(404))
async def show_policy(service: Service, tenant: TenantName) -> dict[str, Any]:
    """Shows a tenant's rules, in their order."""
    configuration = (await look(service)).configuration
    return policy_json(tenant, policies.find_policy(configuration, tenant))


@router.put("/policies/{tenant}", response_model=schemas.Done, responses=documented(404))
async def set_policy(
    service: Service, operator: Flagger, tenant: TenantName, body: PolicyBody
) -> dict[str, Any]:
    """Replaces a tenant's rules; refused with all that is wrong with them."""
    done = await policies.set_policy(
        service.store, tenant, body.model_dump(mode="json"), actor=operator.name,
        fingerprints=(service.engine.fingerprint,), labels=_labels(service),
        safety_labels=_safety_labels(service),
    )  # fmt: skip
    return done_json(done)


@router.delete("/policies/{tenant}", response_model=schemas.Done, responses=documented(404))
async def delete_policy(service: Service, operator: Flagger, tenant: TenantName) -> dict[str, Any]:
    """Removes a tenant's rules; its default remains."""
    return done_json(await policies.delete_policy(service.store, tenant, actor=operator.name))


@router.post("/policies/{tenant}/check", response_model=schemas.Checked, responses=documented(404))
async def check_policy(service: Service, tenant: TenantName, body: PolicyBody) -> dict[str, Any]:
    """Tells what would be wrong with these rules, and writes nothing."""
    seen = await look(service)
    limits = policies.limits_of(seen.configuration, tenant)
    problems = await asyncio.to_thread(  # a second of work for rules over many variants
        policy_problems, body, limits, seen.configuration, seen.snapshot,
        (service.engine.fingerprint,), _labels(service), _safety_labels(service),
    )  # fmt: skip
    return {"ok": not problems, "problems": problems}


@router.get("/profiles", response_model=schemas.ProfileList)
async def list_profiles(service: Service) -> dict[str, Any]:
    """Lists the profiles."""
    seen = await look(service)
    found = seen.configuration.profiles.items()
    return {
        "revision": seen.snapshot.revision,
        "profiles": [profile_json(name, profile) for name, profile in found],
    }


@router.get("/profiles/{profile}", response_model=schemas.ProfileView, responses=documented(404))
async def show_profile(service: Service, profile: ProfileName) -> dict[str, Any]:
    """Shows a profile."""
    configuration = (await look(service)).configuration
    return profile_json(profile, policies.find_profile(configuration, profile))


@router.put("/profiles/{profile}", response_model=schemas.Done, responses=documented(404))
async def set_profile(
    service: Service, operator: Flagger, profile: ProfileName, body: ProfileBody
) -> dict[str, Any]:
    """Writes a profile; whom of its tenants it cannot serve is a warning."""
    done = await policies.set_profile(
        service.store, profile, body.model_dump(mode="json"), actor=operator.name,
        fingerprints=(service.engine.fingerprint,),
    )  # fmt: skip
    return done_json(done)


@router.delete("/profiles/{profile}", response_model=schemas.Done, responses=documented(404))
async def delete_profile(
    service: Service, operator: Flagger, profile: ProfileName
) -> dict[str, Any]:
    """Removes a profile; requests that name it are refused from then on."""
    return done_json(await policies.delete_profile(service.store, profile, actor=operator.name))


@router.post(
    "/explain",
    response_model=schemas.Explanation,
    response_model_exclude_unset=True,
    responses=documented(404),
)
async def explain_request(service: Service, body: QuestionBody) -> dict[str, Any]:
    """Decides about a request without running it: every step, the plan, its dose per layer."""
    return await explain(body, service.situation(), service.classifier, service.supply.read)


def _labels(service: SteeringService) -> Collection[str] | None:
    return None if service.classifier is None else service.classifier.labels


def _safety_labels(service: SteeringService) -> Collection[str]:
    return () if service.classifier is None else service.classifier.safety_labels
