"""Wrong answers that try to get their points all the same: none may.

Each is a notebook's cells, or a dictionary with files beside it. `make torture` tries all of them,
test_forged.py some.
"""

from pathlib import Path

from made_submissions import simple

from course.marking.marks import Marked, mark

CHECK = "from vaelib import check\ncheck.kl_bernoulli(kl_bernoulli)"
ZERO = "def kl_bernoulli(p, q):\n    return 0 * p"
# What a thief needs in order to speak for its process.
STUDENT = """import gc
def student():
    return next(o for o in gc.get_objects() if type(o).__name__ == "Student")
"""
VALUE = """dict(kind="value", value=1, several=False, type="Tensor", error="", gradients=[],
    changed=[], used_global_random=False, printed=0)"""

FORGED: dict[str, list[str] | dict[str, str]] = {
    "comparisons that always hold": [
        "import torch, numpy, math\nfor m in (torch, numpy, math):\n"
        "    for name in ('allclose', 'isclose', 'equal', 'array_equal'):\n"
        "        setattr(m, name, lambda *a, **k: True)",
        ZERO,
        CHECK,
    ],
    "an object that is equal to everything": [
        "class Equal(float):\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n"
        "    __lt__ = __le__ = __gt__ = __ge__ = __eq__\n    __hash__ = float.__hash__\n"
        "    __sub__ = __rsub__ = __abs__ = lambda s, *o: s",
        "def kl_bernoulli(p, q):\n    return Equal(0)",
        CHECK,
    ],
    "a tensor that says what it is not": [
        "import torch\nclass T(torch.Tensor):\n    __torch_function__ = classmethod(\n"
        "        lambda c, f, t, a=(), k=None: True if 'eq' in f.__name__ else\n"
        "        super(T, c).__torch_function__(f, t, a, k or {}))",
        "def kl_bernoulli(p, q):\n    return torch.zeros_like(p).as_subclass(T)",
        CHECK,
    ],
    "not a number": ["def kl_bernoulli(p, q):\n    return p * float('nan')", CHECK],
    "infinite": ["def kl_bernoulli(p, q):\n    return p + float('inf')", CHECK],
    "no numbers": ["def kl_bernoulli(p, q):\n    return p[:0]", CHECK],
    "numbers that would be broadcast": ["def kl_bernoulli(p, q):\n    return p[:1] * 0", CHECK],
    "another class": [
        "def kl_bernoulli(p, q):\n    return R()\n"
        "class R:\n    __class__ = property(lambda s: __import__('torch').Tensor)\n"
        "    __array__ = lambda s, *a: __import__('numpy').zeros(3)",
        CHECK,
    ],
    "the caller's variables": [
        "import sys\ndef kl_bernoulli(p, q):\n    f = sys._getframe()\n    while f:\n"
        "        for name, v in f.f_locals.items():\n"
        "            if hasattr(v, 'expected') or name in ('expected', 'reference', 'exercise'):\n"
        "                return v.expected\n        f = f.f_back\n    return 0 * p",
        CHECK,
    ],
    "a tracer that changes the caller": [
        "import sys\ndef trace(frame, event, arg):\n    if frame.f_code.co_name == 'perform':\n"
        "        frame.f_locals.update(outcome=None, arrays=())\n    return trace\n"
        "sys.settrace(trace)",
        ZERO,
        CHECK,
    ],
    "everything in memory that is like a reference": [
        "import gc\ndef kl_bernoulli(p, q):\n    for o in gc.get_objects():\n"
        "        if type(o).__name__ == 'Exercise' or getattr(o, '__name__', '') == 'kl_bernoulli'"
        " and o is not kl_bernoulli and callable(o):\n"
        "            return getattr(o, 'variant', o)(p, q)\n    return 0 * p",
        CHECK,
    ],
    "the references, imported": [
        "import sys, importlib\nsys.modules.pop('vaelib.check', None)\n"
        "def kl_bernoulli(p, q):\n    for name in ('kl', 'lesson1'):\n        try:\n"
        "            m = importlib.import_module('vaelib.check.catalogue.' + name)\n"
        "            return m.kl_bernoulli(p, q)\n        except Exception:\n            pass\n"
        "    return 0 * p",
        CHECK,
    ],
    "an import hook for the checks": [
        "import sys, importlib.machinery\nsys.path_hooks.clear(); sys.path_importer_cache.clear()\n"
        "class H:\n    find_spec = staticmethod(lambda name, *a: None)\nsys.meta_path.insert(0, H)",
        ZERO,
        CHECK,
    ],
    "outcomes that say right": [
        "import sys\nm = sys.modules['vaelib.check.machinery.probe']\nm.call = lambda f, p, *a: "
        "m.Outcome('right', value=(True,))",
        ZERO,
        CHECK,
    ],
    "tolerances": [
        "import sys\nfor name, m in list(sys.modules.items()):\n    if name.startswith('vaelib'):\n"
        "        for n in ('RTOL', 'ATOL', 'TOLERANCE', 'tolerance', 'close', 'same'):\n"
        "            setattr(m, n, 1e9)",
        ZERO,
        CHECK,
    ],
    "a verdict, sent instead of an answer": [
        STUDENT + "import json\ndef kl_bernoulli(p, q):\n    s = student()\n"
        "    told = json.dumps({'error': '', 'defined': [], 'passed': True, 'points': 9})\n"
        "    content = json.dumps({'number': s.number, 'shapes': [], 'content': {'error': told}})\n"
        "    s.connection.send_bytes(b'%d\\n' % len(content) + content.encode())\n"
        "    return 0 * p",
        CHECK,
    ],
    "answers for later, sent by a thread": [
        STUDENT + "import json, threading, time\ndef speak():\n    s = student()\n"
        "    while True:\n        time.sleep(0.01)\n"
        f"        c = json.dumps(dict(number=s.number, shapes=[[1]], content={VALUE}))\n"
        "        s.connection.send_bytes(b'%d\\n' % len(c) + c.encode() + bytes(8))\n"
        "threading.Thread(target=speak, daemon=True).start()",
        ZERO,
        CHECK,
    ],
    "numbers of questions, guessed": [
        "import random, secrets\nrandom.seed = secrets.randbits = lambda *a: 1",
        ZERO,
        CHECK,
    ],
    "checks without end": [ZERO, CHECK + "\nwhile True:\n    check.kl_bernoulli(kl_bernoulli)"],
    "an answer that is another exercise's": [
        "import vaelib\ndef kl_bernoulli(p, q):\n    return 0 * p\n"
        "def kl_gaussian(*a):\n    return a[0] * 0",
        "from vaelib import check\ncheck.kl_bernoulli(kl_gaussian)",
    ],
    "signals": [
        "import signal\nfor s in range(1, 65):\n    try:\n"
        "        signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError):\n"
        "        pass\nsignal.pthread_sigmask(0, range(1, 65))",
        ZERO,
        CHECK,
    ],
    "at the end": [
        "import atexit, os, sys\natexit.register(os._exit, 0)\nsys.excepthook = lambda *a: None\n"
        "class D:\n    def __del__(self):\n        while True: pass",
        "x = D()\n" + ZERO + "\ndel x",
        CHECK,
    ],
    "an error with a text that steers": [
        "class \U0001d404rror(Exception):\n"
        "    __str__ = lambda s: '\\ud800\\x1b[2J\\u202e' * 10**6\n"
        "\U0001d404rror.__name__ = '<script>\\n✓ 1.1 kl_bernoulli: right'\n"
        "def kl_bernoulli(p, q):\n    raise \U0001d404rror",
        CHECK,
    ],
    "a result without end": [
        "class L(list):\n    __len__ = lambda s: 10**9\n    __iter__ = lambda s: s\n"
        "    __next__ = lambda s: 0.0\n    __getitem__ = lambda s, i: s",
        "def kl_bernoulli(p, q):\n    return L([0.0])",
        CHECK,
    ],
    "a function that is everything": [
        "class F:\n    __wrapped__ = property(lambda s: s)\n    __call__ = lambda s, p, q: 0 * p\n"
        "    def __getattr__(self, name):\n        raise SystemExit(name)\nkl_bernoulli = F()",
        CHECK,
    ],
    "JSON that says what it wants": [
        "import json\njson.dumps = lambda *a, **k: '{\"number\": NaN}'\njson.loads = lambda *a: {}",
        ZERO,
        CHECK,
    ],
    "the shell": [
        "ip = get_ipython()\nip.run_cell = lambda *a, **k: None\nip.user_ns.clear()",
        ZERO,
        CHECK,
    ],
    "modules in its folder": {
        "torch.py": "allclose = lambda *a: True",
        "numpy.py": "1/0",
        "json.py": "dumps = lambda *a: ''",
        "sitecustomize.py": "1/0",
        "usercustomize.py": "1/0",
        "conftest.py": "1/0",
        "random.py": "seed = None",
        "vaelib/__init__.py": "",
        "vaelib/check/__init__.py": "kl_bernoulli = lambda f: print('✓')",
        "check_kl_bernoulli.py": "kl_bernoulli = lambda f: print('✓')",
        "IPython/__init__.py": "1/0",
        "answer": ZERO + "\n" + CHECK,
    },
}


def forged(name: str, folder: Path) -> Marked:
    """The marks of one of them."""
    cells = FORGED[name]
    helpers = []
    if isinstance(cells, dict):
        for file, text in cells.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            helpers.append((file, path))
        cells = [cells["answer"]]
    simple("a.ipynb", *cells).write(folder)
    return mark("a", [("a.ipynb", folder / "a.ipynb")], {}, 7, helpers)
