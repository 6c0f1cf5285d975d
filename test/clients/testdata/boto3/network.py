# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: a client, and VPCs that go away again."""
import contextlib
import itertools
import os
import unittest

import boto3
from botocore.exceptions import ClientError

# Older releases do not read endpoint_url from a profile; all take it here.
ec2 = boto3.client("ec2", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
quick = {"Delay": 1, "MaxAttempts": 60}
number = itertools.count(1)


def tags(kind, **values):
    return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in values.items()]}]


def wait(waiter, **parameters):
    ec2.get_waiter(waiter).wait(WaiterConfig=quick, **parameters)


class Network(unittest.TestCase):
    """A test with a VPC and a subnet of its own. Whatever is in the VPC at the
    end has to go without complaint."""

    def setUp(self):
        block = "10.%d" % (100 + next(number))
        self.vpc = ec2.create_vpc(CidrBlock=block + ".0.0/16")["Vpc"]["VpcId"]
        wait("vpc_exists", VpcIds=[self.vpc])
        wait("vpc_available", VpcIds=[self.vpc])
        self.addCleanup(self.gone)
        self.subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock=block + ".1.0/24")["Subnet"]["SubnetId"]
        wait("subnet_available", SubnetIds=[self.subnet])
        self.inside = [{"Name": "vpc-id", "Values": [self.vpc]}]

    def group(self, name, **more):
        group = ec2.create_security_group(GroupName=name, Description="for boto3", VpcId=self.vpc, **more)["GroupId"]
        wait("security_group_exists", GroupIds=[group])
        return group

    @contextlib.contextmanager
    def refused(self, code, message=None):
        with self.assertRaises(ClientError) as caught:
            yield
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code)
        if message is not None:
            self.assertEqual(error["Message"], message)

    def gone(self):
        instances = [i["InstanceId"] for r in ec2.describe_instances(Filters=self.inside)["Reservations"]
                     for i in r["Instances"] if i["State"]["Name"] != "terminated"]
        if instances:
            ec2.terminate_instances(InstanceIds=instances)
            wait("instance_terminated", InstanceIds=instances)
        for eni in ec2.describe_network_interfaces(Filters=self.inside)["NetworkInterfaces"]:
            ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
        groups = [g for g in ec2.describe_security_groups(Filters=self.inside)["SecurityGroups"]
                  if g["GroupName"] != "default"]
        for g in groups:
            if g["IpPermissions"]:
                ec2.revoke_security_group_ingress(GroupId=g["GroupId"], IpPermissions=g["IpPermissions"])
            if g["IpPermissionsEgress"]:
                ec2.revoke_security_group_egress(GroupId=g["GroupId"], IpPermissions=g["IpPermissionsEgress"])
        for g in groups:
            ec2.delete_security_group(GroupId=g["GroupId"])
        ec2.delete_subnet(SubnetId=self.subnet)
        ec2.delete_vpc(VpcId=self.vpc)
        with self.refused("InvalidVpcID.NotFound"):
            ec2.describe_vpcs(VpcIds=[self.vpc])
