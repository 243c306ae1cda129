"""The registry: which vectors exist for which base model, kept in Redis or Valkey."""
