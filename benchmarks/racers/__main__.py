"""One racer: `python -m benchmarks.racers MODEL NAME IMAGES.npy`, started by race.py.

Reads the line "train" for each epoch and prints {"seconds": …, "elbo": …} after it.
"""

import sys

import numpy

from benchmarks.racers import RACERS

model, name, images = sys.argv[1:]
RACERS[model][name](numpy.load(images))
