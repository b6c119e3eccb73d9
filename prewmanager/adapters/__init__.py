"""One technology each, behind the ports; third-party errors are translated here."""
