"""The function."""

import os


def handler(event, context):
    """Say which stage it is in."""
    return {"statusCode": 200, "body": os.environ["STAGE"]}
