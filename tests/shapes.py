"""The type checker behind the shape annotations: beartype, to which an int is a float too."""

import beartype

typechecker = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
