"""docs/bad_values.md says what the table of bounds says."""

from bad_values_page import PAGE, page


def test_the_page_is_that_of_the_bounds():
    """Run `.venv/bin/python tests/bad_values_page.py` after a change of the bounds."""
    assert PAGE.read_text() == page()
