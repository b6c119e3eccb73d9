"""Small files that cost their decoder far more than their pixels suggest, written from each format's grammar."""
