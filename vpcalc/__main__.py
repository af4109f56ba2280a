"""``python -m vpcalc`` is ``vpcalc``."""

from .cli.app import main

main()
