"""Event stores: the port and the embedded SQLite store."""
