"""Log-densities at every scale, samples that are affine in the noise, wrong inputs refused."""

import math

import exactly
import pytest
import torch
from covered import about
from drawn import DTYPES, WIDE, locations, log_sigmas, ordinary, refused, seeds, tensors, wrong
from hypothesis import assume, example, given
from hypothesis import strategies as st

from vaelib.distributions import Bernoulli, DiagonalGaussian, normal_like

logits = ordinary | locations | st.floats(-40, 40) | st.sampled_from([math.inf, -math.inf])
bits = st.sampled_from([0.0, 1.0])


@st.composite
def gaussians(draw, dtypes=DTYPES):
    """z, μ and log σ of one shape and dtype; z is often μ itself, or within a few σ of it."""
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)))
    dtype = draw(st.sampled_from(dtypes))
    mu = draw(tensors(locations, shape, dtype))
    log_sigma = draw(tensors(log_sigmas, shape, dtype))
    if draw(st.booleans()):
        return draw(tensors(locations, shape, dtype)), mu, log_sigma
    away = draw(tensors(ordinary | st.just(0.0), shape, dtype)).detach()
    z = (mu.double() + log_sigma.double().exp() * away.double()).to(dtype).detach()
    return torch.where(z.isfinite(), z, mu.detach()), mu, log_sigma


def one(z, mu, log_sigma, dtype=torch.float32):
    return tuple(torch.tensor([[v]], dtype=dtype) for v in (z, mu, log_sigma))


@about("distributions.DiagonalGaussian.log_prob")
@given(gaussians())
@example(one(0.0, 0.0, -700.0))  # σ is 0 in float32
@example(one(0.0, 0.0, 700.0))  # and here infinite
@example(one(1e-22, 0.0, -95.0))  # σ has four digits left
@example(one(3e38, -3e38, 87.0))  # the difference is infinite
def test_log_density_of_a_gaussian(given):
    z, mu, log_sigma = given
    places = zip(*map(exactly.rows, given), strict=True)
    exact = [exactly.total(map(exactly.log_normal, *place)) for place in places]
    exactly.check(DiagonalGaussian(mu, log_sigma).log_prob(z), exact)


@about("distributions.DiagonalGaussian.log_prob_unchecked")
@given(gaussians(WIDE))
def test_the_unchecked_log_density_is_the_same_number(given):
    z, mu, log_sigma = (t.detach().clamp(-80, 80) for t in given)
    q = DiagonalGaussian(mu, log_sigma)
    plain = q.log_prob_unchecked(z)
    finite = plain.isfinite()
    if finite.all():
        assert torch.equal(q.log_prob(z), plain)
    # Where one number of a batch overflows, `log_prob` takes all of them by another way.
    torch.testing.assert_close(q.log_prob(z)[finite], plain[finite], rtol=1e-6, atol=1e-6)


@given(gaussians((torch.float64,)))
def test_the_gradient_of_a_log_density_is_a_number(given):
    z, mu, log_sigma = (t.detach() for t in given)
    mu.requires_grad_()
    log_sigma.requires_grad_()
    log_p = DiagonalGaussian(mu, log_sigma).log_prob(z)
    assume(log_p.isfinite().all() and (log_p.abs() < 1e100).all())
    for gradient in torch.autograd.grad(log_p.sum(), (mu, log_sigma)):
        assert not gradient.isnan().any()


@about("distributions.DiagonalGaussian", "distributions.Bernoulli")
@given(gaussians(), st.data())
def test_wrong_inputs_of_a_gaussian_are_refused(given, data):
    z, mu, log_sigma = (t.detach().clamp(-1, 1) for t in given)
    assume(len(mu))
    name, bad = data.draw(st.sampled_from(list(wrong(mu).items())))
    refused(lambda: DiagonalGaussian(mu, log_sigma).log_prob(bad), "z")
    refused(lambda: DiagonalGaussian(bad, log_sigma).log_prob(z), "mu")
    refused(lambda: DiagonalGaussian(mu, bad).log_prob(z), "log_sigma")
    if name == "nan" or "inf" not in name:  # an infinite logit is a pixel that is certain
        refused(lambda: Bernoulli(bad).log_prob((z > 0).to(z)), "logits")
    refused(lambda: Bernoulli(mu).log_prob(bad), "x")


