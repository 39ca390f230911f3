"""Jobs: from a config to a run, and from its log to answers."""
