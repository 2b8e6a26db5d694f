"""A Typer program of somebody else's making that adopts the core."""

from typing import assert_type

import typer

from sst_core import Adopted, AdoptionError, Product, adopt

app = typer.Typer()

try:
    main = adopt(app, "acme", version="1.2.3", collector="https://telemetry.acme.example/events")
except AdoptionError as error:
    raise SystemExit(str(error)) from None
assert_type(main, Adopted)
assert_type(main.product, Product)
main()
main(["build"], prog_name="acme", standalone_mode=False)

adopt(app)  # E: call-arg reportCallIssue
adopt("acme", "acme")  # E: arg-type reportArgumentType
adopt(app, "acme", "1.2.3")  # E: call-arg reportCallIssue
main.product = None  # E: assignment reportAttributeAccessIssue
print(main.telemetry)  # E: attr-defined reportAttributeAccessIssue
