"""Model tables that are missing or damaged."""

import shutil

import pytest

from galcen.config.galaxy import Extinction, Galaxy, Tables
from galcen.errors import ResourceError, SchemaError
from galcen.io.model_tables import manifest, read_tables, tables_folder
from galcen.stages import galaxy_model


@pytest.fixture
def site_copy(tmp_path):
    """A site-wide copy of the tables, as links."""
    for entry in manifest()["files"].values():
        path = tmp_path / "tables" / entry["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(tables_folder() / entry["path"])
    return tmp_path / "tables"


def test_a_site_copy_is_read(site_copy):
    """A complete copy serves as well as the package."""
    tables, digests = read_tables(site_copy)
    assert len(digests) == 13
    assert tables.reddening.mean.shape == (760, 580)


def test_a_changed_table_is_refused_and_nothing_is_written(site_copy, tmp_path):
    """One digit changed: the file, both checksums and the remedy are named."""
    path = site_copy / "Rotcurve_BG16.dat"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace("26.16822", "26.16823"))
    with pytest.raises(ResourceError, match=r"Rotcurve_BG16.dat is damaged .* expected c639517b"):
        galaxy_model.run(tmp_path / "out/model.h5", Tables(path=str(site_copy)), Galaxy(), Extinction())
    assert not (tmp_path / "out").exists()


def test_a_missing_table_is_named(site_copy):
    """The path and what to install."""
    (site_copy / "NSD_moments.dat").unlink()
    with pytest.raises(ResourceError, match=r"NSD_moments.dat is missing; install genulens"):
        read_tables(site_copy)


def test_a_missing_folder_is_named(tmp_path):
    """The key to change."""
    with pytest.raises(ResourceError, match=r"tables.path: no folder"):
        read_tables(tmp_path / "nowhere")


def test_a_truncated_model_is_refused(tmp_path):
    """Cut in half: the file and what to do are named."""
    galaxy_model.run(tmp_path / "model.h5", Tables(), Galaxy(), Extinction())
    content = (tmp_path / "model.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(SchemaError, match=r"half.h5: no HDF5 file, or a truncated one"):
        galaxy_model.load_galaxy(tmp_path / "half.h5")
    shutil.copy(tmp_path / "model.h5", tmp_path / "copy.h5")
    assert galaxy_model.load_galaxy(tmp_path / "copy.h5").law == "WC19"
