// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strings"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// created lists, by operation, the types of what it makes. Operations that are
// not here touch only what they name.
var created = map[string][]string{
	"AllocateAddress":            {control.ElasticIPType},
	"CreateDefaultSubnet":        {control.SubnetType},
	"CreateDefaultVpc":           {control.VPCType},
	"CreateInternetGateway":      {control.InternetGatewayType},
	"CreateLaunchTemplate":       {"launch-template"},
	"CreateManagedPrefixList":    {"prefix-list"},
	"CreateNetworkInterface":     {control.InterfaceType},
	"CreateRouteTable":           {"route-table"},
	"CreateSecurityGroup":        {control.GroupType},
	"CreateSubnet":               {control.SubnetType},
	"CreateVpc":                  {control.VPCType},
	"CreateVpcEndpoint":          {control.EndpointType},
	"CreateNatGateway":           {control.NATGatewayType},
	"CreateVpcPeeringConnection": {"vpc-peering-connection"},
	"RunInstances":               {control.InstanceType, control.InterfaceType},
}

// rulesAside lists operations on groups that do not touch their rules as
// resources of their own, even where they name them.
var rulesAside = map[string]bool{
	"AuthorizeSecurityGroupEgress": true, "AuthorizeSecurityGroupIngress": true,
	"RevokeSecurityGroupEgress": true, "RevokeSecurityGroupIngress": true,
	"UpdateSecurityGroupRuleDescriptionsEgress": true, "UpdateSecurityGroupRuleDescriptionsIngress": true,
}

// kindByPrefix holds the resource types by the prefix of their ids.
var kindByPrefix = map[string]string{
	secgroup.GroupPrefix: control.GroupType, secgroup.RulePrefix: control.RuleType, secgroup.VPCPrefix: control.VPCType,
	secgroup.SubnetPrefix: control.SubnetType, secgroup.InterfacePrefix: control.InterfaceType,
	secgroup.InstancePrefix: control.InstanceType, secgroup.PrefixListPrefix: "prefix-list",
	secgroup.PeeringPrefix: "vpc-peering-connection", secgroup.RouteTablePrefix: "route-table",
	secgroup.ACLPrefix: "network-acl", secgroup.DHCPOptionsPrefix: "dhcp-options",
	secgroup.InternetGatewayPrefix: control.InternetGatewayType, secgroup.LaunchTemplatePrefix: "launch-template",
	secgroup.ImagePrefix: "image", secgroup.VolumePrefix: "volume", secgroup.ElasticIPPrefix: control.ElasticIPType,
	secgroup.EndpointPrefix:   control.EndpointType,
	secgroup.NATGatewayPrefix: control.NATGatewayType,
}

// touching collects what one call touches.
type touching struct {
	snap   *model.Snapshot
	scope  secgroup.Scope
	action string
	list   []touch
	seen   map[string]bool
}

// touched returns what an operation touches, never nothing.
func touched(snap *model.Snapshot, scope secgroup.Scope, action string, in any) []touch {
	t := &touching{snap: snap, scope: scope, action: action, seen: map[string]bool{}}
	if strings.HasPrefix(action, "Describe") {
		return []touch{{action: action, arn: "*"}}
	}
	for _, n := range namedIn(in) {
		t.named(n)
	}
	if full := t.fromTemplate(in); full != nil {
		in = full
		for _, n := range namedIn(in) {
			t.named(n)
		}
	}
	t.unnamedGroups(in)
	t.makes(in)
	if tags, removes := tagChange(in); tags != nil {
		for i := range t.list {
			if removes {
				for _, tag := range tags {
					t.list[i].keys = append(t.list[i].keys, tag.Key)
				}
			} else {
				t.list[i].request = tags
			}
		}
	}
	if len(t.list) == 0 {
		return []touch{{action: action, arn: "*"}}
	}
	return t.list
}

// named adds a resource that the request names.
func (t *touching) named(n name) {
	switch n.by {
	case byGroupName:
		if id := control.GroupNamed(t.snap, t.scope, n.text); id != "" {
			t.id(id, t.scope)
		} else { // it will not be found; a name is no way around a policy either
			t.add(touch{action: t.action, arn: arn(t.scope, control.GroupType, "*"), account: t.scope.Account})
		}
	case byTemplateName:
		if l, err := control.FindLaunchTemplate(t.snap, t.scope, control.TemplateRef{Name: n.text}); err == nil {
			t.id(l.ID, t.scope)
		} else {
			t.add(touch{action: t.action, arn: arn(t.scope, "launch-template", "*"), account: t.scope.Account})
		}
	case byPublicIP:
		if id := control.AllocationOf(t.snap, t.scope, n.text); id != "" {
			t.id(id, t.scope)
		} else {
			t.add(touch{action: t.action, arn: arn(t.scope, control.ElasticIPType, "*"), account: t.scope.Account})
		}
	default:
		scope := t.scope
		if n.account != "" {
			scope.Account = n.account
		}
		if n.region != "" {
			scope.Region = n.region
		}
		t.id(n.text, scope)
	}
}

