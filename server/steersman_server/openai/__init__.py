"""The OpenAI edge: the `steering` field in, the `steering` field out, errors in OpenAI's shape."""
