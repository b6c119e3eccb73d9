"""A preset's fields, defined once: the service, the resize function and the edge function share this package.

It imports only the standard library. `fields` has the definitions, `kinds` the kinds of values,
`efforts` what the dial of efforts means.
"""

from prewmanager_presets.efforts import Effort
from prewmanager_presets.fields import CONTENT_POSITIONS, MAX_SIDE, Preset, Spec
from prewmanager_presets.kinds import MAX_COMPANIONS, Field, PresetError, definitions

__all__ = [
    "CONTENT_POSITIONS",
    "MAX_COMPANIONS",
    "MAX_SIDE",
    "Effort",
    "Field",
    "Preset",
    "PresetError",
    "Spec",
    "definitions",
]
