"""Question sets that show side effects: exact facts, checkable instructions."""
