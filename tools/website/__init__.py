"""What `make site` and `make slides` are made of; `tools/make_site.py` is their one entrance."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "site"  # templates, styles and scripts of the site, and what of others' it ships


class SiteError(Exception):
    """Something in a lesson that no page can show; the message names the lesson."""
