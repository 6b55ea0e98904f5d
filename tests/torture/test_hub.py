"""What a hub is told: JupyterHub knows each setting, and takes its value."""

import json

from front_ends import ROOT, installed, run

CONFIG = ROOT / "course" / "hub" / "jupyterhub_config.py"
# In JupyterHub's own Python: each class by its name, its settings, and one made of them.
CODE = """
import json, sys
from jupyterhub.app import JupyterHub
from traitlets.config.loader import PyFileConfigLoader
config = PyFileConfigLoader(sys.argv[1]).load_config()
found = {}
for kind in JupyterHub().classes:
    if kind.__name__ in config:
        made = kind(config=config)
        for name in config[kind.__name__]:
            known = kind.class_traits(config=True)
            found[f"{kind.__name__}.{name}"] = repr(getattr(made, name)) if name in known else None
print(json.dumps([{k: [*v] for k, v in config.items()}, found]))
"""


def test_jupyterhub_takes_every_setting(tmp_path, record_property):
    python = installed(tmp_path / "environment", ["jupyterhub"])
    said = run(python, "-W", "error::UserWarning", "-c", CODE, str(CONFIG))
    told, found = json.loads(said.splitlines()[-1])
    record_property("cases", len(found))
    assert {f"{kind}.{name}" for kind, names in told.items() for name in names} == set(found)
    assert None not in found.values()
    assert found["Spawner.mem_limit"] == str(2 * 2**30)
    assert "OMP_NUM_THREADS" in found["Spawner.environment"]
