"""Reports as SQL files, the catalogue, and the engines."""
