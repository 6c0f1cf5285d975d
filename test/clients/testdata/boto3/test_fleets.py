# SPDX-License-Identifier: Apache-2.0
"""Fleets as docs/spec/appstream.md section 12.G has them. Every answer is held
against the service model, AS-G06: see studio.py."""
import json
import os
import threading
import unittest
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from network import ec2
from studio import IMAGE, LINUX, TYPE, Studio, appstream, newest


class Fleets(Studio):
    def test_life(self):
        """AS-G03, AS-G05, AS-G06: create, update, waiters, typed exceptions."""
        group, other = self.group("g1"), self.group("g2")
        made = appstream.create_fleet(
            **self.asked(VpcConfig={"SubnetIds": [self.subnet], "SecurityGroupIds": [group]}, Tags={"team": "red"}, DisplayName="d"))["Fleet"]
        self.assertEqual((made["State"], made["VpcConfig"]), ("STOPPED", {"SubnetIds": [self.subnet], "SecurityGroupIds": [group]}))
        self.started()
        with self.assertRaises(appstream.exceptions.ResourceInUseException) as caught:
            appstream.update_fleet(Name=self.name, VpcConfig={"SecurityGroupIds": [other]})
        self.assertEqual(caught.exception.response["Error"]["Message"],
                         "Cannot update the attribute for fleet %s when it is ACTIVE. "
                         "The fleet must be stopped to complete this action." % self.name)
        [eni] = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]
        self.assertTrue(eni["RequesterManaged"])
        self.stopped()
        changed = appstream.update_fleet(Name=self.name, VpcConfig={"SecurityGroupIds": [other]})["Fleet"]
        self.assertEqual(changed["VpcConfig"], {"SubnetIds": [self.subnet], "SecurityGroupIds": [other]})
        self.assertEqual(appstream.list_tags_for_resource(ResourceArn=made["Arn"])["Tags"], {"team": "red"})
        appstream.tag_resource(ResourceArn=made["Arn"], Tags={"a": "b"})
        appstream.untag_resource(ResourceArn=made["Arn"], TagKeys=["team", "none"])
        self.assertEqual(appstream.list_tags_for_resource(ResourceArn=made["Arn"])["Tags"], {"a": "b"})

    def test_builder(self):
        """AS-G05, AS-G06: image builders."""
        group = self.group("g1")
        made = appstream.create_image_builder(
            Name=self.name, InstanceType=TYPE, ImageName=IMAGE, VpcConfig={"SubnetIds": [self.subnet], "SecurityGroupIds": [group]})["ImageBuilder"]
        self.assertEqual(made["State"], "PENDING")
        shown = lambda: appstream.describe_image_builders(Names=[self.name])["ImageBuilders"][0]
        self.until(lambda: shown()["State"] == "RUNNING")
        self.assertEqual(shown()["VpcConfig"]["SecurityGroupIds"], [group])
        [eni] = ec2.describe_network_interfaces(NetworkInterfaceIds=[shown()["NetworkAccessConfiguration"]["EniId"]])["NetworkInterfaces"]
        self.assertEqual(eni["PrivateIpAddress"], shown()["NetworkAccessConfiguration"]["EniPrivateIpAddress"])
        url = appstream.create_image_builder_streaming_url(Name=self.name, Validity=60)["StreamingURL"]
        with urllib.request.urlopen(url, timeout=20) as stream:
            self.assertEqual([stream.readline().decode() for _ in range(3)], ["frame 1\n", "frame 2\n", "frame 3\n"])

    def test_session(self):
        """AS-G06: stacks, streaming URLs and sessions."""
        appstream.create_fleet(**self.asked())
        stack = appstream.create_stack(Name=self.name, DisplayName="d", StorageConnectors=[{"ConnectorType": "HOMEFOLDERS"}])["Stack"]
        self.assertEqual(stack["StorageConnectors"], [{"ConnectorType": "HOMEFOLDERS"}])
        appstream.associate_fleet(FleetName=self.name, StackName=self.name)
        appstream.associate_fleet(FleetName=self.name, StackName=self.name)
        self.assertEqual(appstream.list_associated_stacks(FleetName=self.name)["Names"], [self.name])
        self.started()
        url = appstream.create_streaming_url(FleetName=self.name, StackName=self.name, UserId="bob")["StreamingURL"]
        with urllib.request.urlopen(url, timeout=20) as stream:
            self.assertEqual(stream.readline(), b"frame 1\n")
            sessions = lambda: appstream.describe_sessions(FleetName=self.name, StackName=self.name, UserId="bob")["Sessions"]
            self.until(lambda: sessions()[0]["ConnectionState"] == "CONNECTED")
            self.assertEqual((sessions()[0]["State"], sessions()[0]["AuthenticationType"]), ("ACTIVE", "API"))
            appstream.expire_session(SessionId=sessions()[0]["Id"])
            self.until(lambda: sessions()[0]["State"] == "EXPIRED")
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(url[:-2] + "xx", timeout=20)
        appstream.update_stack(Name=self.name, Description="x", AttributesToDelete=["STORAGE_CONNECTORS"])
        [stack] = appstream.describe_stacks(Names=[self.name])["Stacks"]
        self.assertEqual((stack["Description"], stack.get("StorageConnectors")), ("x", None))

    def test_many_updates_at_once(self):
        """AS-G10: whatever wins, the list is one that somebody asked for."""
        groups = [self.group("g%d" % n) for n in range(5)]
        appstream.create_fleet(**self.asked())
        outcome = []

        def update(n):
            wanted = [groups[n % 5], groups[(n + 1) % 5]]
            try:
                appstream.update_fleet(Name=self.name, VpcConfig={"SecurityGroupIds": wanted})
                outcome.append(wanted)
            except appstream.exceptions.ConcurrentModificationException:
                pass

        threads = [threading.Thread(target=update, args=(n,)) for n in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertTrue(outcome)
        self.assertIn(self.fleet()["VpcConfig"]["SecurityGroupIds"], outcome)

    def test_members_that_the_model_lacks(self):
        """AS-C18: FleetType in UpdateFleet is ignored. No generated client sends it."""
        appstream.create_fleet(**self.asked())
        request = AWSRequest("POST", os.environ["AWS_ENDPOINT_URL"] + "/", headers={
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "PhotonAdminProxyService.UpdateFleet",
        }, data=json.dumps({"Name": self.name, "FleetType": "ON_DEMAND", "DisplayName": "shown"}))
        SigV4Auth(boto3.Session().get_credentials(), "appstream", appstream.meta.region_name).add_auth(request)
        sent = request.prepare()
        with urllib.request.urlopen(urllib.request.Request(sent.url, data=sent.body.encode() if isinstance(sent.body, str) else sent.body, headers=dict(sent.headers), method="POST")) as answer:
            fleet = json.load(answer)["Fleet"]
        self.assertEqual((fleet["FleetType"], fleet["DisplayName"], fleet["Name"]), ("ALWAYS_ON", "shown", self.name))

    def test_pages(self):
        """AS-G06: listings in parts."""
        images = []
        for page in appstream.get_paginator("describe_images").paginate(PaginationConfig={"PageSize": 3}) \
                if appstream.can_paginate("describe_images") else self.pages():
            images += [i["Name"] for i in page["Images"]]
        self.assertIn(IMAGE, images)
        self.assertEqual(len(images), len(set(images)))
        self.assertEqual({i["Platform"] for i in appstream.describe_images(Type="PUBLIC")["Images"]} >= {"WINDOWS_SERVER_2019", "AMAZON_LINUX2"}, True)

    def pages(self):
        more = {}
        while True:
            page = appstream.describe_images(MaxResults=3, **more)
            yield page
            if "NextToken" not in page:
                return
            more = {"NextToken": page["NextToken"]}

    def test_refusals(self):
        """AS-G07: each exception of section 2.3 that can be brought about, per
        operation. studio.py sees that the model has it, with status 400 and a
        message. InvalidAccountStatus, RequestLimitExceeded and
        ConcurrentModification are no call's own doing: fleet_refused_test.go in
        test/e2e and package awsapi have them."""
        group = self.group("g1")
        role = "arn:aws:iam::123456789012:role/none"
        appstream.create_fleet(**self.asked())
        appstream.create_fleet(**self.asked("-run"))
        appstream.create_stack(Name=self.name)
        appstream.create_stack(Name=self.name + "-two")
        appstream.associate_fleet(FleetName=self.name + "-run", StackName=self.name)
        self.started("-run")
        builder = dict(Name=self.name, InstanceType=TYPE, ImageName=IMAGE, VpcConfig={"SubnetIds": [self.subnet]})
        appstream.create_image_builder(**builder)
        self.until(lambda: appstream.describe_image_builders(Names=[self.name])["ImageBuilders"][0]["State"] == "RUNNING")
        running, name, two = self.name + "-run", self.name, self.name + "-two"
        exists, absent, used = "ResourceAlreadyExistsException", "ResourceNotFoundException", "ResourceInUseException"
        away, combined, forbidden = "ResourceNotAvailableException", "InvalidParameterCombinationException", "OperationNotPermittedException"
        over, no_role, unfit, invalid = "LimitExceededException", "InvalidRoleException", "IncompatibleImageException", "ValidationException"
        # A fleet with more instances than its type has quota.
        table = [
            ("create_fleet", exists, self.asked()),
            ("create_fleet", absent, self.asked("-x", ImageName="none")),
            ("create_fleet", over, self.asked("-x", ComputeCapacity={"DesiredInstances": 1000})),
            ("create_fleet", no_role, self.asked("-x", IamRoleArn=role)),
            ("create_fleet", combined, self.asked("-x", ImageArn="arn:aws:appstream:us-east-1::image/x")),
            ("create_fleet", combined, self.asked("-x", InstanceType="t3.micro")),
            ("create_fleet", invalid, self.asked("-x", Name="-")),
            ("create_fleet", invalid, self.asked("-x", MaxUserDurationInSeconds=1)),
            ("create_fleet", invalid, self.asked("-x", VpcConfig={"SubnetIds": [self.subnet], "SecurityGroupIds": [group] * 6})),
            ("update_fleet", used, dict(Name=running, Description="x")),
            ("update_fleet", absent, dict(Name=name + "-x", Description="x")),
            ("update_fleet", over, dict(Name=name, ComputeCapacity={"DesiredInstances": 1000})),
            ("update_fleet", no_role, dict(Name=name, IamRoleArn=role)),
            ("update_fleet", combined, dict(Name=name, VpcConfig={"SecurityGroupIds": [group]}, AttributesToDelete=["VPC_CONFIGURATION"])),
            ("update_fleet", unfit, dict(Name=running, ImageName=LINUX)),
            ("update_fleet", invalid, dict(Name=name, AttributesToDelete=["NAME"])),
            ("start_fleet", absent, dict(Name=name + "-x")),
            ("stop_fleet", absent, dict(Name=name + "-x")),
            ("delete_fleet", absent, dict(Name=name + "-x")),
            ("delete_fleet", used, dict(Name=running)),
            ("describe_fleets", absent, dict(Names=[name, name + "-x"])),
            ("create_image_builder", exists, builder),
            ("create_image_builder", absent, dict(builder, Name=name + "-x", ImageName="none")),
            ("create_image_builder", absent, dict(builder, Name=name + "-x", VpcConfig={"SubnetIds": ["subnet-00000000"]})),
            ("create_image_builder", no_role, dict(builder, Name=name + "-x", IamRoleArn=role)),
            ("create_image_builder", combined, dict(builder, Name=name + "-x", ImageArn="arn:aws:appstream:us-east-1::image/x")),
            ("start_image_builder", absent, dict(Name=name + "-x")),
            ("start_image_builder", away, dict(Name=name)),
            ("stop_image_builder", absent, dict(Name=name + "-x")),
            ("delete_image_builder", absent, dict(Name=name + "-x")),
            ("delete_image_builder", forbidden, dict(Name=name)),
            ("describe_image_builders", absent, dict(Names=[name + "-x"])),
            ("create_image_builder_streaming_url", absent, dict(Name=name + "-x")),
            ("create_image_builder_streaming_url", invalid, dict(Name=name, Validity=604801)),
            ("create_stack", exists, dict(Name=name)),
            ("update_stack", absent, dict(Name=name + "-x")),
            ("update_stack", combined, dict(Name=name, RedirectURL="https://a", AttributesToDelete=["REDIRECT_URL"])),
            ("delete_stack", absent, dict(Name=name + "-x")),
            ("delete_stack", used, dict(Name=name)),
            ("describe_stacks", absent, dict(Names=[name + "-x"])),
            ("associate_fleet", absent, dict(FleetName=name + "-x", StackName=name)),
            ("associate_fleet", absent, dict(FleetName=name, StackName=name + "-x")),
            ("associate_fleet", over, dict(FleetName=name, StackName=name)),
            ("disassociate_fleet", absent, dict(FleetName=name, StackName=two)),
            ("create_streaming_url", absent, dict(FleetName=running, StackName=two, UserId="bob")),
            ("create_streaming_url", invalid, dict(FleetName=running, StackName=name, UserId="b:b")),
            ("describe_sessions", combined, dict(FleetName=name + "-x", StackName=name)),
            ("describe_images", absent, dict(Names=["none"])),
            ("describe_images", combined, dict(Names=[IMAGE], Arns=["arn:aws:appstream:us-east-1::image/" + IMAGE])),
            ("tag_resource", absent, dict(ResourceArn="arn:aws:appstream:us-east-1:123456789012:fleet/x", Tags={"a": "b"})),
            ("tag_resource", invalid, dict(ResourceArn=self.fleet()["Arn"], Tags={"aws:a": "b"})),
            ("untag_resource", absent, dict(ResourceArn="arn:aws:appstream:us-east-1:123456789012:fleet/x", TagKeys=["a"])),
            ("list_tags_for_resource", absent, dict(ResourceArn="arn:aws:appstream:us-east-1:123456789012:fleet/x")),
        ]
        for operation, code, parameters in table:
            with self.subTest(operation=operation, code=code, parameters=parameters):
                with self.refused(code):
                    getattr(appstream, operation)(**parameters)
        # Streaming from a fleet that is stopped, and by a stack that has a session.
        appstream.associate_fleet(FleetName=name, StackName=two)
        with self.refused(away):
            appstream.create_streaming_url(FleetName=name, StackName=two, UserId="bob")
        url = appstream.create_streaming_url(FleetName=running, StackName=name, UserId="bob")["StreamingURL"]
        with urllib.request.urlopen(url, timeout=20) as stream:
            stream.readline()
            with self.refused(used):
                appstream.disassociate_fleet(FleetName=running, StackName=name)
        # What another installation would do, and this one does not.
        with self.assertRaises(ClientError) as caught:
            appstream.delete_entitlement(Name="x", StackName=name)
        self.assertIn("Operation not supported by this installation.", str(caught.exception))
        for n in range(51):
            tags = {"k%d" % n: "v"}
            if n == 50:
                with self.refused(over):
                    appstream.tag_resource(ResourceArn=self.fleet()["Arn"], Tags=tags)
            else:
                appstream.tag_resource(ResourceArn=self.fleet()["Arn"], Tags=tags)

    def test_app_block_builder(self):
        """AS-G06, section 5: app block builders as far as they carry groups."""
        if not hasattr(appstream, "create_app_block_builder"):
            return self.assertFalse(newest)  # this release does not know them
        group, other = self.group("g1"), self.group("g2")
        appstream.create_app_block_builder(Name=self.name, Platform="WINDOWS_SERVER_2019", InstanceType=TYPE,
                                           VpcConfig={"SubnetIds": [self.subnet], "SecurityGroupIds": [group]})
        shown = lambda: appstream.describe_app_block_builders(Names=[self.name])["AppBlockBuilders"][0]
        enis = lambda g: ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [g]}])["NetworkInterfaces"]
        self.assertEqual((shown()["State"], enis(group)), ("STOPPED", []))
        appstream.start_app_block_builder(Name=self.name)
        self.until(lambda: shown()["State"] == "RUNNING")
        self.assertEqual(len(enis(group)), 1)
        with self.refused("ResourceInUseException"):
            appstream.update_app_block_builder(Name=self.name, VpcConfig={"SecurityGroupIds": [other]})
        appstream.update_app_block_builder(Name=self.name, DisplayName="shown")
        appstream.stop_app_block_builder(Name=self.name)
        self.until(lambda: shown()["State"] == "STOPPED")
        self.assertEqual(enis(group), [])
        appstream.update_app_block_builder(Name=self.name, VpcConfig={"SecurityGroupIds": [other]})
        appstream.update_app_block_builder(Name=self.name, AttributesToDelete=["VPC_CONFIGURATION_SECURITY_GROUP_IDS"])
        self.assertEqual(shown()["VpcConfig"], {"SubnetIds": [self.subnet]})
        appstream.delete_app_block_builder(Name=self.name)
        with self.refused("ResourceNotFoundException"):
            shown()


if __name__ == "__main__":
    unittest.main()
