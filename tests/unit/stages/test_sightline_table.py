"""Sightlines of a table are those of its directions, one by one."""

import csv
import io
import json

import pytest
from astropy.coordinates import SkyCoord

from galcen import config
from galcen.errors import ConfigError
from galcen.io.model_tables import read_tables
from galcen.stages import sightline
from galcen.stages.galaxy_model import build_galaxy

PLACES = ((2.2, -1.9), (69.0, 10.0))
CHOICES = {
    "band": "Ks",
    "bright": 8.0,
    "faint": 13.0,
    "area_arcmin2": None,
    "law": "WC19",
    "reference_switches": False,
}


@pytest.fixture(scope="module")
def answers():
    """The directions asked for one by one."""
    patch = pytest.MonkeyPatch()
    models = {}

    def model(options, dust):
        if dust.outside not in models:
            models[dust.outside] = build_galaxy(options, dust, read_tables()[0])
        return models[dust.outside]

    patch.setattr(sightline, "cached_galaxy", model)
    yield [json.loads(sightline.inspect(*place, form="json", outside=0.05, **CHOICES)) for place in PLACES]
    patch.undo()


def test_each_row_is_the_answer_of_its_direction(answers, tmp_path):
    """By Galactic coordinates and by equatorial ones, which agree to 1e-6."""
    lon, lat = map(list, zip(*PLACES, strict=True))
    at = SkyCoord(lon, lat, unit="deg", frame="galactic").icrs
    icrs = zip(at.ra.deg.tolist(), at.dec.deg.tolist(), strict=True)
    texts = {
        "galactic.csv": "l,b\n" + "".join(f"{lon},{lat}\n" for lon, lat in PLACES),
        "icrs.csv": "ra,dec\n" + "".join(f"{ra!r},{dec!r}\n" for ra, dec in icrs),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        got = json.loads(sightline.inspect_table(tmp_path / name, form="json", outside=0.05, **CHOICES))
        assert [row["row"] for row in got] == [1, 2]
        for row, alone in zip(got, answers, strict=True):
            assert row["ejk"] == pytest.approx(alone["ejk"], rel=1e-9)
            for component, values in alone["components"].items():
                assert row["components"][component]["count"] == pytest.approx(values["count"], rel=1e-5)


def test_the_table_of_values_has_a_line_a_direction(answers, tmp_path):
    (tmp_path / "places.csv").write_text("glon,glat\n2.2,-1.9\n")
    text = sightline.inspect_table(tmp_path / "places.csv", form="csv", outside=0.05, **CHOICES)
    (row,) = csv.DictReader(io.StringIO(text))
    assert float(row["bar_count"]) == answers[0]["components"]["bar"]["count"]
    short = sightline.inspect_table(tmp_path / "places.csv", form="table", outside=0.05, **CHOICES)
    assert len(short.splitlines()) == 3


def test_a_row_off_the_map_is_refused_by_its_number(answers, tmp_path):
    """Where no extinction is given for it."""
    assert config.parse({}).extinction.outside is None
    (tmp_path / "places.csv").write_text("l,b\n2.2,-1.9\n69,10\n")
    with pytest.raises(ConfigError, match=r"row 2: l = 69, b = 10 deg is off the extinction map.*--outside"):
        sightline.inspect_table(tmp_path / "places.csv", form="table", **CHOICES)
