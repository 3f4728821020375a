import numpy as np
import pytest
import torch

from longspan.columns import Number
from longspan.errors import ConfigError
from longspan.heads import Regress

MONTHS = Number(unit="months", mean=100.0, std=20.0)
HEAD = Regress(column=MONTHS)
OUTPUTS = torch.tensor([[0.0], [1.0], [-2.5]])
TARGETS = torch.tensor([100.0, 140.0, 60.0])  # 0, 2 and -2 spreads from the mean


def test_outputs_are_spreads_and_answers_are_in_the_unit():
    assert HEAD.postprocess(OUTPUTS).tolist() == [100.0, 120.0, 50.0]
    assert [answer.value for answer in HEAD.decode(HEAD.postprocess(OUTPUTS))] == [100.0, 120.0, 50.0]
    assert HEAD.decode(HEAD.postprocess(OUTPUTS))[0].probability is None


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [("squared", [0.0, 1.0, 0.25]), ("absolute", [0.0, 1.0, 0.5]), ("huber", [0.0, 0.5, 0.125])],
)
def test_losses_are_on_the_standardised_scale(criterion, expected):
    assert Regress(criterion=criterion, column=MONTHS).loss(OUTPUTS, TARGETS).tolist() == expected


def test_huber_is_straight_beyond_one_spread():
    head = Regress(criterion="huber", column=MONTHS)
    assert head.loss(torch.tensor([[3.0]]), torch.tensor([100.0])).tolist() == [2.5]


def test_losses_do_not_depend_on_the_unit():
    years = Regress(column=Number(unit="years", mean=100 / 12, std=20 / 12))
    torch.testing.assert_close(years.loss(OUTPUTS, TARGETS / 12), HEAD.loss(OUTPUTS, TARGETS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_metrics_equal_numpy_in_the_unit(offset):
    generator = np.random.default_rng(0)
    truth = (generator.normal(size=50) * 3 + offset).astype(np.float32)
    predicted = (truth + generator.normal(size=50)).astype(np.float32)
    errors = predicted.astype(float) - truth.astype(float)
    assert HEAD.measure(torch.from_numpy(predicted), torch.from_numpy(truth)) == {
        "mae": pytest.approx(np.abs(errors).mean(), rel=1e-4),
        "rmse": pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4),
        "r2": pytest.approx(1 - (errors**2).mean() / truth.astype(float).var(), rel=1e-4),
    }


def test_small_units_keep_their_digits():
    truth = torch.tensor([1e-9, 2e-9, 3e-9])
    assert HEAD.measure(truth + 1.5e-10, truth)["mae"] == pytest.approx(1.5e-10, rel=1e-3)


def test_one_row_explains_no_variance_and_equal_truths_give_a_finite_figure():
    assert set(HEAD.measure(torch.tensor([1.0]), torch.tensor([2.0]))) == {"mae", "rmse"}
    figures = HEAD.measure(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0]))
    assert all(np.isfinite(figure) for figure in figures.values())


def test_half_precision_outputs_give_single_precision_quantities():
    assert HEAD.postprocess(OUTPUTS.bfloat16()).dtype == torch.float32
    assert HEAD.loss(OUTPUTS.bfloat16(), TARGETS).dtype == torch.float32


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="'quantile' or 'poisson', got 'cubic'"):
        Regress(criterion="cubic")
    with pytest.raises(ConfigError, match=r"Regress\.dropout"):
        Regress(dropout=1.0)
    with pytest.raises(ConfigError, match=r"Regress\.hidden"):
        Regress(hidden=(-1,))


def test_the_quantile_loss_is_that_of_scikit_learn():
    from sklearn.metrics import mean_pinball_loss

    head = Regress(criterion="quantile", quantile=0.9, column=MONTHS)
    losses = head.loss(OUTPUTS, TARGETS) * 20
    predicted = head.postprocess(OUTPUTS)
    assert losses.mean().item() == pytest.approx(mean_pinball_loss(TARGETS, predicted, alpha=0.9), rel=1e-5)
    assert head.measure(predicted, TARGETS)["pinball"] == pytest.approx(losses.mean().item(), rel=1e-4)


def test_the_best_constant_of_the_quantile_loss_is_the_quantile():
    head = Regress(criterion="quantile", quantile=0.9, column=MONTHS)
    truth = torch.from_numpy(np.random.default_rng(0).normal(100, 20, 4000).astype(np.float32))
    constants = torch.linspace(-2, 3, 501)
    losses = torch.stack([head.loss(c.expand(len(truth), 1), truth).mean() for c in constants])
    assert constants[losses.argmin()].item() * 20 + 100 == pytest.approx(float(np.quantile(truth, 0.9)), abs=0.5)


def test_the_poisson_loss_is_half_the_deviance_of_scikit_learn():
    from sklearn.metrics import mean_poisson_deviance

    head = Regress(criterion="poisson", column=Number(mean=4.0, std=3.0))
    outputs, counts = torch.tensor([[0.0], [0.7], [-1.2]]), torch.tensor([3.0, 0.0, 7.0])
    rates = head.postprocess(outputs)
    torch.testing.assert_close(rates, 4 * outputs[:, 0].exp())
    wanted = mean_poisson_deviance(counts, rates)
    assert 2 * 4 * head.loss(outputs, counts).mean().item() == pytest.approx(wanted, rel=1e-5)
    assert head.measure(rates, counts)["poisson_deviance"] == pytest.approx(wanted, rel=1e-5)
    torch.testing.assert_close(
        torch.autograd.functional.jacobian(lambda x: head.loss(x, counts).sum(), outputs) * 4,
        torch.autograd.functional.jacobian(
            lambda x: torch.nn.functional.poisson_nll_loss(x[:, 0] + np.log(4.0), counts, reduction="sum"), outputs
        ),
    )


def test_on_the_log_scale_errors_count_in_proportion():
    head = Regress(scale="log", column=Number(mean=1e5, std=5e4))
    for price in (1e3, 1e6):
        encoded = torch.tensor([[(np.log1p(price) - np.log1p(1e5)) / np.log1p(5e4 / (1 + 1e5))]])
        assert head.postprocess(encoded.float()).item() == pytest.approx(price, rel=1e-3)
        loss = head.loss(encoded.float(), torch.tensor([price * 1.1])).item()
        assert loss == pytest.approx((np.log(1.1) / np.log1p(5e4 / (1 + 1e5))) ** 2, rel=2e-2)
    below = head.postprocess(head_outputs := torch.tensor([[-60.0]]))
    assert torch.isfinite(below).all()
    assert torch.isfinite(head.loss(head_outputs, torch.tensor([-5.0]))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 1.0}, "quantile must be above 0 and below 1"),
        ({"scale": "square"}, "scale must be 'linear' or"),
        ({"scale": "log", "criterion": "poisson"}, "scale must be 'linear' or"),
    ],
)
def test_bad_scales_and_quantiles_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Regress(**options)
