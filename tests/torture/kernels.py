"""A kernel that a test drives as JupyterLab does: run a cell, press stop, restart."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import start_new_kernel

PATIENCE = 300


def code_cells(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


class Kernel:
    """`with Kernel(folder) as kernel` runs cells in a notebook's folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        options: dict[str, Any] = {"env": environment} if environment else {}
        self.manager, self.client = start_new_kernel(cwd=str(folder), **options)

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, source: str, stop_after: float | None = None) -> tuple[str, str]:
        """The class of a cell's error, "" where there is none, and all that it printed.

        With `stop_after` the stop button is pressed after so many seconds, if the cell still runs.
        """
        said: list[str] = []

        def listen(message: dict) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                said.append(content["data"].get("text/plain", ""))
            elif message["msg_type"] == "error":
                said.append("\n".join(content["traceback"]))

        button = threading.Timer(stop_after or 0, self.manager.interrupt_kernel)
        if stop_after is not None:
            button.start()
        reply = self.client.execute_interactive(source, output_hook=listen, timeout=PATIENCE)
        button.cancel()
        if button.is_alive():
            button.join()
        return reply["content"].get("ename", ""), "".join(said)

    def restart(self) -> None:
        self.manager.restart_kernel(now=False)
        self.client.wait_for_ready(timeout=60)

    def send(self, comm: str, state: dict) -> None:
        """What a widget's page sends when something in it moves."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        content = {"comm_id": comm, "data": data}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    def updates(self, comm: str, enough: Callable[[dict], bool]) -> dict:
        """The state that a widget's kernel sends, until there is enough of it."""
        state: dict = {}
        while not enough(state):
            message = self.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == comm:
                state |= message["content"]["data"].get("state", {})
        return state
