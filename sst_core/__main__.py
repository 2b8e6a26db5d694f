"""`python -m sst_core` is `sst`."""

from sst_core.sst import main

main()
