"""A CDK app: a function behind an HTTP API, a table and a queue, apart in each stage.

The synthesizer is the one that needs no bootstrapped account: its bucket is the test's own.
"""

import os

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

app = cdk.App()
stage = app.node.get_context("stage")
stack = cdk.Stack(
    app,
    "Orders",
    stack_name=f"{os.environ['APP_NAME']}-{stage}",
    env=cdk.Environment(account="123456789012", region=os.environ["CDK_DEFAULT_REGION"]),
    synthesizer=cdk.CliCredentialsStackSynthesizer(file_assets_bucket_name="localhost-artifacts"),
)
table = dynamodb.Table(
    stack,
    "Table",
    partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
queue = sqs.Queue(stack, "Queue")
function = lambda_.Function(
    stack,
    "Function",
    runtime=lambda_.Runtime.PYTHON_3_11,
    handler="handler.handler",
    code=lambda_.Code.from_asset("src"),
    environment={"TABLE": table.table_name, "STAGE": stage},
)
api = http.CfnApi(stack, "Api", name="orders", protocol_type="HTTP")
integration = http.CfnIntegration(
    stack,
    "Integration",
    api_id=api.ref,
    integration_type="AWS_PROXY",
    integration_uri=function.function_arn,
    payload_format_version="2.0",
)
http.CfnRoute(stack, "Route", api_id=api.ref, route_key="POST /orders", target=f"integrations/{integration.ref}")
cdk.CfnOutput(stack, "QueueName", value=queue.queue_name)
app.synth()
