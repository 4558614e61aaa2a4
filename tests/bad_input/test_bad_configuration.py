"""Configuration files, and options of commands, that are no configuration or not the one that was meant."""

from pathlib import Path

from bad_case import Case, galcen, table_test
from galcen import config
from galcen.cli.numbers import cone_of


def yaml_text(text: str | bytes, name: str = "mine.yaml"):
    """A configuration file of this text, loaded."""

    def run(folder: Path) -> None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        config.load(folder / name)

    return run


def options(text: str):
    """The options of a command, as JSON."""
    return lambda _folder: config.parse_json(text, "--options")


def command(*arguments: str):
    """A command of galcen."""
    return lambda _folder: galcen(*arguments)


LAUGHS = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"{one}: &{one} [{', '.join(['*' + other] * 9)}]\n"
    for one, other in zip("bcdefgh", "abcdefg", strict=True)
)

IMPOSSIBLE = [
    ("the Sun's distance in kpc", "galaxy: {sun_distance: 8.178}", "galaxy.sun_distance", "in kpc?"),
    ("the Sun's distance in km", "galaxy: {sun_distance: 2.5e+17}", "galaxy.sun_distance", "7000 to 9500"),
    ("the Sun's height in kpc", "galaxy: {sun_height: 0.025}", "galaxy.sun_height", "in kpc?"),
    (
        "the Sun's velocity without the rotation",
        "galaxy: {sun_velocity: [11.1, 12.24, 7.25]}",
        "galaxy.sun_velocity.1",
        "without the rotation",
    ),
    (
        "the Sun's velocity in another order",
        "galaxy: {sun_velocity: [243, 10, 7]}",
        "galaxy.sun_velocity.0",
        "another order?",
    ),
    (
        "an epoch as a Julian date",
        "catalogue: {merge: {epoch: 2457389.0}}",
        "catalogue.merge.epoch",
        "Julian date",
    ),
    ("an epoch as MJD", "survey_sources: {reference_epoch: 63477}", "survey_sources.reference_epoch", "MJD"),
    ("a distance in kpc", "posterior: {dist_max: 20}", "posterior.dist_max", "in kpc?"),
    ("a zero point in micro-arcseconds", "posterior: {parallax_zero_point: -30}", "micro-arcseconds?"),
    ("a photometric error in per cent", "posterior: {error_floor: 10}", "posterior.error_floor", "per cent"),
    ("a limit of 99 mag", "catalogue: {selection: {faint: 99}}", "catalogue.selection.faint", "-10 to 40"),
    (
        "a focal length in mm",
        "survey: {telescope: {focal_length_um: 4370.4}}",
        "focal_length_um",
        "in mm or m?",
    ),
    ("a pixel in mm", "survey: {telescope: {pixel_um: 0.01}}", "pixel_um", "in mm or arcsec?"),
    (
        "chips turned in radians",
        "survey: {telescope: {chip_rotation_deg: [0, -1.5708, 3.1416, 1.5708]}}",
        "radians",
    ),
    (
        "an exposure in ms",
        "survey: {telescope: {exposure_s: 12500, repetition_s: 13700}}",
        "exposure_s",
        "in ms?",
    ),
    ("a survey's length in days", "survey: {plan: {years: 1096}}", "survey.plan.years", "in days"),
    ("an altitude from the Earth's centre", "survey: {plan: {altitude_km: 6978}}", "centre of the Earth?"),
    ("a prior of pixels in um", "plate: {priors: {pixel_size: 10}}", "plate.priors.pixel_size", "in um?"),
    ("a centroid error in mas", "observation: {centroid: {constant_pixel: 12}}", "constant_pixel", "in mas?"),
    ("more ranks than a cluster has", "solver: {ranks: 1000000}", "solver.ranks", "65536"),
    (
        "a screen's distance in kpc",
        "extinction: {screen: {distance: 0.4, a_ks: 1.0}}",
        "extinction.screen.distance",
        "in kpc?",
    ),
    (
        "a survey's centre in right ascension and declination",
        "survey: {enabled: true, plan: {centre: [266.4, -29.0]}}",
        "survey.plan",
        "in ra and dec?",
    ),
    ("a seed that no integer holds", f"seed: {10**30}", "seed", "less than"),
]

