"""`python -m local.load`: orders at a fixed rate, and what became of each of them."""
