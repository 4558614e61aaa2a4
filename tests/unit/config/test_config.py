"""The configuration: refusals by name, and generated files in step."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from galcen import config
from galcen.config.generate import files
from galcen.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("path", ["config/config.yaml", "config/schema.json", "docs/configuration.md"])
def test_generated_files_are_in_step(path):
    """`python -m galcen.config.generate` would change nothing."""
    assert (ROOT / path).read_text() == files()[path]


def test_the_default_file_is_the_default():
    """Reading config.yaml gives the models' own defaults."""
    assert config.load(ROOT / "config/config.yaml") == config.parse({})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"galxy": {}}, "galxy: unknown key"),
        ({"posterior": {"how": "exact"}}, "posterior.how: unknown key"),
        ({"footprint": {"b_min": 0.3, "b_max": 0.1}}, "b_min = 0.3 must be below b_max = 0.1"),
        ({"footprint": {"l_min": -181}}, "footprint.l_min"),
        ({"seed": -1}, "seed"),
        ({"catalogue": {"selection": {"bright": 12, "faint": 9}}}, "must be below faint"),
        ({"plate": {"priors": {"distortion_um": 0}}}, r"plate.priors.distortion_um: .* greater than 0"),
        ({"plate": {"priors": {"pixel_size": float("inf")}}}, "plate.priors.pixel_size"),
        (
            {"plate": {"priors": {"attitude_deg": None, "chip_position_um": None}}},
            "attitude_deg and chip_position_um must not both be null",
        ),
        ({"plate": {"inference": {"learning_rates": [0.1, 0]}}}, "must all be above 0"),
        ({"plate": {"inference": {"guide": "flow", "ladder": "original"}}}, "needs guide: mean_field"),
        ({"catalogue": {"source": "model", "selection": None}}, "needs a magnitude"),
    ],
)
def test_faults_are_named(values, message):
    """The key, what was found, what is expected."""
    with pytest.raises(ConfigError, match=message):
        config.parse(values)


def test_a_file_that_is_no_mapping_is_refused(tmp_path):
    """YAML of another kind."""
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="expected a mapping"):
        config.load(tmp_path / "list.yaml")


def _ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"] | project["project"]["optional-dependencies"]
    texts = project["project"]["dependencies"] + [text for group in groups.values() for text in group]
    return {r.name: r for r in map(Requirement, texts)}


@pytest.mark.parametrize("name", ["py311.txt", "py312.txt"])
def test_pinned_versions_lie_in_the_ranges(name):
    """Every dependency is pinned to a version that pyproject.toml allows."""
    lines = (ROOT / "requirements" / name).read_text().split()
    pins = dict(line.split("==") for line in lines)
    for package, requirement in _ranges().items():
        assert requirement.specifier.contains(pins[package], prereleases=True), package


@pytest.mark.parametrize("name", ["cpu.yaml", "gpu.yaml", "report.yaml"])
def test_conda_environments_repeat_the_ranges(name):
    """Form and ranges of the conda files; they are not solved here."""
    content = yaml.safe_load((ROOT / "envs" / name).read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    ranges = _ranges()
    plain = [item for item in content["dependencies"] if isinstance(item, str)]
    (pip,) = (item["pip"] for item in content["dependencies"] if isinstance(item, dict))
    for text in [*plain, *(t for t in pip if not t.startswith("-e"))]:
        requirement = Requirement(text)
        if requirement.name in ranges:
            assert requirement.specifier == ranges[requirement.name].specifier, text


@pytest.mark.parametrize(
    ("extinction", "words"),
    [
        ({}, "set extinction.outside"),
        ({"screen": {"distance": 400.0}}, "screen has no a_ks"),
        ({"outside": 0.1, "screen": {"distance": 400.0, "a_ks": 0.1}}, "are both given"),
        ({"outside": -0.1}, "extinction.outside"),
        ({"outside": 25}, "extinction.outside"),
        ({"outside": True}, "extinction.outside"),
    ],
)
def test_a_footprint_off_the_map_needs_an_extinction(extinction, words):
    """None, half a screen, two of them, and values that no sky has."""
    off_map = {"l_min": 68.0, "l_max": 69.0, "b_min": 9.0, "b_max": 10.0}
    with pytest.raises(ConfigError, match=words):
        config.parse_run({"footprint": off_map, "extinction": extinction})


@pytest.mark.parametrize(
    "extinction",
    [{"outside": 0}, {"outside": "dust.csv"}, {"screen": {"distance": 400.0, "a_ks": 0.1}}],
)
def test_a_number_a_table_or_a_screen_will_do(extinction):
    off_map = {"l_min": -180.0, "l_max": -179.0, "b_min": 89.0, "b_max": 90.0}
    settings = config.parse_run({"footprint": off_map, "extinction": extinction})
    assert settings.extinction.off_map in (0, "dust.csv", 0.1)
