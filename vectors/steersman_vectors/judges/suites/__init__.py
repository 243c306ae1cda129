"""Question sets that show side effects: facts with exact answers, instructions that can be checked."""
