"""The contestants' workers: programs that render previews, with a line of JSON per request and answer."""
