"""The `lucent` command."""
