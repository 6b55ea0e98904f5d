"""`python -m course.marking`."""

import sys

from course.marking.command import main

if __name__ == "__main__":
    sys.exit(main())
