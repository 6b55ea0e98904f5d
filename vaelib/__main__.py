"""`python -m vaelib`: the command line, which is in `vaelib.cli`."""

from vaelib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