// fromTemplate returns a launch with what its template adds, nil when there is
// none: a template is no way around what policies say about its contents.
func (t *touching) fromTemplate(in any) *ec2types.RunInstancesRequest {
	run, ok := in.(*ec2types.RunInstancesRequest)
	if !ok || run.LaunchTemplate == nil {
		return nil
	}
	ref := control.TemplateRef{ID: deref(run.LaunchTemplate.LaunchTemplateId), Name: deref(run.LaunchTemplate.LaunchTemplateName)}
	l, err := control.FindLaunchTemplate(t.snap, t.scope, ref)
	if err != nil {
		return nil
	}
	v, err := control.FindTemplateVersion(t.snap, l, deref(run.LaunchTemplate.Version))
	if err != nil {
		return nil
	}
	full, err := launchFrom(v.Data, run)
	if err != nil {
		return nil // it will not be launched either
	}
	return full
}

// id adds the resource of an id. What stands for another resource is followed
// there; what is no id is left aside.
func (t *touching) id(id string, scope secgroup.Scope) {
	cut := strings.LastIndexByte(id, '-')
	if cut < 0 {
		return
	}
	switch prefix := id[:cut]; prefix {
	case secgroup.AttachmentPrefix:
		iface, instance := control.AttachedBy(t.snap, scope, id)
		t.id(iface, scope)
		t.id(instance, scope)
	case secgroup.VPCAssociationPrefix, secgroup.SubnetAssociationPrefix:
		t.id(control.BlockOf(t.snap, scope, id), scope)
	case secgroup.ElasticIPAssociation:
		t.id(control.AllocationOf(t.snap, scope, id), scope)
	case secgroup.RouteAssociationPrefix:
		t.id(control.RouteTableWith(t.snap, scope, id), scope)
	case secgroup.ImagePrefix:
		t.add(touch{action: t.action, arn: "arn:aws:ec2:" + scope.Region + "::image/" + id})
	default:
		kind := kindByPrefix[prefix]
		if kind == "" || kind == control.RuleType && rulesAside[t.action] {
			return
		}
		t.add(touch{action: t.action, arn: arn(scope, kind, id), account: scope.Account, facts: control.FactsOf(t.snap, scope, id)})
	}
}

func (t *touching) add(one touch) {
	if key := one.action + " " + one.arn; !t.seen[key] {
		t.seen[key] = true
		t.list = append(t.list, one)
	}
}

// makes adds what the operation creates and the tags that it gets.
func (t *touching) makes(in any) {
	types := append([]string(nil), created[t.action]...)
	specs := map[string]secgroup.Tags{}
	var order []string
	for _, spec := range tagSpecifications(in) {
		kind := deref(spec.ResourceType)
		if specs[kind] == nil {
			order = append(order, kind)
		}
		specs[kind] = specs[kind].With(plainTags(spec.Tags)...)
	}
	var place control.Facts // what is made takes after what was named
	for _, one := range t.list {
		if place.VPC == "" {
			place.VPC = one.facts.VPC
		}
		if place.Subnet == "" {
			place.Subnet = one.facts.Subnet
		}
	}
	types = append(types, order...)
	for _, kind := range types {
		t.add(touch{
			action: t.action, arn: arn(t.scope, kind, "*"), account: t.scope.Account,
			facts: control.Facts{VPC: place.VPC, Subnet: place.Subnet}, request: specs[kind],
		})
	}
	for _, kind := range order {
		t.add(touch{action: "CreateTags", arn: arn(t.scope, kind, "*"), account: t.scope.Account, request: specs[kind], during: t.action})
	}
}

// unnamedGroups adds the default groups that interfaces get which the request
// gives none.
func (t *touching) unnamedGroups(in any) {
	var subnets []string
	switch in := in.(type) {
	case *ec2types.CreateNetworkInterfaceRequest:
		if len(in.Groups) == 0 {
			subnets = append(subnets, deref(in.SubnetId))
		}
	case *ec2types.RunInstancesRequest:
		if len(in.NetworkInterfaces) == 0 && len(in.SecurityGroupIds)+len(in.SecurityGroups) == 0 {
			subnets = append(subnets, deref(in.SubnetId))
		}
		for _, spec := range in.NetworkInterfaces {
			if spec.NetworkInterfaceId == nil && len(spec.Groups) == 0 {
				subnets = append(subnets, deref(spec.SubnetId))
			}
		}
	}
	for _, subnet := range subnets {
		t.id(control.DefaultGroupOf(t.snap, t.scope, subnet), t.scope)
	}
}
