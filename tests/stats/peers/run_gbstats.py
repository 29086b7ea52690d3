"""Runs in the peers' environment: reads cases (JSON) from standard input, writes what gbstats says about them.

A case: {"human": [...], "bot": [...], "alpha": 0.05, "t_opt": 10000}; an answer: {"difference", "standard_error",
"fixed": [lower, upper], "sequential": [lower, upper]}.
"""

from __future__ import annotations

import json
import math
import sys

from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import SampleMeanStatistic


def statistic(values: list[float]) -> SampleMeanStatistic:
    return SampleMeanStatistic(n=len(values), sum=sum(values), sum_squares=sum(value**2 for value in values))


def answer(case: dict) -> dict:
    human, bot = statistic(case["human"]), statistic(case["bot"])
    absolute = {"difference_type": "absolute", "alpha": case["alpha"]}
    fixed = TwoSidedTTest(human, bot, FrequentistConfig(**absolute))
    sequential = SequentialTwoSidedTTest(
        human, bot, SequentialConfig(**absolute, sequential_tuning_parameter=case["t_opt"])
    )
    return {
        "difference": float(fixed.point_estimate),
        "standard_error": math.sqrt(fixed.variance),
        "fixed": [float(bound) for bound in fixed.confidence_interval],
        "sequential": [float(bound) for bound in sequential.confidence_interval],
    }


if __name__ == "__main__":
    json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
