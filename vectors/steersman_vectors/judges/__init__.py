"""Judges of answers: what a dose did to the behaviour that it is for, and to everything else."""
