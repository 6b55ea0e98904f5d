"""The labs by axe-core's rules, each in one look; all in all looks: tests/torture/test_axe.py."""

import pytest
from axe import violations
from lab_states import LABS
from labs_page import show

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    "kind, look", [*zip(LABS, ["light", "dark", "forced", "dark", "light"], strict=True)]
)
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
