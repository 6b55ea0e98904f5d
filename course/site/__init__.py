"""The lessons as a web site (`make site`) and as slides (`make slides`), from the notebooks as they
are stored: no lesson is executed."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).resolve().parent  # holds templates/, static/ and vendor/


class SiteError(Exception):
    """Something in a lesson that no page can show; the message names the lesson."""
