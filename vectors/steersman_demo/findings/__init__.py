"""What practice has found about steering, tried on the demo model: `docs/findings.md`."""
