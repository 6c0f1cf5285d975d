# SPDX-License-Identifier: Apache-2.0
"""Groups and rules, and the traps of docs/spec/ec2-api.md section 15.4."""
import unittest

from network import Network, ec2, tags

anywhere = [{"CidrIp": "0.0.0.0/0"}]


def tcp(port, **peers):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peers}


class Groups(Network):
    def test_life(self):
        group = self.group("life", TagSpecifications=tags("security-group", team="red"))
        shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        self.assertEqual(shown["Tags"], [{"Key": "team", "Value": "red"}])
        self.assertEqual(shown["IpPermissions"], [])
        self.assertEqual([p["IpProtocol"] for p in shown["IpPermissionsEgress"]], ["-1"])
        with self.refused("InvalidGroup.Duplicate"):
            self.group("life")
        with self.refused("DryRunOperation", "Request would have succeeded, but DryRun flag is set."):
            ec2.delete_security_group(GroupId=group, DryRun=True)
        ec2.delete_security_group(GroupId=group)
        with self.refused("InvalidGroup.NotFound", "The security group '%s' does not exist" % group):
            ec2.describe_security_groups(GroupIds=[group])

    def test_one_rule_answers_one_rule(self):
        group = self.group("one")
        answer = ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[tcp(22, IpRanges=anywhere)], TagSpecifications=tags("security-group-rule", n="1"))
        self.assertTrue(answer["Return"])
        rules = answer["SecurityGroupRules"]
        self.assertEqual([(r["FromPort"], r["CidrIpv4"], r["Tags"]) for r in rules],
                         [(22, "0.0.0.0/0", [{"Key": "n", "Value": "1"}])])
        with self.refused("InvalidPermission.Duplicate"):
            ec2.authorize_security_group_ingress(
                GroupId=group, IpPermissions=[tcp(22, IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "again"}])])
        nothing = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(23)])
        self.assertTrue(nothing["Return"])
        self.assertEqual(nothing["SecurityGroupRules"], [])

        [rule] = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])["SecurityGroupRules"]
        self.assertEqual(rule, rules[0])
        ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{
            "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
            "SecurityGroupRule": {"IpProtocol": "udp", "FromPort": 53, "ToPort": 54, "CidrIpv4": "10.0.0.0/8"}}])
        [changed] = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])["SecurityGroupRules"]
        self.assertEqual((changed["IpProtocol"], changed["ToPort"], changed["CidrIpv4"], changed["Tags"]),
                         ("udp", 54, "10.0.0.0/8", rule["Tags"]))
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
        with self.refused("InvalidSecurityGroupRuleId.NotFound"):
            ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])

    def test_all_protocols(self):
        """Ports of -1 rules: absent in one describe, -1 in the other; ports 0 and 0
        name the same rule."""
        group = self.group("all")
        [rule] = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        self.assertEqual((rule["FromPort"], rule["ToPort"], rule["IsEgress"]), (-1, -1, True))
        [shown] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        self.assertNotIn("FromPort", shown["IpPermissionsEgress"][0])
        everything = [{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "IpRanges": anywhere}]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
        with self.refused("InvalidPermission.NotFound"):
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)

    def test_lenient_in_the_default_vpc(self):
        [default] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        group = ec2.create_security_group(GroupName="lenient", Description="x", VpcId=default["VpcId"])["GroupId"]
        self.addCleanup(ec2.delete_security_group, GroupId=group)
        answer = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[tcp(22, IpRanges=anywhere)])
        self.assertTrue(answer["Return"])
        self.assertEqual(len(answer["UnknownIpPermissions"]), 1)

    def test_references(self):
        """A reference to itself does not hold a group, one from another does."""
        one, other = self.group("one"), self.group("other")
        for holder in (one, other):
            ec2.authorize_security_group_ingress(
                GroupId=holder, IpPermissions=[tcp(80, UserIdGroupPairs=[{"GroupId": one}])])
        with self.refused("DependencyViolation", "resource %s has a dependent object" % one):
            ec2.delete_security_group(GroupId=one)
        ec2.delete_security_group(GroupId=other)
        ec2.delete_security_group(GroupId=one)

    def test_descriptions(self):
        group = self.group("described")
        peers = [{"CidrIp": "10.%d.0.0/16" % n, "Description": "number %d" % n} for n in range(3)]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(80, IpRanges=peers)])
        peers[1]["Description"] = "anew"
        ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=[tcp(80, IpRanges=[peers[1]])])
        [shown] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        self.assertEqual(shown["IpPermissions"][0]["IpRanges"], peers)


class Pages(Network):
    def every(self, operation, key, size, **parameters):
        """All items by pages of a size, which have to be those of one page, in
        the same order."""
        pages = list(ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **parameters))
        whole = getattr(ec2, operation)(**parameters)[key]
        self.assertEqual([i for p in pages for i in p[key]], whole)
        self.assertEqual([len(p[key]) for p in pages[:-1]], [size] * (len(pages) - 1))
        self.assertNotIn("NextToken", pages[-1])
        return pages

    def test_rules(self):
        group = self.group("pages")
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            tcp(80, IpRanges=[{"CidrIp": "10.%d.0.0/16" % n} for n in range(20)]),
            tcp(443, Ipv6Ranges=[{"CidrIpv6": "2001:db8:%x::/48" % n} for n in range(13)])])
        where = [{"Name": "group-id", "Values": [group]}]
        for size in 5, 7, 17, 1000:
            pages = self.every("describe_security_group_rules", "SecurityGroupRules", size, Filters=where)
            self.assertEqual(sum(len(p["SecurityGroupRules"]) for p in pages), 34)  # with the one for egress
        with self.refused("InvalidPaginationToken"):
            ec2.describe_security_group_rules(Filters=where, NextToken="nonsense", MaxResults=5)

    def test_pages_that_change(self):
        """What is there from the first page to the last is on exactly one."""
        groups = [self.group("page-%02d" % n) for n in range(12)]
        seen, late = [], None
        for page in ec2.get_paginator("describe_security_groups").paginate(
                Filters=self.inside + [{"Name": "group-name", "Values": ["page-*"]}], PaginationConfig={"PageSize": 5}):
            seen += [g["GroupId"] for g in page["SecurityGroups"]]
            if late is None:
                late = self.group("page-99")
                ec2.delete_security_group(GroupId=groups[1])
        self.assertEqual([g for g in seen if g != late], groups)

    def test_the_rest(self):
        for n in range(6):
            ec2.create_network_interface(SubnetId=self.subnet, TagSpecifications=tags("network-interface", n=str(n)))
        self.every("describe_network_interfaces", "NetworkInterfaces", 5, Filters=self.inside)
        self.every("describe_tags", "Tags", 5, Filters=[{"Name": "key", "Values": ["n"]}])
        self.every("describe_vpcs", "Vpcs", 5, Filters=self.inside)
        self.every("describe_subnets", "Subnets", 5, Filters=self.inside)

    def test_groups_for_a_vpc(self):
        groups = [self.group("g%d" % n) for n in range(6)]
        self.every("describe_security_groups", "SecurityGroups", 5, Filters=self.inside)
        if hasattr(ec2, "get_security_groups_for_vpc"):  # boto3 of 2023 and later
            pages = self.every("get_security_groups_for_vpc", "SecurityGroupForVpcs", 5, VpcId=self.vpc)
            self.assertLessEqual(set(groups), {g["GroupId"] for p in pages for g in p["SecurityGroupForVpcs"]})


if __name__ == "__main__":
    unittest.main()
