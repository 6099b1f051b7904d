"""The audit: what the five papers claim, what their own numbers show, and what our runs add (no torch)."""
