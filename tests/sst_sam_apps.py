"""The SAM app that the tests deploy."""

from pathlib import Path

from sst_core.testing import Machine

TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      CodeUri: src/
      Handler: handler.handler
      Environment:
        Variables:
          TABLE: !Ref Table
      Events:
        Post:
          Type: HttpApi
          Properties: {Path: /orders, Method: post}
  Table:
    Type: AWS::Serverless::SimpleTable
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  Queue:
    Value: !GetAtt Queue.QueueName
"""


def name(app: Machine) -> str:
    """What the app of this test is called."""
    return (app.folder / "sst.toml").read_text().split('"')[1]


def write(path: Path, text: str) -> Path:
    """As git would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path
