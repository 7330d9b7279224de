"""Which rule of AWS lets a packet pass or stops it, in columns and as of its time."""
