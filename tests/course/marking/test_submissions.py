"""Which submissions a folder holds."""

import os

import pytest

from course.marking.submissions import submissions


def test_the_folder_rule(tmp_path):
    def put(name: str, *functions: str, encoding: str = "utf-8") -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"def {function}(x):" for function in functions)
        (tmp_path / name).write_bytes(text.encode(encoding))

    put("ada.ipynb", "elbo")
    put("Ben.IPYNB", "elbo")
    put("cleo.ipynb.txt", "elbo")
    put("notes.pdf", "elbo")
    put(".hidden.ipynb", "elbo")
    put("__MACOSX/ada.ipynb", "elbo")
    put("dora/lesson 1.ipynb", "kl_bernoulli")
    put("dora/lesson 4.ipynb", "elbo", "gaussian_log_likelihood")
    put("dora/deep/lesson 6.ipynb", "gaussian_log_likelihood", "a", "b")
    put("dora/.ipynb_checkpoints/lesson 1-checkpoint.ipynb", "kl_bernoulli")
    put("group/emil/lesson.ipynb", "elbo", encoding="utf-16")
    put("group/fay/lesson.ipynb", "elbo")
    put("group/fay/other.ipynb", "traverse")
    put("group/gil.ipynb", "elbo")
    (tmp_path / "none").mkdir()
    if os.name == "posix":
        (tmp_path / "link.ipynb").symlink_to(tmp_path / "ada.ipynb")
        (tmp_path / "linked").symlink_to(tmp_path / "dora")
        os.mkfifo(tmp_path / "pipe.ipynb")
    names = ["kl_bernoulli", "elbo", "traverse", "a", "b"]
    found = submissions(tmp_path, names)
    assert {one.name: [name for name, _ in one.files] for one in found} == {
        "ada.ipynb": ["ada.ipynb"],
        "Ben.IPYNB": ["Ben.IPYNB"],
        "cleo.ipynb.txt": ["cleo.ipynb.txt"],
        "dora": ["deep/lesson 6.ipynb", "lesson 1.ipynb", "lesson 4.ipynb"],
        "group/emil": ["lesson.ipynb"],
        "group/fay": ["lesson.ipynb", "other.ipynb"],
        "group/gil.ipynb": ["gil.ipynb"],
        "none": [],
    }
    with pytest.raises(NotADirectoryError):
        submissions(tmp_path / "ada.ipynb", names)
