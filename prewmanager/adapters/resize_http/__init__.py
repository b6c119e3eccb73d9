"""The resize function behind plain HTTP: what is sent, and the resizer that asks for it."""
