"""Pure Arrow to Arrow: opens no file, reads no clock."""
