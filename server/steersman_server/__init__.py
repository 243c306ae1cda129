"""The serving side of Steersman: admission, the OpenAI edge, the command line."""
