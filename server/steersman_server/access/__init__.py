"""Access: which routes are open, who is calling, and what that caller may do."""
