"""Training: the loop, its log, and the files of a run."""
