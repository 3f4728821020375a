"""What bone lengths alone say of age: made-up hands, the true lengths, and regressions that are not networks.

Run: OMP_NUM_THREADS=1 python benchmarks/hand_lengths.py

Mean absolute error in months on 600 other made-up hands, of boosted trees and of ridge regression on the lengths, their
squares and products. What stages of the system bone-age cannot beat, however well they find the bones. Writes
benchmarks/results/hand_lengths.json.
"""

import json
import platform
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import longspan as ls
from longspan.systems.xrays.joints import measure_lengths

OUT = Path(__file__).parent / "results" / "hand_lengths.json"


def hands(count, seed):
    """Sex and true lengths, and the ages in months."""
    table = ls.datasets.make_hands(count, seed=seed)
    points = zip(table.column_values("points"), table.column_values("sex"), strict=True)
    return np.array([measure_lengths(*each) for each in points]), np.array(table.column_values("age_months"))


def main():
    (lengths, ages), (others, true) = hands(3000, 11), hands(600, 12)
    ways = {
        "boosted trees": lambda: HistGradientBoostingRegressor(loss="absolute_error", random_state=0),
        "ridge regression of degree 2": lambda: make_pipeline(
            StandardScaler(), PolynomialFeatures(2), RidgeCV(np.logspace(-1, 5, 13))
        ),
    }
    months = {
        name: {
            str(count): round(float(np.abs(make().fit(lengths[:count], ages[:count]).predict(others) - true).mean()), 2)
            for count in (100, 400, 3000)
        }
        for name, make in ways.items()
    }
    results = {
        "command": "python benchmarks/hand_lengths.py", "python": platform.python_version(),
        "torch": torch.__version__, "scikit-learn": sklearn.__version__, "data": "made-up hands",
        "months of error by training hands": months,
    }  # fmt: skip
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(months, indent=1))


if __name__ == "__main__":
    main()
