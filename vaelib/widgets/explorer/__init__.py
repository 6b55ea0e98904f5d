"""The latent explorer: sliders over z and the decoded picture, the decoder running in the page."""

from vaelib.widgets.explorer.explorer import LatentExplorer

__all__ = ["LatentExplorer"]
