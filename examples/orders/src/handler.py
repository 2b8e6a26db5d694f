"""An AWS Lambda function behind an HTTP API: what an order costs."""

import json
from typing import Any

PRICES = {"tea": 320, "cake": 450}
"""In cents."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `POST {"tea": 2}` with the total in cents; 400 for what is no order, or not on the list."""
    try:
        order = json.loads(event.get("body") or "{}")
    except ValueError:
        return _bad("not JSON")
    if not isinstance(order, dict) or not all(type(count) is int and count > 0 for count in order.values()):
        return _bad("an order is an object of items and how many of each")
    unknown = sorted(order.keys() - PRICES.keys())
    if unknown:
        return _bad(f"not on the list: {', '.join(unknown)}")
    total = sum(PRICES[item] * count for item, count in order.items())
    return {"statusCode": 200, "body": json.dumps({"total": total})}


def _bad(error: str) -> dict[str, Any]:
    return {"statusCode": 400, "body": json.dumps({"error": error})}
