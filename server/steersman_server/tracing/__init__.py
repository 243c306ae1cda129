"""OpenTelemetry spans of decisions, in the trace of the caller and of vLLM's own spans."""
