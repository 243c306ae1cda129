"""`steersman serve`: vLLM's own server, started with the plugin, the routes and a registry."""
