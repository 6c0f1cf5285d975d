// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestStoryWithTheAWSCLI is what a new user does, every call by the unmodified
// AWS CLI: two instances in one group, SSH allowed and taken away again. Every
// refusal has the code and the words of docs/spec/ec2-api.md.
func TestStoryWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	aws := func(args ...string) string { t.Helper(); return s.API.AWS(t, args...) }
	text := func(query string, args ...string) string {
		t.Helper()
		return aws(append(args, "--output", "text", "--query", query)...)
	}

	vpc := text("Vpc.VpcId", "ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--amazon-provided-ipv6-cidr-block")
	block := text("Vpcs[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock", "ec2", "describe-vpcs", "--vpc-ids", vpc)
	subnet := text("Subnet.SubnetId", "ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24",
		"--ipv6-cidr-block", strings.TrimSuffix(block, "/56")+"/64")
	web := text("GroupId", "ec2", "create-security-group", "--group-name", "web", "--description", "front ends", "--vpc-id", vpc)
	client := text("GroupId", "ec2", "create-security-group", "--group-name", "client", "--description", "who asks", "--vpc-id", vpc)

	s.API.AWSRefuses(t, "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC '"+vpc+"'",
		"ec2", "create-security-group", "--group-name", "web", "--description", "front ends", "--vpc-id", vpc)

	w := &world{t: t, s: s, api: s.API.Client, vpc: vpc, subnet: subnet}
	var guests []*guest
	for _, group := range []string{web, client} {
		id := text("Instances[0].InstanceId", "ec2", "run-instances", "--image-id", "ami-netns", "--instance-type", "t3.micro",
			"--subnet-id", subnet, "--security-group-ids", group, "--ipv6-address-count", "1")
		guests = append(guests, &guest{id: id})
	}
	w.awaitRunning(guests...) // the CLI's own waiter looks every 15 seconds
	for n, g := range guests {
		guests[n] = w.found(w.describe(g))
		guests[n].enter(t)
	}
	server, asker := guests[0], guests[1]
	server.listen(t, 22, 53)
	s.Settle(t)

	ssh := connects(asker, "tcp", server.ip, 22)
	ssh6 := connects(asker, "tcp", server.ip6, 22)
	dns := connects(asker, "udp", server.ip, 53)
	echo, echo6 := pings(asker, server.ip, 7), pings(asker, server.ip6, 7)
	check(t, "before any rule", dropped(ssh), dropped(ssh6), dropped(dns), dropped(echo), dropped(echo6))

	// The rule's two views.
	rule := text("SecurityGroupRules[0].SecurityGroupRuleId", "ec2", "authorize-security-group-ingress",
		"--group-id", web, "--protocol", "tcp", "--port", "22", "--cidr", "10.0.1.77/24")
	s.Settle(t)
	check(t, "ssh allowed over IPv4", ssh, dropped(ssh6), dropped(dns), dropped(echo))
	if got := text("Return", "ec2", "authorize-security-group-ingress", "--group-id", web, "--ip-permissions",
		"IpProtocol=tcp,FromPort=22,ToPort=22,Ipv6Ranges=[{CidrIpv6="+block+",Description=ours}]",
		"IpProtocol=udp,FromPort=53,ToPort=53,UserIdGroupPairs=[{GroupId="+client+"}]",
		"IpProtocol=icmp,FromPort=8,ToPort=-1,IpRanges=[{CidrIp=10.0.0.0/16}]",
		"IpProtocol=icmpv6,Ipv6Ranges=[{CidrIpv6=::/0}]"); got != "True" {
		t.Errorf("authorize four permissions: Return is %s", got)
	}
	s.Settle(t)
	check(t, "all allowed", ssh, ssh6, dns, echo, echo6,
		dropped(pings(server, asker.ip, 7)), dropped(connects(server, "tcp", asker.ip, 22)))

	sameJSON(t, aws("ec2", "describe-security-groups", "--group-ids", web, "--query", "SecurityGroups[0].IpPermissions"), `[
	  {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [], "PrefixListIds": [],
	   "IpRanges": [{"CidrIp": "10.0.1.0/24"}], "Ipv6Ranges": [{"CidrIpv6": "`+block+`", "Description": "ours"}]},
	  {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "PrefixListIds": [], "IpRanges": [], "Ipv6Ranges": [],
	   "UserIdGroupPairs": [{"GroupId": "`+client+`", "UserId": "`+text("Account", "sts", "get-caller-identity")+`"}]},
	  {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "UserIdGroupPairs": [], "PrefixListIds": [], "Ipv6Ranges": [], "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
	  {"IpProtocol": "icmpv6", "FromPort": -1, "ToPort": -1, "UserIdGroupPairs": [], "PrefixListIds": [], "IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]`)
	sameJSON(t, aws("ec2", "describe-security-group-rules", "--filters", "Name=group-id,Values="+web,
		"--query", "SecurityGroupRules[].[IsEgress,IpProtocol,FromPort,ToPort,CidrIpv4||CidrIpv6||ReferencedGroupInfo.GroupId]"), `[
	  [true, "-1", -1, -1, "0.0.0.0/0"], [true, "-1", -1, -1, "::/0"],
	  [false, "tcp", 22, 22, "10.0.1.0/24"], [false, "tcp", 22, 22, "`+block+`"], [false, "udp", 53, 53, "`+client+`"],
	  [false, "icmp", 8, -1, "10.0.0.0/16"], [false, "icmpv6", -1, -1, "::/0"]]`)

	// What is refused, and changes nothing.
	s.API.AWSRefuses(t, "InvalidPermission.Duplicate", `the specified rule "peer: 10.0.1.0/24, TCP, from port: 22, to port: 22, ALLOW" already exists`,
		"ec2", "authorize-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "22", "--cidr", "10.0.1.0/24")
	s.API.AWSRefuses(t, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.",
		"ec2", "revoke-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "22", "--cidr", "10.0.0.0/24")
	s.API.AWSRefuses(t, "InvalidGroup.NotFound", "The security group 'sg-00000000' does not exist",
		"ec2", "describe-security-groups", "--group-ids", "sg-00000000")
	s.API.AWSRefuses(t, "InvalidGroupId.Malformed", `Invalid id: "sgabc" (expecting "sg-...")`,
		"ec2", "describe-security-groups", "--group-ids", "sgabc")
	s.API.AWSRefuses(t, "InvalidParameterValue", "CIDR block ::/0 is malformed",
		"ec2", "authorize-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "80", "--cidr", "::/0")
	s.API.AWSRefuses(t, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.",
		"ec2", "delete-security-group", "--group-id", web, "--dry-run")
	s.API.AWSRefuses(t, "DependencyViolation", "resource "+web+" has a dependent object", "ec2", "delete-security-group", "--group-id", web)
	s.API.AWSRefuses(t, "DependencyViolation", "resource "+client+" has a dependent object", "ec2", "delete-security-group", "--group-id", client)
	def := text("SecurityGroups[0].GroupId", "ec2", "describe-security-groups", "--filters", "Name=vpc-id,Values="+vpc, "Name=group-name,Values=default")
	s.API.AWSRefuses(t, "CannotDelete", `the specified group: "`+def+`" name: "default" cannot be deleted by a user`,
		"ec2", "delete-security-group", "--group-id", def)
	s.API.AWSRefuses(t, "InvalidAMIID.NotFound", "The image id '[ami-00000000]' does not exist",
		"ec2", "run-instances", "--image-id", "ami-00000000", "--subnet-id", subnet)

	// An echo request whose identifier has just been seen is part of a flow that is
	// tracked; one with a new identifier is not
	// (docs/spec/packet-semantics.md sections 2.5 and 3.4).
	aws("ec2", "revoke-security-group-ingress", "--group-id", web, "--security-group-rule-ids", rule)
	check(t, "before ping is revoked", echo)
	aws("ec2", "revoke-security-group-ingress", "--group-id", web, "--ip-permissions", "IpProtocol=icmp,FromPort=8,ToPort=-1,IpRanges=[{CidrIp=10.0.0.0/16}]")
	s.Settle(t)
	check(t, "ssh and ping revoked over IPv4", dropped(ssh), ssh6, dns, echo, dropped(pings(asker, server.ip, 8)), pings(asker, server.ip6, 8))

	aws("ec2", "terminate-instances", "--instance-ids", server.id, asker.id)
	w.awaitTerminated(server)
	w.awaitTerminated(asker)
	s.API.AWSRefuses(t, "DependencyViolation", "resource "+client+" has a dependent object", "ec2", "delete-security-group", "--group-id", client)
	for _, group := range []string{web, client} {
		aws("ec2", "delete-security-group", "--group-id", group)
	}
	s.API.AWSRefuses(t, "InvalidGroup.NotFound", "The security group '"+web+"' does not exist", "ec2", "delete-security-group", "--group-id", web)
	aws("ec2", "delete-subnet", "--subnet-id", subnet)
	aws("ec2", "delete-vpc", "--vpc-id", vpc)
	s.API.AWSRefuses(t, "InvalidVpcID.NotFound", "The vpc ID '"+vpc+"' does not exist", "ec2", "describe-vpcs", "--vpc-ids", vpc)
}

// sameJSON compares two JSON texts as values.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
