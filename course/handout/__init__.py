"""Builds the zip that students get: `python -m course.handout`."""
