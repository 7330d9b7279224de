"""What a process tells of itself: one log line a run, metrics, traces."""
