"""Standard normal scores of the stream of each star, in compiled loops.

The streams are those of `galcen.random.keys` and the numbers those of `jax.random.normal`, to rounding: score
n depends on nothing but the stream and n, so that a loop computes those it needs and no others.

References
----------
Salmon et al. (2011), Proc. SC11, 16: Threefry-2x32 with 20 rounds.
Wichura (1988), Appl. Stat. 37, 477: algorithm AS 241, normal quantiles to 16 digits.
"""

import math

import numpy as np
from jaxtyping import Float, Int, UInt32

from galcen.compiled import compiled

PARITY = np.uint32(0x1BD11BDA)  # of the key schedule
CENTRAL, SPLIT = 0.425, 5.0
"""Half the width of the centre of AS 241, and the sqrt(-ln p) beyond which its far tail begins."""

# Numerator and denominator, by falling power.
_CENTRE = np.array(
    [
        [
            2.5090809287301226727e3,
            3.3430575583588128105e4,
            6.7265770927008700853e4,
            4.5921953931549871457e4,
            1.3731693765509461125e4,
            1.9715909503065514427e3,
            1.3314166789178437745e2,
            3.3871328727963666080e0,
        ],
        [
            5.2264952788528545610e3,
            2.8729085735721942674e4,
            3.9307895800092710610e4,
            2.1213794301586595867e4,
            5.3941960214247511077e3,
            6.8718700749205790830e2,
            4.2313330701600911252e1,
            1.0,
        ],
    ]
)
_TAIL = np.array(
    [
        [
            7.74545014278341407640e-4,
            2.27238449892691845833e-2,
            2.41780725177450611770e-1,
            1.27045825245236838258e0,
            3.64784832476320460504e0,
            5.76949722146069140550e0,
            4.63033784615654529590e0,
            1.42343711074968357734e0,
        ],
        [
            1.05075007164441684324e-9,
            5.47593808499534494600e-4,
            1.51986665636164571966e-2,
            1.48103976427480074590e-1,
            6.89767334985100004550e-1,
            1.67638483018380384940e0,
            2.05319162663775882187e0,
            1.0,
        ],
    ]
)
_FAR_TAIL = np.array(
    [
        [
            2.01033439929228813265e-7,
            2.71155556874348757815e-5,
            1.24266094738807843860e-3,
            2.65321895265761230930e-2,
            2.96560571828504891230e-1,
            1.78482653991729133580e0,
            5.46378491116411436990e0,
            6.65790464350110377720e0,
        ],
        [
            2.04426310338993978564e-15,
            1.42151175831644588870e-7,
            1.84631831751005468180e-5,
            7.86869131145613259100e-4,
            1.48753612908506148525e-2,
            1.36929880922735805310e-1,
            5.99832206555887937690e-1,
            1.0,
        ],
    ]
)


@compiled
def threefry(key_0: int, key_1: int, count_0: int, count_1: int) -> tuple[np.uint32, np.uint32]:
    """Threefry-2x32-20 of a counter; all are words of 32 bits."""
    word = np.uint32
    k_0, k_1 = word(key_0), word(key_1)
    k_2 = word(k_0 ^ k_1 ^ PARITY)
    x_0, x_1 = _four_rounds(word(word(count_0) + k_0), word(word(count_1) + k_1), 13, 15, 26, 6)
    x_0, x_1 = _four_rounds(word(x_0 + k_1), word(x_1 + k_2 + word(1)), 17, 29, 16, 24)
    x_0, x_1 = _four_rounds(word(x_0 + k_2), word(x_1 + k_0 + word(2)), 13, 15, 26, 6)
    x_0, x_1 = _four_rounds(word(x_0 + k_0), word(x_1 + k_1 + word(3)), 17, 29, 16, 24)
    x_0, x_1 = _four_rounds(word(x_0 + k_1), word(x_1 + k_2 + word(4)), 13, 15, 26, 6)
    return word(x_0 + k_2), word(x_1 + k_0 + word(5))


