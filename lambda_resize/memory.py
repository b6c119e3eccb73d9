"""The C library's memory, kept between two images instead of being given back and fetched again.

What an image needs is of the same size as what the last one gave back, some megabytes in pieces. Given back to the
kernel, each page of them has to be filled with zeros once more: 500 page faults for a photo of 6 megapixels, 4 % of its
time. glibc alone has these switches; where there is another C library, nothing is changed.
"""

from __future__ import annotations

import ctypes

# Of glibc's malloc.h, see mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

KEPT_BYTES = 32 * 2**20  # what may lie unused at a heap's end; also the highest MMAP_THRESHOLD that glibc accepts
# A heap for each thread, as is the default, keeps what libvips' many threads once used: 87 MB instead of 79.
HEAPS = 2


def keep_between_images() -> bool:
    """Set the C library up for the whole process; whether it has these switches. Single pieces above 32 MB still go."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = {_M_ARENA_MAX: HEAPS, _M_MMAP_THRESHOLD: KEPT_BYTES, _M_TRIM_THRESHOLD: KEPT_BYTES}
    return all(mallopt(switch, value) for switch, value in settings.items())
