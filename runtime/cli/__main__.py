"""`python -m runtime.cli`, the same as `lucent`."""

try:
    from runtime.cli.main import main
except KeyboardInterrupt:
    raise SystemExit(130) from None

main()
