"""The door to EC2: machines tagged with site and node, started by boto3."""

from __future__ import annotations

import base64


class EC2:
    """
    Machines at EC2, or at anything that speaks its API.

    `config` holds `site`, `image`, `machine`, `subnet`, `region`, and `user_data` in which `{node}` is the node's name.
    Credentials come from boto3's usual places (an instance role, in production), never from this file.
    """

    def __init__(self, config: dict) -> None:
        import boto3

        self.config = config
        self.client = boto3.client("ec2", region_name=config["region"], endpoint_url=config.get("endpoint") or None)

    def run(self, node: str, token: str = "") -> str:
        """Start a machine for a node; the same token never starts a second one. Returns its id."""
        tags = [{"Key": key, "Value": value} for key, value in self._tags(node).items()]
        extra = {"SubnetId": self.config["subnet"]} if self.config.get("subnet") else {}
        if token:
            extra["ClientToken"] = token
        answer = self.client.run_instances(
            ImageId=self.config["image"],
            InstanceType=self.config["machine"],
            MinCount=1,
            MaxCount=1,
            UserData=self.config.get("user_data", "").replace("{node}", node),
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            InstanceInitiatedShutdownBehavior="terminate",
            **extra,
        )
        return answer["Instances"][0]["InstanceId"]

    def terminate(self, instances: list[str]) -> None:
        """End machines; unknown ones are no trouble."""
        for instance in instances:
            try:
                self.client.terminate_instances(InstanceIds=[instance])
            except self.client.exceptions.ClientError as error:
                if "InvalidInstanceID" not in str(error):
                    raise

    def instances(self) -> list[dict]:
        """Every machine that carries this site's tag and is not ending: instance, node, when it was started, its address."""
        pages = self.client.get_paginator("describe_instances").paginate(
            Filters=[
                {"Name": "tag:commons-site", "Values": [self.config["site"]]},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
        found = []
        for page in pages:
            for machine in (m for r in page["Reservations"] for m in r["Instances"]):
                tags = {tag["Key"]: tag["Value"] for tag in machine.get("Tags", [])}
                found.append(
                    {
                        "instance": machine["InstanceId"],
                        "node": tags.get("commons-node", ""),
                        "started": machine["LaunchTime"].timestamp(),
                        "address": machine.get("PrivateIpAddress", ""),
                    }
                )
        return found

    def user_data_of(self, instance: str) -> str:
        """What a machine was told at its start."""
        answer = self.client.describe_instance_attribute(InstanceId=instance, Attribute="userData")
        return base64.b64decode(answer["UserData"]["Value"]).decode()

    def _tags(self, node: str) -> dict[str, str]:
        return {"Name": f"{self.config['site']}-{node}", "commons-site": self.config["site"], "commons-node": node}
