"""HTTP: previews, problems, health, metrics, the contact sheet."""
