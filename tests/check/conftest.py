"""Beside it are the helpers of these tests, which pytest finds because this file is here."""
