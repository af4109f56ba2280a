"""vpcalc: what a neural architecture costs, and how we know."""

__version__ = "0.1.0"
