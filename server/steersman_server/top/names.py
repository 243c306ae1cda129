"""The series that the screen is made of: ours, as `monitor/catalogue.py` names them, and vLLM's.

Text and not the catalogue itself, which would make the command a process that has metrics.
"""

from __future__ import annotations

REQUESTS = "steering_requests_total"
REFUSALS = "steering_refusals_total"
APPLIED = "steering_applied_total"
ALPHA = "steering_alpha"
INTENTS = "steering_intents_total"
SAFETY = "steering_safety_overrides_total"
VARIANTS = "steering_flag_variants_total"
ADMISSION = "steering_admission_seconds"
REVISION = "steering_registry_revision"
AGE = "steering_registry_age_seconds"
STALE = "steering_registry_stale"
KILLED = "steering_kill_switch"
INFO = "steering_info"
SELF_TEST = "steering_self_test_passed"
WORKERS = "steering_workers"
ROWS = "steering_rows"
ROWS_IN_USE = "steering_rows_in_use"
STEPS = "steering_steps_total"
STEP_SECONDS = "steering_step_host_seconds_total"
ANSWERS = "steering_quality_answers_total"
VECTOR_ANSWERS = "steering_quality_vector_answers_total"
VARIANT_ANSWERS = "steering_quality_variant_answers_total"
BACKED_OFF = "steering_backed_off_tenants"

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
GENERATED = "vllm:generation_tokens_total"
PROMPTED = "vllm:prompt_tokens_total"
KV_CACHE = "vllm:kv_cache_usage_perc"
TOKEN_SECONDS = "vllm:inter_token_latency_seconds"
STARTED = "process_start_time_seconds"

HISTOGRAMS = (ALPHA, ADMISSION, TOKEN_SECONDS)
PLAIN = (
    REQUESTS, REFUSALS, APPLIED, INTENTS, SAFETY, VARIANTS, REVISION, AGE, STALE, KILLED, INFO,
    SELF_TEST, WORKERS, ROWS, ROWS_IN_USE, STEPS, STEP_SECONDS, ANSWERS, VECTOR_ANSWERS,
    VARIANT_ANSWERS, BACKED_OFF, RUNNING, WAITING, GENERATED, PROMPTED, KV_CACHE, STARTED,
)  # fmt: skip
