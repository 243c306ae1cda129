"""The link to vLLM's engine client: the only place of the server that touches it."""
