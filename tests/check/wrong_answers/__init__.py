"""Wrong answers to the exercises, written by hand: none is made from the checks' catalogue.

In each lesson's module LISTED has, for each exercise, pairs of a mistake that the check must name
and an answer with that mistake. UNLISTED has pairs of an answer and a text that the message must
contain, or None. BANK has more pairs of a mistake, or None, and an answer: with
these there are forty and more for an exercise.
"""

from wrong_answers import lesson1, lesson2, lesson3, lesson4, lesson5, lesson6, lesson7

LESSONS = (lesson1, lesson2, lesson3, lesson4, lesson5, lesson6, lesson7)
LISTED = {name: cases for lesson in LESSONS for name, cases in lesson.LISTED.items()}
UNLISTED = {name: cases for lesson in LESSONS for name, cases in lesson.UNLISTED.items()}
BANK = {name: bank for lesson in LESSONS for name, bank in lesson.BANK.items()}

__all__ = ["BANK", "LISTED", "UNLISTED"]
