"""Polishing: previews that somebody waited for are rendered once more where nobody waits, in fewer bytes."""
