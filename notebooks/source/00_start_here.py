# %% [markdown]
# # 0 · Start here
#
# A neural network has looked at 4,000 faces. Nobody told it what a smile is, or which way a head can turn.
# **Move a slider.**
#
# This is a variational auto-encoder, a VAE: it describes each face by a few numbers z and draws a face back
# from them. The lessons build one from first principles, from the definition of a divergence to the model
# below. This page takes a minute; nothing has to be installed or trained for it.

# %%
from vaelib import data, plots
from vaelib.checkpoint import load_vae
from vaelib.widgets import LatentExplorer
from vaelib.widgets.explorer.snapshot import snapshot

# %% [markdown]
# To run a cell, click on it and press Shift + Enter. The next one loads a trained model and shows its
# **explorer**: one slider for each number in z, the one that matters most first. It starts from a face that
# the model has never seen, turned into numbers by the encoder.

# %%
faces = data.load("faces")
vae = load_vae(data.shipped("faces_vae.safetensors"))
explorer = LatentExplorer(vae, faces)
explorer.image_index = 0
explorer

# %% [markdown]
# Slide the first one, then the second one. One of them turns the head and the other goes between a frown
# and a smile; the rest do nothing. Sliders answer the arrow keys too. The *KL* beside each, in nats, is how
# much that number tells about a face; the rest tell nothing, and the model has found that out by itself.
#
# And as a picture, for a page on which nothing moves: the face at z = 0, and what the sliders that matter do to
# it from −3 to 3.

# %%
snapshot(vae, [0.0] * vae.latent_dim, explorer.spec["rows"])

# %% [markdown]
# And these are faces that it learned from, drawn by a small program from an expression and a head pose,
# neither of which the network was ever told.

# %%
plots.image_grid(
    faces.train[:16].reshape(2, 8, 32, 32),
    alt="Sixteen small grey faces of the training set, frowning or smiling, turned left or right.",
)

# %% [markdown]
# ## How a lesson goes
#
# Each lesson begins with a question and ends with a table of symbols and the code that stands for them. In
# between it asks you to *predict* before it computes, derives each formula and puts its code right under it
# with the same letters, and checks every number it states against a second, independent way of getting it.
# Nothing is taken on trust: where a cell says `assert`, it would stop if the claim were false. Run the cells
# in order, from top to bottom. Change anything you like; to keep the original beside it, work on a copy
# (*File → Save Notebook As*).
#
# Notation follows the lecture slides. θ is the decoder and φ the encoder; x is a picture, z its code, and
# $\hat x = G_\theta(z)$ the decoder's answer. The encoder gives μ and log σ, called `mu` and `log_sigma` in
# the code. Everything is per example and in nats.

# %% [markdown]
# ## The map
#
# The lessons, and then every slide of the lecture: where a lesson treats it, which line of the training
# algorithm it is, and which exercise goes with it. What is *to come* is not in this set yet.

# %% [markdown] tags=["map"]
# Divergence minimisation | 1 KL divergence
# KL divergence | 1 KL divergence
# Maximum Likelihood Estimation (1) | 2 Maximum likelihood
# Maximum Likelihood Estimation (2) | 2 Maximum likelihood
# Jensen's inequality | 3 Jensen's bound
# Variational Auto-Encoders (1) | 4 The ELBO
# Variational Auto-Encoders (2) | 4 The ELBO
# Variational Auto-Encoders (3) | 4 The ELBO
# Designing the q distribution | 5 Reparameterisation
# Reparameterisation trick (1) | 5 Reparameterisation
# Reparameterisation trick (2) | 5 Reparameterisation
# Combining all the ingredients | 6 The VAE
# Practical implementation | 6 The VAE
# KL annealing | 6 The VAE
# Generating data from the VAE | 7 Latent traversals

# %% [markdown]
# ## How exercises answer
#
# An exercise asks you for a function of a few lines. You write it where the cell says
# `raise NotImplementedError`, and the cell below it hands your function to a check. The check answers one
# of three things: *not attempted yet*; *right*; or *which mistake it looks like*, for instance that your
# result is exactly twice what it should be, and whether there is a ½ in front. It never shows the solution,
# and it never stops the lesson: what comes after uses `vaelib`'s own function. The stars say how long to
# expect: ★ minutes, ★★★ an evening. The exercises come with the coursework set; the lessons hold their
# places.

# %% [markdown]
# ## When something does not work
#
# In a terminal, in the folder of this project:
#
# ```
# python -m vaelib doctor
# ```
#
# It prints one line a fact (Python, each package, the device, the data, a second of training, whether
# sliders will show in your Jupyter), each with ✓ or ✗ and what to do. The same program trains a model
# without a notebook (`python -m vaelib train --data faces --out my_faces`), measures it
# (`python -m vaelib evaluate my_faces`) and opens the explorer on it (`python -m vaelib explore my_faces`).
#
# Ready? [Lesson 6](06_the_vae.ipynb) trains this model; [lesson 7](07_latent_traversals.ipynb) takes its
# latent space apart.
