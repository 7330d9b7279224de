"""Object storage to Arrow to one committed snapshot."""
