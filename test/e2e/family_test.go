// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// family is the security-group family of docs/spec/ec2-api.md section 1.3, as the
// AWS CLI spells it.
var family = []string{
	"create-security-group", "delete-security-group", "describe-security-groups", "describe-security-group-rules",
	"authorize-security-group-ingress", "authorize-security-group-egress",
	"revoke-security-group-ingress", "revoke-security-group-egress", "modify-security-group-rules",
	"update-security-group-rule-descriptions-ingress", "update-security-group-rule-descriptions-egress",
	"describe-security-group-references", "describe-stale-security-groups", "get-security-groups-for-vpc",
	"associate-security-group-vpc", "disassociate-security-group-vpc", "describe-security-group-vpc-associations",
}

// TestFamilyWithTheAWSCLI calls every operation of the family by the unmodified
// AWS CLI and looks at what it did through another one.
func TestFamilyWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	called := map[string]bool{}
	text := func(query string, args ...string) string {
		t.Helper()
		called[args[0]] = true
		return s.API.AWS(t, append([]string{"ec2"}, append(args, "--output", "text", "--query", query)...)...)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	vpc := text("Vpc.VpcId", "create-vpc", "--cidr-block", "10.20.0.0/16")
	far := text("Vpc.VpcId", "create-vpc", "--cidr-block", "10.21.0.0/16")
	group := func(vpc, name string) string {
		return text("GroupId", "create-security-group", "--group-name", name, "--description", "family", "--vpc-id", vpc)
	}
	web, db, away := group(vpc, "web"), group(vpc, "db"), group(far, "away")

	// Rules come, change, are described and go, in both directions.
	rule := text("SecurityGroupRules[0].SecurityGroupRuleId", "authorize-security-group-ingress", "--group-id", db,
		"--protocol", "tcp", "--port", "5432", "--source-group", web)
	out := text("SecurityGroupRules[0].SecurityGroupRuleId", "authorize-security-group-egress", "--group-id", db,
		"--ip-permissions", "IpProtocol=udp,FromPort=53,ToPort=53,IpRanges=[{CidrIp=10.20.0.0/16}]")
	shown := func(id string) string {
		return text("SecurityGroupRules[0].[IsEgress,IpProtocol,FromPort,ToPort,CidrIpv4,ReferencedGroupInfo.GroupId,Description]",
			"describe-security-group-rules", "--security-group-rule-ids", id)
	}
	want("the ingress rule", shown(rule), "False\ttcp\t5432\t5432\tNone\t"+web+"\tNone")
	want("the egress rule", shown(out), "True\tudp\t53\t53\t10.20.0.0/16\tNone\tNone")
	text("Return", "modify-security-group-rules", "--group-id", db, "--security-group-rules",
		"SecurityGroupRuleId="+rule+",SecurityGroupRule={IpProtocol=tcp,FromPort=5433,ToPort=5433,ReferencedGroupId="+web+",Description=moved}")
	want("the modified rule", shown(rule), "False\ttcp\t5433\t5433\tNone\t"+web+"\tmoved")
	text("Return", "update-security-group-rule-descriptions-ingress", "--group-id", db, "--security-group-rule-descriptions",
		"SecurityGroupRuleId="+rule+",Description=tables")
	text("Return", "update-security-group-rule-descriptions-egress", "--group-id", db, "--security-group-rule-descriptions",
		"SecurityGroupRuleId="+out+",Description=names")
	want("a description", shown(rule), "False\ttcp\t5433\t5433\tNone\t"+web+"\ttables")
	want("the other one", shown(out), "True\tudp\t53\t53\t10.20.0.0/16\tNone\tnames")
	text("Return", "revoke-security-group-ingress", "--group-id", db, "--security-group-rule-ids", rule)
	text("Return", "revoke-security-group-egress", "--group-id", db, "--security-group-rule-ids", out)
	left := text("SecurityGroupRules[].[IsEgress,IpProtocol,CidrIpv4]", "describe-security-group-rules", "--filters", "Name=group-id,Values="+db)
	want("what is left", left, "True\t-1\t0.0.0.0/0")

	// Across a peering: referred to while it is active, stale when it is gone.
	pcx := text("VpcPeeringConnection.VpcPeeringConnectionId", "create-vpc-peering-connection", "--vpc-id", vpc, "--peer-vpc-id", far)
	text("VpcPeeringConnection.Status.Code", "accept-vpc-peering-connection", "--vpc-peering-connection-id", pcx)
	text("Return", "authorize-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "443", "--source-group", away)
	want("who refers to the far group", text("SecurityGroupReferenceSet[].[GroupId,ReferencingVpcId,VpcPeeringConnectionId]",
		"describe-security-group-references", "--group-id", away), away+"\t"+vpc+"\t"+pcx)
	want("stale before", text("StaleSecurityGroupSet[].GroupId", "describe-stale-security-groups", "--vpc-id", vpc), "")
	text("Return", "delete-vpc-peering-connection", "--vpc-peering-connection-id", pcx)
	want("stale after", text("StaleSecurityGroupSet[].[GroupId,StaleIpPermissions[0].UserIdGroupPairs[0].GroupId]",
		"describe-stale-security-groups", "--vpc-id", vpc), web+"\t"+away)

	// A group serves in another VPC of the account while it is associated.
	usable := func() []string {
		ids := strings.Fields(text("SecurityGroupForVpcs[].GroupId", "get-security-groups-for-vpc", "--vpc-id", far))
		slices.Sort(ids)
		return ids
	}
	if got := usable(); slices.Contains(got, db) {
		t.Errorf("usable in %s before the association: %v", far, got)
	}
	text("State", "associate-security-group-vpc", "--group-id", db, "--vpc-id", far)
	want("the association", text("SecurityGroupVpcAssociations[].[GroupId,VpcId,State]", "describe-security-group-vpc-associations",
		"--filters", "Name=group-id,Values="+db), db+"\t"+far+"\tassociated")
	if got := usable(); !slices.Contains(got, db) {
		t.Errorf("usable in %s while it is associated: %v", far, got)
	}
	text("State", "disassociate-security-group-vpc", "--group-id", db, "--vpc-id", far)
	if got := usable(); slices.Contains(got, db) {
		t.Errorf("usable in %s after the association: %v", far, got)
	}

	text("Return", "delete-security-group", "--group-id", db)
	var names []string
	if err := json.Unmarshal([]byte(s.API.AWS(t, "ec2", "describe-security-groups", "--filters", "Name=vpc-id,Values="+vpc,
		"--query", "SecurityGroups[].GroupName", "--output", "json")), &names); err != nil {
		t.Fatal(err)
	}
	called["describe-security-groups"] = true
	if slices.Sort(names); !slices.Equal(names, []string{"default", "web"}) {
		t.Errorf("groups that are left: %v", names)
	}
	for _, operation := range family {
		if !called[operation] {
			t.Errorf("aws ec2 %s is not called", operation)
		}
	}
}
