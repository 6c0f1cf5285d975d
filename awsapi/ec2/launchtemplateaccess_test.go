// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestTemplatesAreNoWayAroundAPolicy shows that a launch from a template touches
// what the version names, and that the version that was judged is the one that
// is launched.
func TestTemplatesAreNoWayAroundAPolicy(t *testing.T) {
	s := newSite(t)
	id := s.template(t, "template", &templateData{ImageId: new("ami-netns"), SecurityGroupIds: s.groups[:1]})
	scope := secgroup.Scope{Account: s.key.Account, Region: "us-east-1"}
	touches := func(action string, in any) []string {
		var got []string
		for _, one := range touched(s.control.Read(), scope, action, in) {
			got = append(got, one.arn[strings.LastIndexByte(one.arn, ':')+1:])
		}
		slices.Sort(got)
		return got
	}
	launch := func(groups ...string) *ec2types.RunInstancesRequest {
		return &ec2types.RunInstancesRequest{
			SubnetId: &s.subnet, SecurityGroupIds: groups, MinCount: new(int32(1)), MaxCount: new(int32(1)),
			LaunchTemplate: &ec2types.LaunchTemplateSpecification{LaunchTemplateName: new("template"), Version: new("$Latest")},
		}
	}
	sorted := func(want ...string) []string { slices.Sort(want); return want }
	always := []string{"launch-template/" + *id, "subnet/" + s.subnet, "image/ami-netns", "instance/*", "network-interface/*"}
	if got, want := touches("RunInstances", launch()), sorted(append(always, "security-group/"+s.groups[0])...); !slices.Equal(got, want) {
		t.Errorf("touches %q, want %q", got, want)
	}
	if got, want := touches("RunInstances", launch(s.groups[1])), sorted(append(always, "security-group/"+s.groups[1])...); !slices.Equal(got, want) {
		t.Errorf("with groups of its own: touches %q, want %q", got, want)
	}
	if got := touches("DeleteLaunchTemplate", &ec2types.DeleteLaunchTemplateRequest{LaunchTemplateName: new("template")}); !slices.Equal(got, []string{"launch-template/" + *id}) {
		t.Errorf("a template by name: touches %q", got)
	}

	in := launch()
	if err := pin(s.control.Read(), scope, in); err != nil {
		t.Fatal(err)
	}
	s.version(t, id, nil, &templateData{ImageId: new("ami-netns"), SecurityGroupIds: s.groups[1:]})
	if from := in.LaunchTemplate; *from.LaunchTemplateId != *id || *from.Version != "1" || from.LaunchTemplateName != nil {
		t.Errorf("pinned to %+v, want version 1", from)
	}
	if got := touches("RunInstances", in); !slices.Contains(got, "security-group/"+s.groups[0]) {
		t.Errorf("pinned, it touches %q", got)
	}
}
