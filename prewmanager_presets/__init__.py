"""A preset's fields, defined once: the service, the resize function and the edge function share this package.

It imports the standard library alone. `fields` has the definitions, `kinds` what values a field may have.
"""

from prewmanager_presets.fields import CONTENT_POSITIONS, MAX_SIDE, Preset, Spec
from prewmanager_presets.kinds import MAX_COMPANIONS, Field, PresetError, definitions

__all__ = [
    "CONTENT_POSITIONS",
    "MAX_COMPANIONS",
    "MAX_SIDE",
    "Field",
    "Preset",
    "PresetError",
    "Spec",
    "definitions",
]
