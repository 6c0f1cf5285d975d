# SPDX-License-Identifier: Apache-2.0
"""Interfaces and instances, by client and by boto3's resources, and the waiters
of docs/spec/ec2-api.md section 14.5."""
import os
import unittest

import boto3

from network import Network, ec2, tags, wait


class Interfaces(Network):
    def test_life(self):
        group = self.group("eni")
        eni = ec2.create_network_interface(SubnetId=self.subnet, Groups=[group], Description="boto3")["NetworkInterface"]["NetworkInterfaceId"]
        wait("network_interface_available", NetworkInterfaceIds=[eni])
        with self.refused("DependencyViolation", "resource %s has a dependent object" % group):
            ec2.delete_security_group(GroupId=group)
        other = self.group("other")
        ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[other, group])
        [shown] = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [other]}])["NetworkInterfaces"]
        self.assertEqual({g["GroupId"] for g in shown["Groups"]}, {group, other})
        ec2.delete_network_interface(NetworkInterfaceId=eni)
        with self.refused("InvalidNetworkInterfaceID.NotFound"):
            ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])
        with self.refused("InvalidSecurityGroupID.NotFound"):
            ec2.create_network_interface(SubnetId=self.subnet, Groups=["sg-0123456789abcdef0"])


class Instances(Network):
    def test_states(self):
        launch = {"ImageId": "ami-netns", "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1,
                  "SubnetId": self.subnet, "ClientToken": "states-" + self.vpc,
                  "TagSpecifications": tags("instance", Name="boto3")}
        instance = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
        self.assertEqual(ec2.run_instances(**launch)["Instances"][0]["InstanceId"], instance)
        for waiter in "instance_exists", "instance_running", "instance_status_ok":
            wait(waiter, InstanceIds=[instance])
        ec2.stop_instances(InstanceIds=[instance])
        wait("instance_stopped", InstanceIds=[instance])
        ec2.start_instances(InstanceIds=[instance])
        wait("instance_running", InstanceIds=[instance])
        ec2.terminate_instances(InstanceIds=[instance])
        wait("instance_terminated", InstanceIds=[instance])

    def test_resources(self):
        resource = boto3.resource("ec2", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
        vpc = resource.Vpc(self.vpc)
        group = vpc.create_security_group(GroupName="resource", Description="x")
        group.authorize_ingress(IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8")
        group.reload()
        self.assertEqual(group.ip_permissions[0]["IpRanges"], [{"CidrIp": "10.0.0.0/8"}])
        group.create_tags(Tags=[{"Key": "k", "Value": "v"}])
        group.reload()
        self.assertEqual(group.tags, [{"Key": "k", "Value": "v"}])
        [instance] = resource.create_instances(
            ImageId="ami-netns", InstanceType="t3.micro", MinCount=1, MaxCount=1,
            NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": self.subnet, "Groups": [group.id]}])
        wait("instance_running", InstanceIds=[instance.id])
        instance.reload()
        self.assertEqual([g["GroupId"] for g in instance.security_groups], [group.id])
        [default] = vpc.security_groups.filter(Filters=[{"Name": "group-name", "Values": ["default"]}])
        instance.modify_attribute(Groups=[default.id])
        instance.reload()
        self.assertEqual([g["GroupName"] for g in instance.network_interfaces[0].groups], ["default"])
        self.assertEqual([i.id for i in vpc.instances.all()], [instance.id])
        group.delete()


if __name__ == "__main__":
    unittest.main()
