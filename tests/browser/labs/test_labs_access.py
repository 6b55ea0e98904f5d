"""The labs by axe-core's rules: light, dark, the reader's own colours, and in lecture mode."""

import pytest
from axe import violations
from lab_states import each_lab
from labs_page import show

pytestmark = pytest.mark.browser


@each_lab
@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_no_rule_is_broken(page, kind, look):
    page.emulate_media(
        color_scheme="dark" if look == "dark" else "light",
        forced_colors="active" if look == "forced" else "none",
    )
    show(page, kind, dark=look == "dark")
    assert violations(page, whole=False) == []
    if look != "forced":
        page.keyboard.press("l")
        page.keyboard.press("2")
        assert violations(page, whole=False) == []
