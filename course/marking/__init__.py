"""Marks a folder of submissions: `python -m course.marking FOLDER --seed 7 --out marks`."""
