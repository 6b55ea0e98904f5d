# %% [markdown] sign="$x \\;\\to\\; \\code{z} \\;\\to\\; \\dec{\\hat x}$"
# # 0 · Start here
#
# A neural network has looked at 4,000 drawn faces. It was not told what a smile is, or that a head can turn.
# It found numbers for both on its own. **Which slider smiles?** Move them and see.

# %%
from vaelib import data, plots
from vaelib.checkpoint import load_vae
from vaelib.widgets import LatentExplorer, Predict

import torch

# %% [markdown]
# To run a cell, click on it and press Shift + Enter. The next cell loads the trained network and shows its
# **explorer**: one slider for each number. The sliders answer the mouse and the arrow keys.

# %% deck="Which slider smiles?"
faces = data.load("faces")
vae = load_vae(data.shipped("faces_vae.safetensors"))
explorer = LatentExplorer(vae, faces)
explorer.image_index = 0
explorer

# %% deck="Commit, then see"
Predict("which_slider")

# %% [markdown] deck="What you have just moved" points=["The **encoder** looks at a picture $x$ and answers with a few numbers, the **code** $\\code{z}$.", "The **decoder** turns a code back into a picture, $\\dec{\\hat x}$.", "For each number the encoder gives a best guess $\\enc{\\mu}$ and an uncertainty $\\sig{\\sigma}$."]
# One slider turns the head. Another goes from a frown to a smile. The two below them hardly change the
# picture. Next to each slider stands a number of *nats*: how much this slider tells about a face, averaged
# over many faces. In lesson 1 you learn what a nat is.
#
# ## What you have just moved
#
# This network is a **variational auto-encoder**, or VAE (Kingma and Welling, 2014; Rezende, Mohamed and
# Wierstra, 2014). It has two parts. The **encoder** looks at a picture $x$ and answers with a few numbers,
# the **code** $\code{z}$. The **decoder** turns a code back into a picture, $\dec{\hat x}$. Moving a slider
# changes one number of the code, and the decoder draws the face that belongs to it.
#
# Here is one face on its way through. The encoder is careful: for each number it gives a best guess
# $\enc{\mu}$ and an uncertainty $\sig{\sigma}$.

# %% deck="One face on its way through" lead="$\\enc{\\mu} \\pm \\sig{\\sigma}$ for each of the four numbers:" points=["Two numbers are known precisely. $0 \\pm 1$ means: this face tells almost nothing about it."]
x = faces.test[:6]
with torch.no_grad():
    q = vae.posterior(x)
    x_hat = vae.decoder.mean(q.mu)
for d, (mu, sigma) in enumerate(zip(q.mu[0], q.sigma[0], strict=True), start=1):
    print(f"z{d}: {mu:5.2f} ± {sigma:.2f}")

# %% [markdown]
# Two of the four numbers are known precisely. The other two stay close to $0 \pm 1$, which means "this face
# tells me almost nothing about it". Six faces, and what comes back from their codes:

# %% alt="Two rows of six faces. Above, six faces from the test set with different expressions and poses. Below, what the decoder makes of their codes: nearly the same faces, a little smoother." deck="Six faces, and what comes back" points=["1,024 pixels each, and two numbers are enough to draw them again.", "How can a network find such numbers, when nobody tells it which?"]
plots.image_grid(torch.stack([x, x_hat]), row_labels=("$x$", r"$\hat x$"))

# %% [markdown] deck="How a lesson goes" points=["A question, and something to move.", "**Predict**: commit to an answer before you see the result.", "Derive it, and write it in code with the same letters.", "Check it: a line that begins with ✓ says what was checked."]
# The pictures have 1,024 pixels each, and two numbers are enough to draw them again. How can a network find
# such numbers, when nobody tells it which? That is what this course is about. It builds this VAE from first
# principles: each formula is derived, computed and tried. Lesson 6 trains it. Lesson 7 takes its codes apart.

