"""`python -m course.handout`."""

import sys

from course.handout.students_zip import main

if __name__ == "__main__":
    sys.exit(main())
