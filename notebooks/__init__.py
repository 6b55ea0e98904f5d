"""The lessons and the program that builds them: `python -m notebooks.build`."""
