"""What a lecturer runs: marking, the students' zip, the site and the slides.

It imports vaelib; nothing imports it.
"""
