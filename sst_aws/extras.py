"""What to tell a user who has not installed what a provider needs."""


def how_to_get(*extras: str) -> str:
    """How to get what any of these extras of ours brings: `how_to_get("sam", "cdk")`."""
    behind = " or ".join(f"[{extra}]" for extra in extras)
    return f"Get it with the extra {' or '.join(extras)}: install sst as you did, with {behind} behind it."
