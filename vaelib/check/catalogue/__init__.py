"""What the checks know of each exercise, one file per lesson: every answer is in here."""
