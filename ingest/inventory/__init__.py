"""What existed and when: addresses, their holders, and configurations."""
