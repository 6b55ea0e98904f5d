"""The mistakes that students make with a Gaussian's log-density and with its KL divergence."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
Hints = dict[Any, tuple[str, str]]

CONSTANT: Hints = {
    (0, 1): ("constant dropped", "does your density integrate to 1?"),
    (0, 0): ("constant dropped, log σ too", "what factor is in front of a Gaussian's exp?"),
    (0.5, 0): ("log σ forgotten", "is a wide Gaussian as high at its mean as a narrow one?"),
    (0.5, 0.5): ("σ for σ² in the logarithm", "½ log of what?"),
    (1, 2): ("no ½ in the constant", "does a Gaussian's exp have 2πσ² under it, or its root?"),
    (-0.5, -1): ("sign of the constant", "the exp is divided by it: which sign has its logarithm?"),
}
EXPONENT: Hints = {
    (0.5, 2, 1): ("σ for σ² in the exponent", "by what is the square divided?"),
    (1, 2, 2): ("no ½ in the exponent", "what factor is in front of the square?"),
    (0.5, 1, 1): ("no square in the exponent", "what is done to the distance from the mean?"),
    (0.5, 1, 2): ("no square in the exponent", "what is done to the distance from the mean?"),
    (0.25, 2, 2): ("(2σ)² in the exponent", "is the 2 in 2σ² squared as well?"),
    (0.5, 2, -2): ("times σ² in the exponent", "in a / 2 * b, do you divide by b or multiply?"),
    (-0.5, 2, 2): ("sign of the exponent", "is an x far from the mean more likely?"),
}
SIGMA: Hints = {
    0.5: ("σ for σ²", "is the argument a standard deviation, or a variance?"),
    2.0: ("σ² for σ", "is the argument a standard deviation, or a variance?"),
    0.0: ("σ ignored", "what happens to the density when the noise is twice as large?"),
}
HOW_MANY = "how many pixels has an example of shape (3, 4)?"
PIXELS: Hints = {
    (-1, 0): ("mean over pixels", "is the log-density of independent pixels a mean, or a sum?"),
    (-1, 1): ("mean over pixels in the squared error", "is ‖x − x̂‖² a sum over pixels, or a mean?"),
    (0, 0): ("constant of one pixel only", "how many Gaussians are multiplied?"),
    (0, "rows"): ("P taken for x.shape[1]", HOW_MANY),
    (0, "columns"): ("P taken for x.shape[-1]", HOW_MANY),
    (0, "all"): ("P taken for x.numel()", "how many pixels has one example of the batch?"),
    (0, "examples"): (
        "P taken for the batch size",
        "how many pixels has one example of the batch?",
    ),
    ("norm", 1): ("norm for its square", "is it ‖x − x̂‖ or ‖x − x̂‖² that is divided by 2σ²?"),
}
BATCH: Hints = {
    lambda a: a.mean(0): ("mean over batch", "one number per example is asked for"),
    lambda a: a.sum(0): ("sum over batch", "one number per example is asked for"),
}
UNIT: Hints = {
    -1.0: ("sign", "the log-likelihood is asked for, not a loss"),
    math.log(2): ("log2 for log", "nats, or bits?"),
}
KL: Hints = {
    (1, 2, 1): ("no ½ in KL", "in exercise 1.3, which factor is in front?"),
    (0.5, 1, 1): ("log σ taken for log σ² in KL", "is log_sigma the log of σ, or of σ²?"),
    (0.5, 2, 0): ("−D forgotten in KL", "what is KL where q is the prior?"),
    (0.5, 4, 1): ("σ² for σ in KL", "is exp(log_sigma) σ, or σ²?"),
    (0.5, 1, 1, 2): ("σ for σ² in KL", "is it σ or σ² that is added to μ²?"),
    (0.5, 2, 1, 0.5): ("log σ once in KL", "what is log σ², in terms of log σ?"),
    "reversed": ("KL(p‖q) for KL(q‖p)", "under which of the two is the mean taken?"),
    (0.5, 2, 1, -1): ("sign of log σ in KL", "can KL be negative? Try a small σ"),
}


def log_density(
    x: Tensor,
    mean: Any,
    sigma: Any,
    constant: tuple[float, float] = (0.5, 1.0),
    exponent: tuple[float, Any, int] = (0.5, 2, 2),
    sigma_to_the: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The two parts of −log N(x; μ, σ²), elementwise: c |x − μ|^k / σ^m and a log 2π + b log σ.

    With k = "signed" it is c (x − μ) / σ^m.
    """
    a, b = constant
    c, k, m = exponent
    sigma = torch.as_tensor(sigma, dtype=x.dtype) ** sigma_to_the
    away = x - mean if k == "signed" else (x - mean).abs() ** k
    return c * away / sigma**m, a * math.log(2 * math.pi) + b * sigma.log()


def log_density_of_pixels(
    x: Tensor, x_hat: Tensor, sigma_x: Any, pixels: tuple[Any, Any] = (0, 1), **changes: Any
) -> Tensor:
    """log N(x; x̂, σ_x²) of each pixel; `pixels` are powers of P, on the square and the constant."""
    square, normaliser = log_density(x, x_hat, sigma_x, **changes)
    P = float(x[0].numel())
    sizes = {"rows": x.shape[1], "columns": x.shape[-1], "all": x.numel(), "examples": len(x)}
    counted = sizes[pixels[1]] if pixels[1] in sizes else P ** pixels[1]
    if pixels[0] == "norm":
        norm = (x - x_hat).flatten(1).norm(dim=1, keepdim=True) / (2 * sigma_x**2)
        square = (norm / P).expand(len(x), int(P)).reshape(x.shape)
    else:
        square = square * P ** pixels[0]
    return -square - normaliser * counted / P


def kl_terms(mu: Tensor, log_sigma: Tensor, kl: Any) -> Tensor:
    """c (μ² + exp(e log σ) − o − e s log σ): the terms of KL(N(μ, diag σ²) ‖ N(0, I)), (B, D).

    `kl` is (c, e, o) or (c, e, o, s), or "reversed" for KL(N(0, I) ‖ N(μ, diag σ²)).
    """
    if kl == "reversed":
        return 0.5 * ((1 + mu**2) * (-2 * log_sigma).exp() - 1) + log_sigma
    c, e, one, sign = (*kl, 1)[:4]
    power = e * log_sigma
    grown = torch.expm1(power) if one else power.exp()
    return c * (mu**2 + grown - sign * power)