# %% [markdown] deck="Symbols, and their colours"
# ## How a lesson goes
#
# A lesson begins with a question and with something to move. Then it asks you to **predict**: commit to an
# answer before you see the result. A wrong guess is no loss: people remember an answer better after a failed
# attempt to find it (Kornell, Hays and Bjork, 2009). Then come the derivation, the code in the same letters, and
# a check. A line that begins with ✓ says what was checked; unfold its cell to see how. Paragraphs under *Aside*
# can be skipped.
#
# Run the cells in order, from top to bottom. Change what you like. To keep the original, work on a copy
# (menu *File*, *Save Notebook As*).
#
# ## Symbols
#
# The notation follows the slides. Each symbol keeps its colour in formulas.
#
# | symbol | in words | in code |
# |---|---|---|
# | $x$ | a picture, or any data point | `x`, of shape `(B, …)` for a batch of $B$ |
# | $\code{z}$ | its code, $D$ numbers | `z`, of shape `(B, D)` |
# | $\prior{p(z)}$ | the prior, $\mathcal N(0, I)$ | `vae.prior` |
# | $\enc{q_\phi(z \mid x)}$ | the encoder's answer, $\mathcal N(\enc{\mu}, \operatorname{diag}\sig{\sigma}^2)$; $\enc{\phi}$ are its weights | `q = vae.posterior(x)` |
# | $\enc{\mu}$, $\log\sig{\sigma}$ | what the encoder's network computes | `mu`, `log_sigma` |
# | $\eps{\varepsilon}$ | noise, $\mathcal N(0, I)$ | `eps` |
# | $\dec{p_\theta(x \mid z)}$ | the decoder's answer; $\dec{\theta}$ are its weights | `p_x = vae.likelihood(z)` |
# | $\dec{\hat x} = \dec{G_\theta(z)}$ | its mean: the picture it draws | `x_hat` |
# | $\gap{\mathrm{KL}(q\,\Vert\,p)}$ | Kullback–Leibler divergence *from* $q$ *to* $p$ | `kl_…(q, p)` |
#
# Three symbols differ from the slides. We write $\sigma_x$ for the noise of a pixel (the slides' $\sigma$ of
# the decoder), $D$ for the number of latent dimensions (their $d$), and $\mathrm{KL}(q\,\Vert\,p)$ for their
# $\mathrm{KL}[q\,\Vert\,p]$. Quantities are per example and in nats.

# %% [markdown] deck="The map" points=["[1 KL divergence](01_kl_divergence.ipynb): evidence, in nats", "[2 Maximum likelihood](02_maximum_likelihood.ipynb): an integral over codes", "[3 Jensen's bound](03_jensens_bound.ipynb): the logarithm of a mean", "[4 The ELBO](04_the_elbo.ipynb): a bound in two terms", "[5 Reparameterisation](05_reparameterisation.ipynb): a gradient through a draw", "[6 The VAE](06_the_vae.ipynb): all of it, trained", "[7 Latent traversals](07_latent_traversals.ipynb): what a code means"]
# ## The map
#
# The lessons, and then the slides of the lecture: where a lesson treats each of them, which line of the
# training algorithm it is, and which exercise goes with it.

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

# %% [markdown] deck="How exercises answer" points=["Write a function of a few lines where the lesson needs it.", "The check says: *not attempted yet*, *right*, or what is wrong.", "★ about five minutes, ★★ ten or fifteen, ★★★ half an hour or more."] blocks=[]
# ## How exercises answer
#
# An exercise asks you for a function of a few lines. It stands where the lesson needs it. Write your code
# where the cell says `raise NotImplementedError`, run it, and run the cell below it, which hands your
# function to a check. The check answers one of three things: *not attempted yet*; *right*; or what is wrong.
# If it recognises a mistake, it names it; if not, it shows a small input on which your result differs, which
# you can paste, or take from `result.inputs` after `result = check.…`. It does not show the solution, and it
# does not stop the lesson, which goes on without your function. The stars say what to expect: ★ about five
# minutes, ★★ ten or fifteen, ★★★ twenty to forty and an idea. For these there is a hint to unfold.
#
# ## When something does not work
#
# In a terminal, in the folder of this project:
#
# ```
# python -m vaelib doctor
# ```
#
# It prints one line per fact (Python, each package, the device, the data, a second of training, whether
# sliders will show in your Jupyter), each with ✓ or ✗ and what to do. The same program trains a model
# without a notebook (`python -m vaelib train --data faces --out my_faces`), measures it
# (`python -m vaelib evaluate my_faces`) and opens the explorer on it (`python -m vaelib explore my_faces`).
#
# How many nats does one face tell us, and what *is* a nat? [Lesson 1](01_kl_divergence.ipynb) begins with a
# loaded die.
