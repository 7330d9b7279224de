"""SQL over REST: one SELECT, in a process that can do nothing else."""
