"""The `steersman` command. Its modules import what a command needs when it runs, not before."""
