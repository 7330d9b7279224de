"""Why packets were rejected, and whether others would pass."""
