# SPDX-License-Identifier: Apache-2.0
"""Every waiter and every paginator of boto3 whose operation is served, found in
boto3's own models: one that is missing here fails."""
import os
import unittest

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from network import ec2, tags, wait


# A client that sends whatever it is given.
careless = boto3.client("ec2", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=Config(parameter_validation=False))


def served(operation):
    """Whether the server knows an operation, which it says before anything else
    that is wrong with a call."""
    try:
        getattr(careless, xform_name(operation))()
    except ClientError as error:
        return error.response["Error"]["Code"] not in ("UnsupportedOperation", "InvalidAction")
    return True


def lasting(things):
    """Without the service's own tags, which say what is in force by now."""
    return [{**thing, "TagSet": [t for t in thing["TagSet"] if not t["Key"].startswith("aws:")]}
            if isinstance(thing, dict) and "TagSet" in thing else thing for thing in things]


class Everything(unittest.TestCase):
    """Six of everything, so that no listing with pages of five has one page."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.sweep)
        cls.blocks = iter("10.%d" % n for n in range(200, 256))
        cls.vpcs = [ec2.create_vpc(CidrBlock=next(cls.blocks) + ".0.0/16", TagSpecifications=tags("vpc", n=str(n)))["Vpc"] for n in range(7)]
        cls.vpc, cls.far = cls.vpcs[0]["VpcId"], cls.vpcs[1]["VpcId"]
        base = cls.vpcs[0]["CidrBlock"].rsplit(".", 2)[0]
        cls.subnets = [ec2.create_subnet(VpcId=cls.vpc, CidrBlock="%s.%d.0/24" % (base, n))["Subnet"]["SubnetId"] for n in range(6)]
        cls.list = ec2.create_managed_prefix_list(
            PrefixListName="six", AddressFamily="IPv4", MaxEntries=6,
            Entries=[{"Cidr": "10.%d.0.0/16" % n} for n in range(6)])["PrefixList"]["PrefixListId"]
        for n in range(5):
            ec2.create_managed_prefix_list(PrefixListName="more-%d" % n, AddressFamily="IPv4", MaxEntries=1)
        cls.peerings = [cls.peer(cls.vpc, v["VpcId"]) for v in cls.vpcs[1:]]
        theirs = ec2.create_security_group(GroupName="far", Description="x", VpcId=cls.far)["GroupId"]
        cls.groups = []
        for n in range(6):
            g = ec2.create_security_group(GroupName="g%d" % n, Description="x", VpcId=cls.vpc)["GroupId"]
            ec2.authorize_security_group_ingress(GroupId=g, IpPermissions=[
                {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": theirs}], "PrefixListIds": [{"PrefixListId": cls.list}]}])
            cls.groups.append(g)
            if hasattr(ec2, "associate_security_group_vpc"):
                ec2.associate_security_group_vpc(GroupId=g, VpcId=cls.vpcs[2]["VpcId"])
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=cls.peerings[0])  # makes the six stale
        cls.instances = [ec2.run_instances(
            ImageId="ami-netns", InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=cls.subnets[0])["Instances"][0]["InstanceId"]
            for _ in range(6)]  # pages do not split what one call made
        cls.templates = [ec2.create_launch_template(
            LaunchTemplateName="six-%d" % n, LaunchTemplateData={"ImageId": "ami-netns"})["LaunchTemplate"]["LaunchTemplateId"] for n in range(6)]
        for _ in range(5):
            ec2.create_launch_template_version(LaunchTemplateId=cls.templates[0], LaunchTemplateData={"ImageId": "ami-netns"})
        cls.gateways = [ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"] for _ in range(6)]
        cls.addresses = [ec2.allocate_address(Domain="vpc")["AllocationId"]]
        wait("instance_running", InstanceIds=cls.instances)

    @classmethod
    def peer(cls, one, other):
        peering = ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=other)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        return peering

    @classmethod
    def sweep(cls):
        """What outlives its VPC. VPCs stay: the server is for these tests alone."""
        ec2.terminate_instances(InstanceIds=cls.instances)
        wait("instance_terminated", InstanceIds=cls.instances)
        for template in cls.templates:
            ec2.delete_launch_template(LaunchTemplateId=template)
        for gateway in cls.gateways:
            ec2.delete_internet_gateway(InternetGatewayId=gateway)
        for address in cls.addresses:
            ec2.release_address(AllocationId=address)

    # Parameters of operations that cannot be called without.
    def needs(self, operation):
        return {
            "DescribeAddressesAttribute": {"Attribute": "domain-name"},
            "DescribeLaunchTemplateVersions": {"LaunchTemplateId": self.templates[0]},
            "DescribeStaleSecurityGroups": {"VpcId": self.vpc},
            "GetManagedPrefixListAssociations": {"PrefixListId": self.list},
            "GetManagedPrefixListEntries": {"PrefixListId": self.list},
            "GetSecurityGroupsForVpc": {"VpcId": self.vpc},
        }.get(operation, {})

    # Operations that have fewer than six to show, whatever is made.
    FEW = {"DescribeDhcpOptions", "DescribeImages", "DescribeInstanceTypeOfferings", "DescribePrefixLists", "DescribeVolumes",
           "DescribeVpcClassicLinkDnsSupport", "DescribeAddressesAttribute", "DescribeInstanceCreditSpecifications",
           "DescribeNatGateways", "DescribeVpcEndpoints", "DescribeVpcEndpointServices"}

    def test_paginators(self):
        tried = []
        for operation in ec2.meta.service_model.operation_names:
            method = xform_name(operation)
            if not ec2.can_paginate(method) or not served(operation):
                continue
            with self.subTest(operation):
                parameters = self.needs(operation)
                key = ec2.get_paginator(method)._pagination_cfg["result_key"]
                if isinstance(key, list):  # the same things twice, as names and in full
                    key = key[-1]
                whole = lasting(getattr(ec2, method)(**parameters)[key])
                pages = list(ec2.get_paginator(method).paginate(PaginationConfig={"PageSize": 5}, **parameters))
                self.assertEqual(lasting([i for p in pages for i in p[key]]), whole)
                if operation not in self.FEW:
                    self.assertGreater(len(pages), 1)
                    # A token outlives the process that gave it: ask again where the first page ended.
                    resumed = ec2.get_paginator(method).paginate(PaginationConfig={"PageSize": 5, "MaxItems": 5}, **parameters).build_full_result()
                    rest = ec2.get_paginator(method).paginate(PaginationConfig={"StartingToken": resumed["NextToken"]}, **parameters).build_full_result()
                    self.assertEqual(lasting(resumed[key] + rest[key]), whole)
            tried.append(operation)
        self.assertGreater(len(tried), 20, tried)

    def hopeless(self, waiter, why, **parameters):
        """A waiter for something that cannot be: it asks until it gives up."""
        with self.assertRaises(WaiterError) as caught:
            ec2.get_waiter(waiter).wait(WaiterConfig={"Delay": 0, "MaxAttempts": 2}, **parameters)
        self.assertIn(why, str(caught.exception))

    def test_waiters(self):
        eni = ec2.create_network_interface(SubnetId=self.subnets[1])["NetworkInterface"]["NetworkInterfaceId"]
        self.addCleanup(ec2.delete_network_interface, NetworkInterfaceId=eni)
        one = self.instances[:1]
        association = {"Filters": [{"Name": "group-id", "Values": self.groups[:1]}]}
        ec2.attach_internet_gateway(InternetGatewayId=self.gateways[0], VpcId=self.vpc)
        self.addCleanup(ec2.detach_internet_gateway, InternetGatewayId=self.gateways[0], VpcId=self.vpc)
        nat = [ec2.create_nat_gateway(SubnetId=self.subnets[2], AllocationId=self.addresses[0])["NatGateway"]["NatGatewayId"]]
        cases = {
            "nat_gateway_available": lambda w: wait(w, NatGatewayIds=nat),
            "nat_gateway_deleted": lambda w: (ec2.delete_nat_gateway(NatGatewayId=nat[0]), wait(w, NatGatewayIds=nat)),
            "image_available": lambda w: wait(w, ImageIds=["ami-netns"]),
            "image_exists": lambda w: wait(w, ImageIds=["ami-netns"]),
            "instance_exists": lambda w: wait(w, InstanceIds=one),
            "instance_running": lambda w: wait(w, InstanceIds=one),
            "instance_status_ok": lambda w: wait(w, InstanceIds=one),
            "system_status_ok": lambda w: wait(w, InstanceIds=one),
            "instance_stopped": lambda w: (ec2.stop_instances(InstanceIds=one), wait(w, InstanceIds=one)),
            "instance_terminated": lambda w: (ec2.terminate_instances(InstanceIds=one), wait(w, InstanceIds=one)),
            "internet_gateway_exists": lambda w: wait(w, InternetGatewayIds=self.gateways),
            "network_interface_available": lambda w: wait(w, NetworkInterfaceIds=[eni]),
            "security_group_exists": lambda w: wait(w, GroupIds=self.groups),
            "security_group_vpc_association_associated": lambda w: wait(w, **association),
            "security_group_vpc_association_disassociated": lambda w: (
                ec2.disassociate_security_group_vpc(GroupId=self.groups[0], VpcId=self.vpcs[2]["VpcId"]), wait(w, **association)),
            "subnet_available": lambda w: wait(w, SubnetIds=self.subnets),
            "vpc_available": lambda w: wait(w, VpcIds=[self.vpc, self.far]),
            "vpc_exists": lambda w: wait(w, VpcIds=[self.vpc]),
            "vpc_peering_connection_exists": lambda w: wait(w, VpcPeeringConnectionIds=self.peerings[1:]),
            "vpc_peering_connection_deleted": lambda w: wait(w, VpcPeeringConnectionIds=self.peerings[:1]),
            "volume_deleted": lambda w: wait(w, VolumeIds=["vol-0123456789abcdef0"]),
            # There are no volumes and no key pairs.
            "volume_available": lambda w: self.hopeless(w, "InvalidVolume.NotFound", VolumeIds=["vol-0123456789abcdef0"]),
            "volume_in_use": lambda w: self.hopeless(w, "InvalidVolume.NotFound", VolumeIds=["vol-0123456789abcdef0"]),
            "key_pair_exists": lambda w: self.hopeless(w, "InvalidKeyPair.NotFound", KeyNames=["mine"]),
        }
        model = ec2._get_waiter_config()["waiters"]
        there = {xform_name(name): waiter["operation"] for name, waiter in model.items() if served(waiter["operation"])}
        self.assertEqual(sorted(set(there) - set(cases)), [], "waiters without a case")
        for name, case in cases.items():  # in this order: the last ones take things away
            if name in there:
                with self.subTest(name):
                    case(name)


if __name__ == "__main__":
    unittest.main()
