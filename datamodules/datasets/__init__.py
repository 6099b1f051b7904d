"""Real data sets: one file each, with its format, official splits, label order and licence."""
