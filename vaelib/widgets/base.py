"""What all widgets share: errors of Python reach the page, and a page can do without Python."""

from typing import Any, ClassVar

import anywidget
import traitlets

from vaelib.widgets.bundle import Export


class Widget(anywidget.AnyWidget):
    """An anywidget that shows in the page what went wrong in Python.

    `view` names the module of `static/` that draws it.
    """

    view: ClassVar[str]

    error = traitlets.Unicode("").tag(sync=True)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page sent; whatever that raises, in observers too, the page shows.

        A front end shows such an exception nowhere that a user looks, so it is written into
        `error` before it is raised again.
        """
        try:
            super().set_state(sync_data)
        except Exception as problem:
            self.error = f"{type(problem).__name__}: {problem}"
            raise
        self.error = ""

    def export(self) -> Export:
        """The widget as it is now, for a page without a kernel."""
        raise NotImplementedError
