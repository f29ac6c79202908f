"""Policies compared with a reference on the same channels: paired differences, their test, probability of improvement.

Cells are paired if they have the same setting, channel, arrivals and repetition. Of two policies that are both trained,
cells of the same training seed are paired; each cell of an untrained policy is paired with those of all seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emulator.core.arrays import Floats
from emulator.core.randomness import generator
from results.study.resampling import drawn_factors

EXACT_UNITS = 12  # up to so many units, all signs are tried
SIGN_DRAWS = 9_999
PLACE = ["channel", "channel_seed", "arrival_seed", "repetition"]


def paired(cells: pd.DataFrame, settings: Sequence[str], policy: str, reference: str, metric: str) -> pd.DataFrame:
    """Return a row for each pair of cells of two policies, with the settings, PLACE, `training_seed` (if one of the two
    is trained), `value`, `other`, `weight`, and the weighted `difference`. The mean of the weights is 1; those of gaps
    are as the bounds, so that the mean difference is that of two ratios of sums. Cells without the metric are left
    out."""
    keys = [*settings, *PLACE]
    known = cells[cells[metric].notna()]
    known = known.assign(weight=known["bound_mean_s"] if metric == "gap" else 1.0)
    own, other = (known[known["policy"] == name] for name in (policy, reference))
    if own["training_seed"].notna().any() and other["training_seed"].notna().any():
        keys.append("training_seed")
    columns = [*keys, *{"training_seed"}.difference(keys), metric]
    left = own[[*columns, "weight"]].rename(columns={metric: "value"})
    pairs = left.merge(other[columns].rename(columns={metric: "other"}), on=keys, suffixes=("", "_other"))
    if "training_seed_other" in pairs:
        seeds = pairs["training_seed"].fillna(pairs["training_seed_other"])
        pairs = pairs.assign(training_seed=seeds).drop(columns="training_seed_other")
    weight = pairs["weight"] / pairs["weight"].mean()
    return pairs.assign(weight=weight, difference=weight * (pairs["value"] - pairs["other"]))


def duels(cells: pd.DataFrame, settings: Sequence[str], policy: str, reference: str, metric: str) -> pd.DataFrame:
    """Return a row for each pair of cells in the same place, of all training seeds of one policy with all of the other:
    `win` is 1 if the policy's metric is less than the reference's, 0 if it is greater, 1/2 if they are equal. The mean
    of `win` is the probability of improvement (Agarwal et al., NeurIPS 2021, section 4.3: the Mann-Whitney statistic
    on each task)."""
    keys = [*settings, *PLACE]
    known = cells[cells[metric].notna()]
    own, other = (known.loc[known["policy"] == name, [*keys, "training_seed", metric]] for name in (policy, reference))
    pairs = own.merge(other, on=keys, suffixes=("", "_other"))
    below = np.sign(pairs[f"{metric}_other"] - pairs[metric])
    return pairs.rename(columns={"training_seed_other": "other_training_seed"}).assign(win=(1 + below) / 2)


def sign_flip_p(pairs: pd.DataFrame, address: str) -> float:
    """Return the two-sided p-value of the hypothesis that differences (of `paired`) are as likely as their negatives:
    the share of sign changes of whole channels whose mean difference over all pairs is at least as far from 0 (Fisher,
    "The design of experiments", 1935, section 21). Up to EXACT_UNITS channels all sign changes are tried,
    otherwise SIGN_DRAWS at random, and the observed signs with them (Phipson, Smyth, "Permutation p-values should never
    be zero", Statistical Applications in Genetics and Molecular Biology 9, 2010).

    If several factors are drawn (`drawn_factors`), the signs of that whose levels move the mean most are changed. The
    signs of the deviations of the others' levels from the mean change too, independently, and are added: the p-value is
    then approximate. NaN if nothing is drawn."""
    factors = list(drawn_factors(pairs))
    if not factors:
        return np.nan
    mean = pairs["difference"].mean()
    deviations = {name: _parts(pairs["difference"] - mean, pairs[name]) for name in factors}
    first, *others = sorted(factors, key=lambda name: -np.square(deviations[name] / len(deviations[name])).sum())
    parts = _parts(pairs["difference"], pairs[first])
    if not others and len(parts) <= EXACT_UNITS:
        flipped = all_flipped_means(parts)
    else:
        flipped = flipped_means(parts, f"{address}\x1f{first}")
        for name in others:
            flipped = flipped + flipped_means(deviations[name], f"{address}\x1f{name}")
    return float((np.abs(flipped) >= abs(mean) * (1 - 1e-9)).mean())  # of equals, some are off by rounding


def _parts(differences: pd.Series, levels: pd.Series) -> Floats:
    """Return the part of each level, shape (levels,), whose mean is that of all differences: the levels' means if all
    have equally many pairs."""
    sums = differences.groupby(levels).sum().to_numpy()
    parts: Floats = sums * (len(sums) / len(differences))
    return parts


def all_flipped_means(values: Floats) -> Floats:
    """Return the means of the values under all changes of their signs, shape (2^values,)."""
    count = len(values)
    means: Floats = (1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)) @ values / count
    return means


def flipped_means(values: Floats, address: str) -> Floats:
    """Return the mean of the values, and after it their means under SIGN_DRAWS random changes of their signs."""
    drawn = generator(0, address, "signs").integers(2, size=(SIGN_DRAWS, len(values)))
    return np.append(values.mean(), (1 - 2 * drawn) @ values / len(values))


def holm(p_values: Floats) -> Floats:
    """Return the p-values of several tests, corrected so that the chance of one false rejection or more is at most the
    level (Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979).
    NaN stays and does not count as a test."""
    corrected = np.full_like(p_values, np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]  # NaN last
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.maximum.accumulate(np.minimum(p_values[order] * factors, 1))
    return corrected
