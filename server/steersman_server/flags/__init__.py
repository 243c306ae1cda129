"""Feature flags: flagd definitions, evaluated in process. Pure; storing them is the registry's."""
