"""The domain of Steersman: vectors, cards, plans, turn spans, fingerprints, the registry.

Imports neither vLLM nor a web framework; torch only, lazily, where a format needs it.
"""

__version__ = "0.1.0"
