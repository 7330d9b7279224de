"""Roll-ups: followers of `flows` that add up its hours."""
