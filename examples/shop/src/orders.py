"""Two functions behind an HTTP API: what an item costs, and taking an order."""

import json
import os
from typing import Any

PRICES = {"tea": 320, "cake": 450}
"""In cents."""


def price(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `GET /prices/tea`."""
    item = event["pathParameters"]["item"]
    if item not in PRICES:
        return _json(404, {"error": f"there is no {item}"})
    return _json(200, {"item": item, "price": PRICES[item]})


def take(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `POST /orders` with the total, and queue the order where there is a queue."""
    try:
        order = json.loads(event.get("body") or "{}")
        total = sum(PRICES[item] * int(count) for item, count in order.items())
    except (ValueError, KeyError, AttributeError):
        return _json(400, {"error": "an order is an object of items that there are, and how many of each"})
    queued = _queue(order)
    print("took an order", json.dumps({"total": total, "queued": queued}))
    return _json(202, {"total": total, "queued": queued})


def _queue(order: dict[str, int]) -> bool:
    queue = os.environ.get("QUEUE")
    if not queue:  # under `sst start`, before the first deploy
        return False
    import boto3

    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(order))
    return True


def _json(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
