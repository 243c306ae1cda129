"""Tenants and their keys: who may be steered by what, and how strongly."""
