"""What a stored flow is and where it lives; imports nothing of ours."""
