"""What the README says of the checks is what they say, and how many there are."""

from pathlib import Path

from torch.distributions import Normal, kl_divergence

from vaelib import check

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_what_a_check_says():
    def plus_kl(x, x_hat, mu, log_sigma, sigma_x):
        log_px_z = Normal(x_hat, sigma_x).log_prob(x).flatten(1).sum(1)
        return log_px_z + kl_divergence(Normal(mu, log_sigma.exp()), Normal(0 * mu, 1.0)).sum(1)

    assert f"```\n{check.elbo(plus_kl)}\n```" in README


def test_the_readme_counts_the_exercises():
    assert f"{len(check.EXERCISES)} short functions to write" in README
