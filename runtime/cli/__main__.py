"""`python -m runtime.cli` is `lucent`."""

from runtime.cli.main import main

main()
