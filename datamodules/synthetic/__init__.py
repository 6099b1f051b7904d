"""The embedded benchmark: procedurally generated real video files, one set for each kind of real data set."""
