"""The results as a static site, drawn from the committed evidence alone (no torch, no network)."""
