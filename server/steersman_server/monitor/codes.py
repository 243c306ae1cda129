"""The codes that labels may have: their series begin at 0, before the first of each is counted.

A rate sees no increase in a series that begins at 1, so an alert would miss the first of each. A
code that is missing here is counted all the same; a test compares with those that are raised.
"""

from __future__ import annotations

ADMISSION = (
    "alpha_out_of_range",
    "dose_out_of_range",
    "engine_unavailable",
    "flag_value_invalid",
    "invalid_alpha",
    "invalid_name",
    "invalid_plan",
    "invalid_steering",
    "invalid_vectors",
    "model_not_found",
    "preset_not_found",
    "rate_limit_exceeded",
    "schedule_conflict",
    "scope_conflict",
    "steering_not_allowed",
    "steering_off",
    "steering_unsupported",
    "too_many_concurrent_requests",
    "unknown_key",
    "vector_corrupt",
    "vector_layers_not_served",
    "vector_model_mismatch",
    "vector_not_found",
    "vector_repeated",
    "vector_retired",
    "vector_unavailable",
)
"""Of requests that are refused, or served unsteered because their tenant wants that instead."""
ACCESS = (
    "admin_closed",
    "admin_key_wrong",
    "api_key_expired",
    "api_key_revoked",
    "body_too_large",
    "body_too_slow",
    "invalid_api_key",
    "keys_required",
    "role_too_low",
    "route_closed",
    "steering_not_enabled",
)
"""Of requests that the gate turns away, before anything is decided about them."""
REGISTRY = ("registry_corrupt", "registry_rolled_back", "registry_unavailable", "internal_error")
ENGINE = ("engine_unavailable", "self_test_failed", "steering_not_enabled")
