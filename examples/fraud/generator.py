"""Generate card payments in the format of the credit-card data, for runs without the real data.

Figures reached on these rows say nothing about real fraud, because this file invents the frauds. The rows
serve only for lessons, tests and timings, and every source label begins with "SYNTHETIC".

Each normal payment is generated in 28 raw columns:

    raw = center[k] + z W[k] + tanh(z A[k]) B[k] + e

Here k is one of eight behaviors (groceries, travel, ...), z holds the customer's six latent habits, and e is noise
whose size differs from row to row. The term tanh(z A) B ties columns together in a way that no linear projection can
follow, and Student-t draws make the tails heavy. A fixed linear map then turns the raw columns into V1..V28, which are
uncorrelated and of decreasing variance, as principal components are. All these maps and behaviors are the same for
every seed; a seed only draws different rows.

There are four kinds of fraud, each with a strength drawn per row:

    takeover      half of the columns pulled toward another payment and beyond it, which breaks ties between columns
    card testing  tiny amounts in short bursts, all shifted along one direction, as if sent by a machine
    bust-out      large amounts, and habits stretched far beyond their range
    mimicry       a normal payment with a slight shift, hard to find

On these rows, an autoencoder with a bottleneck and a hidden layer on each side of it beats PCA, and an autoencoder
wider than its input, which can learn the identity, does not (python -m benchmarks.detectors).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tinydl.datasets.creditcard import Transactions

KINDS = ("takeover", "card testing", "bust-out", "mimicry")
_KIND_SHARES = (0.35, 0.30, 0.25, 0.10)
_N_FEATURES, _N_LATENTS, _N_BEHAVIOURS = 28, 6, 8
_DAY = 86_400.0


def generate(n_rows: int = 284_807, n_frauds: int = 492, seed: int = 0) -> Transactions:
    """Generate `n_rows` payments over two days, in order of time, `n_frauds` of them frauds; `seed` fixes the draw.

    Amount is log-normal, Time has a daily rhythm, and `kinds` names the kind of each fraud ("" for normal rows).
    These rows are SYNTHETIC: figures on them say nothing about real fraud.

    ValueError: unless n_rows >= 1 and 0 <= n_frauds <= n_rows.
    """
    if n_rows < 1 or not 0 <= n_frauds <= n_rows:
        raise ValueError(f"expected n_rows >= 1 and 0 <= n_frauds <= n_rows, got {n_rows} rows, {n_frauds} frauds")
    world = _world()
    rng = np.random.default_rng(seed)
    n_normal = n_rows - n_frauds

    raw, amount = world.payments(n_normal, rng)
    time = _times_of_day(n_normal, rng)
    kinds = np.repeat("", n_normal)
    if n_frauds:
        counts = rng.multinomial(n_frauds, _KIND_SHARES)
        frauds = [world.frauds(kind, int(count), rng) for kind, count in zip(KINDS, counts, strict=True)]
        raw = np.concatenate([raw, *(f[0] for f in frauds)])
        amount = np.concatenate([amount, *(f[1] for f in frauds)])
        time = np.concatenate([time, *(f[2] for f in frauds)])
        kinds = np.concatenate([kinds, np.repeat(KINDS, counts)])

    time = np.floor(time)
    order = np.argsort(time, kind="stable")
    return Transactions(
        features=np.column_stack([world.components(raw), np.round(amount, 2)])[order],
        labels=(kinds != "").astype(np.int64)[order],
        time=time[order],
        source=f"SYNTHETIC: generator.generate({n_rows}, {n_frauds}, seed={seed})",
        kinds=kinds[order],
    )


class _World:
    """The part common to all seeds: the behaviors, and the map from raw columns to components."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1997)
        k, d, z = _N_BEHAVIOURS, _N_FEATURES, _N_LATENTS
        self.shares = np.array([0.30, 0.22, 0.15, 0.12, 0.09, 0.06, 0.04, 0.02])
        self.centre = rng.normal(0, 1.0, (k, d))
        self.linear = rng.normal(0, 0.5, (k, z, d))
        self.bend_in = rng.normal(0, 0.7, (k, z, z))
        self.bend_out = rng.normal(0, 0.8, (k, z, d))
        self.log_amount = rng.normal(3.1, 0.8, k)
        self.amount_habit = rng.normal(0, 0.3, (k, z))
        self.machine_mark = rng.normal(0, 1, d)

        # The principal components of a large sample, scaled to standard deviations from 1.96 (V1) to 0.33 (V28).
        sample, _ = self.payments(20_000, rng)
        self.mean = sample.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(sample, rowvar=False))
        wanted = np.geomspace(1.96, 0.33, d)
        self.to_components = axes[:, ::-1] * (wanted / np.sqrt(variances[::-1]))

    def components(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return (raw - self.mean) @ self.to_components

    def payments(
        self,
        n: int,
        rng: np.random.Generator,
        stretch: float | NDArray[np.float64] = 1.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Normal payments: raw columns (n, 28) and amounts (n,); `stretch` scales the habits z."""
        behaviour = rng.choice(_N_BEHAVIOURS, n, p=self.shares)
        z = stretch * rng.standard_normal((n, _N_LATENTS)) * _heavy(n, 6.0, rng)
        raw = rng.standard_normal((n, _N_FEATURES)) * (0.25 * _heavy(n, 2.5, rng))
        log_amount = 1.2 * rng.standard_normal(n)
        for k in range(_N_BEHAVIOURS):
            rows = np.flatnonzero(behaviour == k)
            zk = z[rows]
            bend = np.tanh(zk @ self.bend_in[k]) @ self.bend_out[k]
            raw[rows] += self.centre[k] + zk @ self.linear[k] + bend
            log_amount[rows] += self.log_amount[k] + np.tanh(zk) @ self.amount_habit[k]
        return raw, np.exp(log_amount)

    def frauds(
        self, kind: str, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Raw columns (n, 28), amounts (n,) and times (n,) of `n` frauds of one kind."""
        time = rng.uniform(0, 2 * _DAY, n)  # fraud occurs at any hour
        strength = rng.lognormal(0.0, 0.7, (n, 1))
        if kind == "bust-out":
            raw, amount = self.payments(n, rng, stretch=1.0 + 6.0 * strength)
            return raw, amount * rng.lognormal(1.5, 0.8, n), time
        raw, amount = self.payments(n, rng)
        if kind == "takeover":
            other, _ = self.payments(n, rng)
            merchant = rng.permuted(np.tile(np.arange(_N_FEATURES) < _N_FEATURES // 2, (n, 1)), axis=1)
            raw += merchant * (4.5 * strength) * (other - raw)
        elif kind == "card testing":
            raw += 4.5 * strength * self.machine_mark
            amount = rng.uniform(0.01, 2.0, n)
            bursts = rng.uniform(0, 2 * _DAY - 600, max(1, n // 15))
            time = rng.choice(bursts, n) + rng.uniform(0, 600, n)
        else:
            raw += 0.8 * strength * rng.standard_normal((n, _N_FEATURES))
        return raw, amount, time


@cache
def _world() -> _World:
    """Make the world once, because it takes longer to make than the rows of a small data set."""
    return _World()


def _heavy(n: int, degrees: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Row scales (n, 1) that turn normal draws into Student-t draws: sqrt(df / chi2_df)."""
    return np.sqrt(degrees / rng.chisquare(degrees, (n, 1)))


def _times_of_day(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Times of n payments, in seconds over two days: few at night, most in the afternoon."""
    hours = np.arange(49)
    rate = 1.0 - 0.85 * np.cos((hours - 3) / 24 * 2 * np.pi)  # lowest at 3 a.m.
    share = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
    return np.interp(rng.uniform(0, share[-1], n), share, hours * 3600.0)
