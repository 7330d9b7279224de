"""Source objects recounted against the lake, by other means than those of ingest."""