@about("distributions.DiagonalGaussian.rsample", "distributions.DiagonalGaussian.sample")
@given(gaussians(), st.lists(st.integers(0, 3), max_size=2), seeds)
def test_samples_of_a_gaussian(given, sample_shape, seed):
    _, mu, log_sigma = given
    assume(log_sigma.detach().exp().isfinite().all())
    q = DiagonalGaussian(mu, log_sigma)
    generator = torch.Generator()
    z = q.rsample(sample_shape, generator.manual_seed(seed))
    eps = normal_like((*sample_shape, *mu.shape), mu, generator.manual_seed(seed))
    assert torch.equal(z, mu + q.sigma * eps) and z.dtype == mu.dtype
    again = q.sample(sample_shape, generator.manual_seed(seed))
    assert torch.equal(again, z) and not again.requires_grad


@about("distributions.normal_like")
@given(st.lists(st.integers(0, 4), max_size=3), tensors(ordinary), seeds)
def test_noise(shape, like, seed):
    before = torch.get_rng_state()
    one, two = (normal_like(shape, like, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one, two) and one.shape == tuple(shape) and one.dtype == like.dtype
    assert one.isfinite().all() and not one.requires_grad
    assert torch.equal(before, torch.get_rng_state())


@about("distributions.Bernoulli.log_prob", "distributions.Bernoulli.log_prob_unchecked")
@given(st.data(), st.tuples(st.integers(0, 3), st.integers(1, 3)), st.sampled_from(DTYPES))
def test_log_probability_of_pixels(data, shape, dtype):
    ell = data.draw(tensors(logits, shape, dtype))
    x = data.draw(tensors(bits, shape, dtype))
    got = Bernoulli(ell).log_prob(x)
    exact = []
    for pixels, row in zip(exactly.rows(x), exactly.rows(ell), strict=True):
        terms = [exactly.log_bernoulli(*place) for place in zip(pixels, row, strict=True)]
        exact.append((sum(terms), sum(abs(t) for t in terms)))
    finite = [i for i, (value, _) in enumerate(exact) if abs(value) < math.inf]
    exactly.check(got[finite], [exact[i] for i in finite])
    impossible = [i for i in range(len(exact)) if i not in finite]
    assert (got[impossible] == -math.inf).all()
    assert torch.equal(got, Bernoulli(ell).log_prob_unchecked(x))


@pytest.mark.parametrize("ell", [15.0, 20.5, 36.0])
def test_a_pixel_that_is_almost_certain(ell):
    """x ℓ − log(1 + e^ℓ) would lose all its digits."""
    for dtype in (torch.float32, torch.float64):
        got = Bernoulli(torch.tensor([ell], dtype=dtype)).log_prob(torch.ones(1, dtype=dtype))
        assert got.item() == pytest.approx(-math.log1p(math.exp(-ell)), rel=4e-7)


@about("distributions.Bernoulli.sample")
@given(tensors(logits), st.lists(st.integers(0, 3), max_size=2), seeds)
def test_samples_of_pixels(ell, sample_shape, seed):
    p = Bernoulli(ell, 0)
    one, two = (p.sample(sample_shape, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one, two) and one.dtype == ell.dtype
    assert one.shape == (*sample_shape, *ell.shape) and ((one == 0) | (one == 1)).all()
    assert (one[..., ell.detach() == math.inf] == 1).all() or ell.ndim == 0
    assert (one[..., ell.detach() < -1e5] == 0).all() or ell.ndim == 0


@given(st.sampled_from([-1, 3, 1.5, True, "1"]))
def test_event_dimensions_that_are_not_there(event_dims):
    t = torch.zeros(2, 2)
    names = ("event_dims", "reinterpreted_batch_ndims")  # torch's word for it
    refused(lambda: DiagonalGaussian(t, t, event_dims), *names)
    refused(lambda: Bernoulli(t, event_dims), *names)
