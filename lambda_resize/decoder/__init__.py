"""A decoder: processes that get a photo's bytes by a Unix socket and return its previews.

They need no network, no file and no secret, so a photo that takes one over has nothing but photos. Neither side trusts
the other: `messages` checks what either says.
"""
