"""What all widgets share: a stable text, and errors that reach the page."""

from typing import Any

import anywidget
import traitlets


class Widget(anywidget.AnyWidget):
    """An anywidget that says in the page what went wrong in Python."""

    error = traitlets.Unicode("").tag(sync=True)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page sent; whatever that raises, in observers too, the page shows.

        A front end shows such an exception nowhere that a user looks, so it is written into
        `error` before it goes on its way.
        """
        try:
            super().set_state(sync_data)
        except Exception as problem:
            self.error = f"{type(problem).__name__}: {problem}"
            raise
        self.error = ""
