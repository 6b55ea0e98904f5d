"""How cost grows: training, a class on a hub, a learner's wait. `make bench-scaling`."""
