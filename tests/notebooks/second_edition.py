"""The lessons that are written in the conventions of the second edition.

A lesson that is rewritten gets its line here, and test_second_edition.py then holds for it.
"""

LESSONS = [
    # lesson 0
    "00_start_here",
    # lesson 1
    "01_kl_divergence",
    # lesson 2
    "02_maximum_likelihood",
    # lesson 3
    "03_jensens_bound",
    # lesson 4
    "04_the_elbo",
    # lesson 5
    "05_reparameterisation",
    # lesson 6
    "06_the_vae",
    # lesson 7
    "07_latent_traversals",
]
