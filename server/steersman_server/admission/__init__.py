"""Admission: from a request's `steering` field to a decision. Pure; effects are elsewhere."""
