"""docs/bad_input.md lists the kinds and examples that tests/bad_input tries."""

import bad_input_page


def test_the_page_lists_what_is_tried():
    """Kinds, numbers of cases and examples on the page are those of the tables."""
    page = bad_input_page.PAGE.read_text()
    for kind, cases in bad_input_page.by_kind(bad_input_page.tables()).items():
        assert bad_input_page.head_of_row(kind, cases) in page


def test_every_case_has_its_own_name():
    """No two cases have the same kind and example."""
    names = [(case.kind, case.example) for case in bad_input_page.tables()]
    assert len(set(names)) == len(names)
