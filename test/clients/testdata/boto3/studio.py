# SPDX-License-Identifier: Apache-2.0
"""What the tests of fleets share: a client whose every answer is held against the
service model, and fleets that go away again."""
import json
import os
import time

import boto3
import botocore

from network import Network

IMAGE = "AppStream-WinServer2022-11-03-2025"
LINUX = "AppStream-AmazonLinux2-11-03-2025"
TYPE = "stream.standard.small"

# Of every JSON service, in no list of an operation (docs/spec/appstream.md section 2).
GENERIC = {"ValidationException", "AccessDeniedException", "SerializationException"}

appstream = boto3.client("appstream", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
# What an older model does not know yet is no mistake of an answer.
newest = tuple(int(n) for n in botocore.__version__.split(".")[:2]) >= (1, 40)
wrong = []  # answers that are not as the model says


def fits(value, shape, path):
    """Notes where a value of an answer is not of the shape."""
    kinds = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": (int, float),
             "structure": dict, "list": list, "map": dict}
    if not isinstance(value, kinds[shape.type_name]) or shape.type_name in ("integer", "long") and isinstance(value, bool):
        wrong.append("%s is no %s: %r" % (path, shape.type_name, value))
    elif shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                fits(member, shape.members[name], path + "." + name)
            else:
                wrong.append("%s has the unknown member %s" % (path, name))
        for name in shape.required_members:
            if name not in value:
                wrong.append("%s lacks %s" % (path, name))
    elif shape.type_name == "list":
        for n, member in enumerate(value):
            fits(member, shape.member, "%s[%d]" % (path, n))
    elif shape.type_name == "map":
        for name, member in value.items():
            fits(member, shape.value, path + "." + name)
    elif shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        wrong.append("%s is %r, which is none of %s" % (path, value, shape.enum))


def answered(http_response, model, **_):
    body = json.loads(http_response.content)
    if http_response.status_code == 200:
        if newest:
            fits(body, model.output_shape, model.name)
        return
    modelled = {s.name for s in model.error_shapes} | GENERIC
    if http_response.status_code != 400 or body.get("__type") not in modelled or not body.get("Message"):
        wrong.append("%s answers %d %r" % (model.name, http_response.status_code, body))


appstream.meta.events.register("after-call.appstream", answered)


class Studio(Network):
    """A test with fleets in its VPC. Everything that begins with its name goes."""

    def setUp(self):
        super().setUp()
        self.name = "%s-%d" % (self.id().rsplit(".", 1)[1].replace("_", "-"), os.getpid())
        self.addCleanup(self.remove)
        self.addCleanup(lambda: self.assertEqual(wrong, []))
        del wrong[:]

    def asked(self, name="", **more):
        return dict({"Name": self.name + name, "InstanceType": TYPE, "ImageName": IMAGE,
                     "ComputeCapacity": {"DesiredInstances": 1}, "VpcConfig": {"SubnetIds": [self.subnet]}}, **more)

    def fleet(self, name=""):
        return appstream.describe_fleets(Names=[self.name + name])["Fleets"][0]

    def mine(self, rows):
        return [r for r in rows if r["Name"].startswith(self.name)]

    def until(self, holds):
        for _ in range(600):
            if holds():
                return
            time.sleep(0.1)
        self.fail("it never becomes true")

    def started(self, name=""):
        appstream.start_fleet(Name=self.name + name)
        self.wait("fleet_started", "RUNNING", name)

    def stopped(self, name=""):
        appstream.stop_fleet(Name=self.name + name)
        self.wait("fleet_stopped", "STOPPED", name)

    def wait(self, waiter, state, name):
        # The waiters of old releases wait for ACTIVE and INACTIVE, which no fleet
        # ever is, here or at Amazon's.
        if newest:
            appstream.get_waiter(waiter).wait(Names=[self.name + name], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        self.until(lambda: self.fleet(name)["State"] == state)

    def remove(self):
        for stack in self.mine(appstream.describe_stacks()["Stacks"]):
            for fleet in appstream.list_associated_fleets(StackName=stack["Name"])["Names"]:
                for session in appstream.describe_sessions(StackName=stack["Name"], FleetName=fleet)["Sessions"]:
                    appstream.expire_session(SessionId=session["Id"])
                appstream.disassociate_fleet(FleetName=fleet, StackName=stack["Name"])
            appstream.delete_stack(Name=stack["Name"])
        for fleet in self.mine(appstream.describe_fleets()["Fleets"]):
            name = fleet["Name"][len(self.name):]
            self.stopped(name)
            appstream.delete_fleet(Name=fleet["Name"])
        for builder in self.mine(appstream.describe_image_builders()["ImageBuilders"]):
            state = lambda: [b["State"] for b in self.mine(appstream.describe_image_builders()["ImageBuilders"]) if b["Name"] == builder["Name"]]
            self.until(lambda: state()[0] in ("RUNNING", "STOPPED", "FAILED"))
            if state() == ["RUNNING"]:
                appstream.stop_image_builder(Name=builder["Name"])
            self.until(lambda: state()[0] in ("STOPPED", "FAILED"))
            appstream.delete_image_builder(Name=builder["Name"])
            self.until(lambda: not state())
