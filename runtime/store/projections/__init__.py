"""Projections: what a store derives from its log, by rules of its own or of its users."""
