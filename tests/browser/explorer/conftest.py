"""The explorer of the shipped faces, saved once, and shown in a page of each test's own."""

import pytest
from explorer_page import save, show


@pytest.fixture(scope="session")
def face_explorer(tmp_path_factory, face_vae, faces):
    return save(tmp_path_factory.mktemp("faces"), face_vae, faces)


@pytest.fixture
def shown(page, face_explorer):
    return show(page, *face_explorer)
