"""These two are programs that the tests start; collecting them would run them."""

collect_ignore = ["downloads_at_once.py", "killed_saver.py"]