@compiled
def _four_rounds(
    x_0: np.uint32, x_1: np.uint32, a: int, b: int, c: int, d: int
) -> tuple[np.uint32, np.uint32]:
    # Written out: a loop over the four would keep the loops of the callers from running eight or sixteen
    # streams at once.
    x_0 = np.uint32(x_0 + x_1)
    x_1 = _turned(x_1, a) ^ x_0
    x_0 = np.uint32(x_0 + x_1)
    x_1 = _turned(x_1, b) ^ x_0
    x_0 = np.uint32(x_0 + x_1)
    x_1 = _turned(x_1, c) ^ x_0
    x_0 = np.uint32(x_0 + x_1)
    x_1 = _turned(x_1, d) ^ x_0
    return x_0, x_1


@compiled
def _turned(x: np.uint32, bits: int) -> np.uint32:
    return np.uint32(np.uint32(x << np.uint32(bits)) | np.uint32(x >> np.uint32(32 - bits)))


@compiled
def stream(root: UInt32[np.ndarray, " 2"], identifier: int) -> tuple[np.uint32, np.uint32]:
    """Key of one identifier, as `galcen.random.keys` makes it."""
    k_0, k_1 = threefry(root[0], root[1], 0, identifier >> 32)
    return threefry(k_0, k_1, 0, identifier & 0xFFFFFFFF)


@compiled
def streams(
    k_0: int,
    k_1: int,
    identifier: Int[np.ndarray, " n"],
    high: UInt32[np.ndarray, " n"],
    low: UInt32[np.ndarray, " n"],
) -> None:
    """Keys of many identifiers under one root, into `high` and `low`; many times as fast as one by one."""
    for i in range(len(identifier)):
        high[i], low[i] = threefry(k_0, k_1, 0, identifier[i] >> 32)
    for i in range(len(identifier)):
        high[i], low[i] = threefry(high[i], low[i], 0, identifier[i] & 0xFFFFFFFF)


@compiled
def signed_uniform(k_0: int, k_1: int, n: int) -> float:
    """Number `n` of a stream between -1 and 1, both left out, in steps of 2^-51."""
    high, low = threefry(k_0, k_1, 0, n)
    bits = (np.int64(high) << 20) | (np.int64(low) >> 12)
    return bits * 2.0**-51 - (1.0 - 2.0**-53)


@compiled
def normal_quantile(x: float) -> float:
    """The score above which a standard normal deviate is with probability (1 - x) / 2."""
    q = 0.5 * x
    if abs(q) <= CENTRAL:
        return q * _ratio(_CENTRE, CENTRAL**2 - q * q)
    r = math.sqrt(-math.log(0.5 - abs(q)))
    tail = _ratio(_TAIL, r - 1.6) if r <= SPLIT else _ratio(_FAR_TAIL, r - SPLIT)
    return math.copysign(tail, q)


@compiled
def _ratio(coefficients: Float[np.ndarray, "2 8"], x: float) -> float:
    above, below = 0.0, 0.0
    for k in range(8):
        above = above * x + coefficients[0, k]
        below = below * x + coefficients[1, k]
    return above / below


@compiled
def normal(k_0: int, k_1: int, n: int) -> float:
    """Standard normal score `n` of a stream."""
    return normal_quantile(signed_uniform(k_0, k_1, n))


@compiled
def normals(
    root: UInt32[np.ndarray, " 2"],
    identifier: Int[np.ndarray, " n_star"],
    numbers: Int[np.ndarray, " n"],
    out: Float[np.ndarray, "n n_star"],
) -> None:
    """Some standard normal scores of the stream of each identifier, into `out`."""
    for s in range(len(identifier)):
        k_0, k_1 = stream(root, identifier[s])
        for n in range(len(numbers)):
            out[n, s] = signed_uniform(k_0, k_1, numbers[n])
    # Apart: the loop above has no branches, and runs for many stars at once.
    for n in range(len(numbers)):
        for s in range(len(identifier)):
            out[n, s] = normal_quantile(out[n, s])
