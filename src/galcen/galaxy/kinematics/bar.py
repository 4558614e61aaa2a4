"""Velocities of the bar (Koshimoto, Baba & Bennett 2021, ApJ 917, 78): rotation, streaming, ellipsoid."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.compiled import compiled
from galcen.galaxy.frame import BAR_ANGLE, bar_axes


class BarMotion(NamedTuple):
    """Parameters of one form of the bar; pc and km/s."""

    pattern_speed: float  # [km/s/kpc]
    v_stream: float
    y_stream: float
    sigma_centre: tuple[float, float, float]  # added at the centre, along the bar's axes
    sigma_outer: tuple[float, float, float]
    scale: tuple[float, float, float, float, float]  # x, y, z, C_perp, C_par of the plane's dispersions
    scale_z: tuple[float, float, float, float, float]  # of the vertical one


FORMS = {
    "E": BarMotion(
        49.5149910609312,
        48.7482280102778,
        392.515724264323,
        (156.055410564041, 83.8197043324931, 86.3564038759999),
        (63.8292191277825, 74.9469462226124, 72.3085487545662),
        (823.387929122523, 9288.51482678556, 864.479916419292, 3.82820123451928, 1.00573720627546),
        (511.063328964278, 2896.01606378595, 2189.7664883434, 3.04214421342047, 1.00609904766722),
    ),
    "E+E_X": BarMotion(
        47.4105844018699,
        43.0364707040617,
        406.558313420815,
        (151.854794853683, 78.0278905748233, 81.9641955092164),
        (63.9939241108675, 75.8180486866697, 71.2336430487113),
        (858.106595717275, 3217.04987721548, 950.690583433628, 4.25236641149869, 1.02531652066343),
        (558.430182718529, 2003.21703656302, 3823.20855045157, 3.71001266000693, 1.07455173734341),
    ),
    "G": BarMotion(
        40.5174879673548,
        11.9026090372449,
        20.1384817812277,
        (136.435675357212, 109.313291840218, 101.291432907346),
        (76.0453005937702, 67.9783132842431, 74.7117386554542),
        (1031.18302251324, 2145.45565210108, 727.233943973984, 4.9302429910108, 1.04038121792228),
        (517.854475368706, 1436.21008855387, 1095.79181359292, 2.3091601785779, 1.03832670354301),
    ),
    "G+G_X": BarMotion(
        45.9061365175252,
        28.250608437116,
        11.4387290790323,
        (154.984185643613, 78.4783157632334, 83.2424209150283),
        (63.3834790223473, 75.1951371572303, 69.6076680158332),
        (939.470002303028, 4228.61947632437, 883.716365308057, 4.59067123072475, 1.00961963171066),
        (699.073733500672, 1729.91970395558, 2028.24030134845, 4.84589813971794, 1.01718557457505),
    ),
}


def mean_velocity(
    form: str, x: Float[Array, "..."], y: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Mean v_X and v_Y [km/s]: solid-body rotation and streaming along the bar."""
    p = FORMS[form]
    _, y_b = bar_axes(x, y)
    omega = p.pattern_speed / 1000.0
    stream = -jnp.where(y_b > 0, 1.0, -1.0) * p.v_stream * -jnp.expm1(-((y_b / p.y_stream) ** 2))
    return stream * math.cos(BAR_ANGLE) - omega * y, stream * math.sin(BAR_ANGLE) + omega * x


def dispersion(
    form: str, x: Float[Array, "..."], y: Float[Array, "..."], z: Float[Array, "..."]
) -> Float[Array, "3 ..."]:
    """Dispersions [km/s] along the bar's axes."""
    p = FORMS[form]
    x_b, y_b = bar_axes(x, y)
    plane, vertical = (_decay(x_b, y_b, z, *scale) for scale in (p.scale, p.scale_z))
    return jnp.stack(
        [
            inner * decay + outer
            for inner, outer, decay in zip(
                p.sigma_centre, p.sigma_outer, (plane, plane, vertical), strict=True
            )
        ]
    )


def rotate(u: Float[Array, "..."], v: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Components along X and Y of a vector along the bar's axes."""
    cos, sin = math.cos(BAR_ANGLE), math.sin(BAR_ANGLE)
    return u * cos - v * sin, u * sin + v * cos


def without_covariance(sigma: Float[Array, "3 ..."]) -> Float[Array, "3 ..."]:
    """Dispersions along X, Y, Z of the reference program, which drops their covariance."""
    cos, sin = math.cos(BAR_ANGLE), math.sin(BAR_ANGLE)
    return jnp.stack(
        [jnp.hypot(sigma[0] * cos, sigma[1] * sin), jnp.hypot(sigma[0] * sin, sigma[1] * cos), sigma[2]]
    )


def _decay(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    z: Float[Array, "..."],
    x0: float,
    y0: float,
    z0: float,
    c_perp: float,
    c_par: float,
) -> Float[Array, "..."]:
    in_plane = jnp.abs(x / x0) ** c_perp + jnp.abs(y / y0) ** c_perp
    return jnp.exp(-((in_plane ** (c_par / c_perp) + jnp.abs(z / z0) ** c_par) ** (1 / c_par)))


@compiled
def star_velocity(
    p: BarMotion, covariance: bool, x: float, y: float, z: float, score: tuple[float, float, float]
) -> tuple[float, float, float]:
    """v_X, v_Y, v_Z [km/s] of one star at standard normal scores, along the bar's axes with `covariance`."""
    cos, sin = math.cos(BAR_ANGLE), math.sin(BAR_ANGLE)
    x_b, y_b = x * cos + y * sin, y * cos - x * sin
    omega = p.pattern_speed / 1000.0
    stream = p.v_stream * math.expm1(-((y_b / p.y_stream) ** 2))
    if y_b <= 0.0:
        stream = -stream
    plane = _star_decay(p.scale, x_b, y_b, z)
    s_x = p.sigma_centre[0] * plane + p.sigma_outer[0]
    s_y = p.sigma_centre[1] * plane + p.sigma_outer[1]
    s_z = p.sigma_centre[2] * _star_decay(p.scale_z, x_b, y_b, z) + p.sigma_outer[2]
    if covariance:
        u, v = s_x * score[0], s_y * score[1]
        v_x, v_y = u * cos - v * sin, u * sin + v * cos
    else:
        v_x, v_y = math.hypot(s_x * cos, s_y * sin) * score[0], math.hypot(s_x * sin, s_y * cos) * score[1]
    return stream * cos - omega * y + v_x, stream * sin + omega * x + v_y, s_z * score[2]


@compiled
def _star_decay(scale: tuple[float, float, float, float, float], x: float, y: float, z: float) -> float:
    x0, y0, z0, c_perp, c_par = scale
    in_plane = abs(x / x0) ** c_perp + abs(y / y0) ** c_perp
    return math.exp(-((in_plane ** (c_par / c_perp) + abs(z / z0) ** c_par) ** (1 / c_par)))
