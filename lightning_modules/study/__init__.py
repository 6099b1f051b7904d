"""Study across the papers."""
