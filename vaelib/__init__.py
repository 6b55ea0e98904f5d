"""Variational auto-encoders from first principles: the helper package of the lessons."""

from vaelib.startup import threads, whole_imports

# Before torch is first imported.
threads.spin_for_a_moment()
whole_imports.import_whole()

__version__ = "0.1.0"