COMMANDS = [
    ("export --bright nan", "export truth.h5 out.fits --bright nan", "--bright nan", "-10 to 40"),
    ("export --faint inf", "export truth.h5 out.fits --faint inf", "--faint inf", "-10 to 40"),
    ("export --bright ten", "export truth.h5 out.fits --bright ten", "--bright ten"),
    ("sightline --l nan", "sightline --l nan --b 0", "--l nan", "-360 to 360"),
    ("sightline --b 95", "sightline --l 0 --b 95", "--b 95", "-90 to 90"),
    ("sightline --faint nan", "sightline --l 0 --b 0 --faint nan", "--faint nan"),
    ("sightline --area-arcmin2 0", "sightline --l 0 --b 0 --area-arcmin2 0", "--area-arcmin2 0"),
    ("sightline --area-arcmin2 inf", "sightline --l 0 --b 0 --area-arcmin2 inf", "--area-arcmin2 inf"),
]

CONES = [
    ("266,nan,0.1", "dec nan"),
    ("266,-29", "three numbers"),
    ("266,-29,-1", "radius -1"),
    ("266,-95,1", "dec -95"),
    ("266,-29,inf", "radius inf"),
]

CASES = [
    Case(
        "unknown keys",
        "a key misspelt",
        yaml_text("footprnt: {}\n"),
        ("mine.yaml", "footprnt", "unknown key", "did you mean footprint?"),
    ),
    Case(
        "keys that are repeated",
        "a section twice",
        yaml_text("posterior: {error_floor: 0.05}\nseed: 1\nposterior: {ruwe_limit: 2}\n"),
        ("mine.yaml", "posterior", "lines 1 and 3"),
    ),
    Case(
        "keys that are repeated",
        "a key twice in a section of a list",
        yaml_text(
            "catalogue:\n  files:\n  - name: A\n    path: a.csv\n    path: b.csv\n    columns: {ra: RA}\n"
        ),
        ("path", "lines 4 and 5"),
    ),
    Case(
        "keys that are repeated",
        "one of them in quotation marks",
        yaml_text('seed: 1\n"seed": 2\n'),
        ("seed", "lines 1 and 2"),
    ),
    Case(
        "keys that are repeated", "in JSON", options('{"a": {"seed": 1, "seed": 2}}'), ("--options", "'seed'")
    ),
    Case(
        "keys that are repeated",
        "in a JSON file",
        yaml_text('{"seed": 1, "seed": 2}', "mine.json"),
        ("mine.json", "'seed'"),
    ),
    Case("text that is no UTF-8", "UTF-16", yaml_text("seed: 1\n".encode("utf-16")), ("mine.yaml", "UTF-16")),
    Case(
        "text that is no UTF-8",
        "UTF-16 without its mark",
        yaml_text("seed: 1\n".encode("utf-16-le")),
        ("mine.yaml, line 1", "NUL byte", "UTF-16"),
    ),
    Case(
        "text that is no UTF-8",
        "Latin-1",
        yaml_text("seed: 1\n# Größe\n".encode("latin-1")),
        ("mine.yaml, line 2", "0xf6", "Latin-1"),
    ),
    Case("text that is no UTF-8", "a NUL byte", yaml_text(b"seed: 1\nrun: a\0b\n"), ("line 2", "NUL byte")),
    Case(
        "broken YAML and JSON",
        "a bracket left open",
        yaml_text("seed: 1\nfootprint: {l_min: 1\n"),
        ("mine.yaml, line 3", "cannot be read as YAML"),
    ),
    Case(
        "broken YAML and JSON", "two documents", yaml_text("seed: 1\n---\nseed: 2\n"), ("mine.yaml, line 2",)
    ),
    Case("broken YAML and JSON", "a list", yaml_text("- seed: 1\n"), ("expected a mapping", "a list")),
    Case("broken YAML and JSON", "a Python object", yaml_text("run: !!python/name:os.system\n"), ("line 1",)),
    Case("broken YAML and JSON", "aliases within aliases", yaml_text(LAUGHS), ("aliases counted as often",)),
    Case("broken YAML and JSON", "a value within itself", yaml_text("a: &a [*a]\n"), ("contains itself",)),
    Case(
        "broken YAML and JSON", "a thousand brackets", yaml_text("a: " + "[" * 5000), ("mine.yaml", "levels")
    ),
    Case(
        "broken YAML and JSON", "a tag", yaml_text("catalogue: {files: !!set {a, b}}\n"), ("line 1", "!!set")
    ),
    Case("broken YAML and JSON", "options that break off", options('{"seed": 1'), ("--options", "no JSON")),
    Case(
        "broken YAML and JSON", "options that are a list", options("[]"), ("expected a JSON object", "a list")
    ),
    Case("numbers that are not finite", "NaN", yaml_text("galaxy: {sun_distance: .nan}\n"), ("finite",)),
    Case(
        "numbers that are not finite",
        "infinity in a list",
        yaml_text("galaxy: {sun_velocity: [10, .inf, 7]}\n"),
        ("galaxy.sun_velocity.1", "finite"),
    ),
    Case(
        "numbers that are not finite",
        "NaN for a value that may be text too",
        yaml_text("posterior: {extinction_spread: .nan}\n"),
        ("posterior.extinction_spread: expected a finite number",),
    ),
    Case(
        "numbers that are not finite",
        "NaN by band",
        yaml_text("posterior: {photometric_offset: {J: .nan}}\n"),
        ("posterior.photometric_offset.J",),
    ),
    Case("numbers that are not finite", "NaN in options", options('{"a": [NaN]}'), ("--options", "NaN")),
    Case("numbers that are not finite", "1e999 in options", options('{"a": 1e999}'), ("--options", "1e999")),
    Case(
        "words that YAML reads otherwise",
        "run: off",
        yaml_text("run: off\n"),
        ("run", "off", "quotation marks"),
    ),
    Case(
        "words that YAML reads otherwise",
        "off as one of several words",
        yaml_text("galaxy: {nuclear_disc: off}\n"),
        ("galaxy.nuclear_disc", "off", "quotation marks"),
    ),
    Case("words that YAML reads otherwise", "a key on", yaml_text("on: 1\n"), ("line 1", "the key on")),
    Case("words that YAML reads otherwise", "run: 2016-01-01", yaml_text("run: 2016-01-01\n"), ("a date",)),
    Case("words that YAML reads otherwise", "run: 12", yaml_text("run: 12\n"), ("run", "quotation marks")),
    Case(
        "words that YAML reads otherwise",
        "an octal number",
        yaml_text("posterior:\n  n_sample: 010\n"),
        ("line 2", "010", "octal"),
    ),
    Case("words that YAML reads otherwise", "1:30", yaml_text("seed: 1:30\n"), ("line 1", "1:30", "base 60")),
    Case(
        "words that YAML reads otherwise",
        "1e-1, which is text",
        yaml_text("posterior: {error_floor: 1e-1}\n"),
        ("posterior.error_floor", "this is text", "1.0e+5"),
    ),
    Case("values of another kind", "seed: true", yaml_text("seed: true\n"), ("seed", "whole number", "true")),
    Case(
        "values of another kind",
        "epoch: yes",
        yaml_text("catalogue: {merge: {epoch: yes}}\n"),
        ("catalogue.merge.epoch", "found true"),
    ),
    Case(
        "values of another kind",
        "a number as text",
        yaml_text('seed: "1"\n'),
        ("seed", "whole number", "'1'"),
    ),
    Case("values of another kind", "1 for true", yaml_text("survey: {enabled: 1}\n"), ("true or false",)),
    Case("values of another kind", "a part of a seed", yaml_text("seed: 1.5\n"), ("seed", "whole number")),
    Case(
        "values of another kind",
        "text for a list",
        yaml_text("galaxy: {sun_velocity: 1, 2, 3}\n"),
        ("line 1",),
    ),
    *(
        Case("numbers of the command line", example, command(*arguments.split()), tuple(words))
        for example, arguments, *words in COMMANDS
    ),
    *(
        Case("numbers of the command line", f"--cone {text}", lambda _, text=text: cone_of(text), (word,))
        for text, word in CONES
    ),
    Case(
        "names that no file can have", "a run's", yaml_text(f"run: {'a' * 300}\n"), ("run", "100 characters")
    ),
    Case(
        "names that no file can have",
        "a path in it",
        yaml_text("run: ../other\n"),
        ("run", "expected a letter or digit"),
    ),
]

test_configuration_file = table_test(CASES)
