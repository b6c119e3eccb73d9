"""The grammar of SVG."""

from __future__ import annotations

from tests.fuzz.boxed import packed
from tests.fuzz.chance import Chance
from tests.lambda_resize.hostile.drawings import svg as drawing

_FILTERS = (
    '<feGaussianBlur stdDeviation="{}"/>', '<feMorphology operator="dilate" radius="{}"/>',
    '<feTurbulence baseFrequency=".5" numOctaves="{}"/>', '<feOffset dx="{}"/>',
    '<feConvolveMatrix order="9" kernelMatrix="' + "1 " * 81 + '" divisor="{}"/>',
    '<feDiffuseLighting surfaceScale="{}"><fePointLight x="1" y="1" z="9"/></feDiffuseLighting>',
)  # fmt: skip


def svg(chance: Chance) -> bytes:
    """Return a drawing: groups that use others, each drawn with filters, masks, patterns, and opacity."""
    defs = [f'<rect id="e0" width="{chance.number(1, 5000)}" height="{chance.number(1, 5000)}"/>']
    steps = "".join(chance.one(_FILTERS).format(chance.number(1, 5000)) for _ in range(chance.number(0, 40)))
    defs.append(f'<filter id="f" x="-1" y="-1" width="9" height="9">{steps}</filter>')
    levels = chance.number(1, 12)
    for level in range(1, levels + 1):
        style = chance.one(
            ("", ' opacity=".5"', ' filter="url(#f)"', f' mask="url(#e{level - 1}m)"', ' clip-path="url(#c)"')
        )
        uses = f'<use class="a{level}" xlink:href="#e{level - 1}" x="{chance.number(0, 50)}"/>' * chance.number(1, 30)
        defs += [f'<g id="e{level}"{style}>{uses}</g>', f'<mask id="e{level}m"><use xlink:href="#e{level}"/></mask>']
        defs.append(f'<pattern id="e{level}p" width=".01" height=".01"><use xlink:href="#e{level}"/></pattern>')
    named = "".join(
        f".a{each}{{{chance.one(('fill', 'mask', 'clip-path', 'marker', 'filter'))}:url(#e{each}{chance.one('mp')})}}"
        for each in range(1, levels + 1)
    )
    defs.append(f"<style>{named * chance.once_in(4)}</style>")
    paint = chance.one(("red", f"url(#e{levels}p)"))
    path = "M0 0" + "L9 900L900 9" * chance.number(1, 20_000)
    content = (
        f'<defs>{"".join(defs)}</defs><use xlink:href="#e{levels}"/><path stroke="{paint}" fill="{paint}" d="{path}"/>'
    )
    data = drawing(content, chance.number(1, 9_000))
    return packed(data) if chance.once_in(5) else data
