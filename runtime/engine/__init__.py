"""The engine: supervisor, key groups, credit, sequencer; hosts; the shells that drive them."""
