"""What the README shows of a check is what the check says."""

from pathlib import Path

from vaelib import check


def test_the_readme_shows_what_a_check_says():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")

    def no_half(mu, log_sigma):
        return (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1)

    assert f"```\n{check.kl_to_standard_normal(no_half)}\n```" in readme
