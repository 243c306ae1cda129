"""Many settings of vectors on many prompts, answered by one engine."""
