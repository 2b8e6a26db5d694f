"""What is deployed, asked of CloudFormation: a tool shows it to people, and machines are told by us."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from sst_aws.extras import how_to_get
from sst_core import Change, SstError, Stack, ToolNotFoundError


class Cloud:
    """CloudFormation in one region, as one profile; None leaves either to boto3: the environment, or AWS's files."""

    def __init__(self, region: str | None, profile: str | None) -> None:
        self._region, self._profile = region, profile

    def stack(self, name: str) -> Stack:
        """The stack with what it gives out. Raises :class:`SstError`."""
        with _in_words():
            found = self._described(name)
        return Stack(name, {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])})

    @property
    def region(self) -> str:
        """The region that is meant, by whatever says so; AWS's first where nothing does."""
        return self._region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    def resources(self, name: str) -> dict[str, str]:
        """What the deployed resources are called, by their logical ids; empty where there is no such stack.

        Raises :class:`SstError`.
        """
        with _in_words():
            if not self._is_deployed(name):
                return {}
            pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
            found = [each for page in pages for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}

    def resources_if_any(self, name: str) -> dict[str, str]:
        """As :meth:`resources`, and empty where nobody can be asked."""
        try:
            return self.resources(name)
        except SstError:
            return {}

    def template(self, name: str) -> dict[str, Any]:
        """The deployed template, as it was handed in; empty where there is no such stack. Raises :class:`SstError`."""
        with _in_words():
            if not self._is_deployed(name):
                return {}
            body: Any = self._client.get_template(StackName=name)["TemplateBody"]
        if isinstance(body, str):
            from sst_aws.templates import parsed

            return parsed(body.encode(), name)
        return dict(body)

    @contextmanager
    def only_looking(self, name: str) -> Iterator[Callable[[], Stack]]:
        """Meanwhile a tool makes a change set for the stack `name`; it is gone at the end, and so is a stack that was
        made to hold it. Gives what tells the stack with the changes. Raises :class:`SstError`.
        """
        with _in_words():
            before = self._change_sets(name)
            was_there = self._status(name) is not None
        try:
            yield lambda: Stack(name, {}, self._changes(name, before))
        finally:
            with _in_words():
                for made in self._change_sets(name) - before:
                    self._client.delete_change_set(StackName=name, ChangeSetName=made)
                if not was_there and self._status(name) == "REVIEW_IN_PROGRESS":
                    self._client.delete_stack(StackName=name)

    def _changes(self, name: str, before: set[str]) -> tuple[Change, ...]:
        with _in_words():
            found = [
                change["ResourceChange"]
                for made in self._change_sets(name) - before
                for page in self._client.get_paginator("describe_change_set").paginate(
                    StackName=name, ChangeSetName=made
                )
                for change in page.get("Changes", [])
            ]
        return tuple(Change(each["Action"], each["LogicalResourceId"], each["ResourceType"]) for each in found)

    def _change_sets(self, name: str) -> set[str]:
        from botocore.exceptions import ClientError

        try:
            pages = self._client.get_paginator("list_change_sets").paginate(StackName=name)
            return {each["ChangeSetId"] for page in pages for each in page["Summaries"] if each["StackName"] == name}
        except ClientError as error:
            if _is_missing(error):
                return set()
            raise

    def _is_deployed(self, name: str) -> bool:
        """One that is in review was made to hold a change set, and nothing else."""
        return self._status(name) not in (None, "REVIEW_IN_PROGRESS")

    def _status(self, name: str) -> str | None:
        from botocore.exceptions import ClientError

        try:
            return str(self._described(name)["StackStatus"])
        except ClientError as error:
            if _is_missing(error):
                return None
            raise

    def _described(self, name: str) -> Any:
        (found,) = self._client.describe_stacks(StackName=name)["Stacks"]
        return found

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.Session(region_name=self._region, profile_name=self._profile).client("cloudformation")


def _is_missing(error: Any) -> bool:
    found = error.response.get("Error", {})
    return found.get("Code") in ("ValidationError", "StackNotFound") and "does not exist" in found.get("Message", "")


@contextmanager
def _in_words() -> Iterator[None]:
    """AWS's errors as the user's, and that its library is missing. Raises :class:`SstError`."""
    try:
        import boto3  # noqa: F401
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        raise ToolNotFoundError(
            f"boto3 is not installed, with which a deployed stack is asked what it holds. {how_to_get('sam', 'cdk')}"
        ) from None
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise SstError(f"CloudFormation can't be asked: {error}") from None
