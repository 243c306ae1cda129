"""The tone read-out: which vectors the engine measures the traffic along."""
