"""Python with the project as it is installed: what is run in a checkout would import the checkout, but for `-P`."""

import sys

PYTHON = (sys.executable, "-P")
