"""Asking a language model over HTTP, and reading what it wrote."""
