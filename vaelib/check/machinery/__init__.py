"""What asks, compares and says, for every exercise alike: no answer is in here."""
