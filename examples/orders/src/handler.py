"""An AWS Lambda function behind an HTTP API: what an order costs."""

import json
from typing import Any

PRICES = {"tea": 320, "cake": 450}
"""In cents."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `POST {"tea": 2}` with the total in cents; 400 for what is not on the list."""
    order = json.loads(event.get("body") or "{}")
    unknown = sorted(order.keys() - PRICES.keys())
    if unknown:
        return {"statusCode": 400, "body": json.dumps({"error": f"not on the list: {', '.join(unknown)}"})}
    total = sum(PRICES[item] * count for item, count in order.items())
    return {"statusCode": 200, "body": json.dumps({"total": total})}
