// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

var errNoSourceGroup = secgroup.Errorf("MissingParameter", "Source group ID missing.")

// flatForm is how Authorize and Revoke name one permission without a list of
// them (docs/spec/ec2-api.md section 3.5).
type flatForm struct {
	protocol, cidr, group, owner *string
	from, to                     *int32
}

// given reports whether the request uses the flat form.
func (f *flatForm) given() bool {
	return f.protocol != nil || f.cidr != nil || f.group != nil || f.owner != nil || f.from != nil || f.to != nil
}

// permissions returns what the request names in either form; the two exclude
// each other.
func (f *flatForm) permissions(list []ec2types.IpPermission) ([]secgroup.Permission, error) {
	switch {
	case !f.given():
		return parsePermissions(list)
	case len(list) > 0:
		return nil, combined("ipPermissions may not be used in combination with ipProtocol")
	case f.group != nil && f.cidr != nil:
		return nil, combined("cidrIp cannot be used with the parameter sourceSecurityGroupName")
	case f.group != nil && (f.protocol != nil || f.from != nil || f.to != nil):
		return nil, combined("ipProtocol cannot be used with the parameter sourceSecurityGroupName")
	case f.group == nil && f.owner != nil:
		return nil, errNoSourceGroup
	case f.group != nil:
		return parsePermissions(f.fromGroup())
	}
	p := ec2types.IpPermission{IpProtocol: f.protocol, FromPort: f.from, ToPort: f.to}
	if f.cidr != nil {
		p.IpRanges = []ec2types.IpRange{{CidrIp: f.cidr}}
	}
	return parsePermissions([]ec2types.IpPermission{p})
}

// fromGroup returns everything that a group named without protocol may send:
// TCP, UDP and ICMP.
func (f *flatForm) fromGroup() []ec2types.IpPermission {
	source := []ec2types.UserIdGroupPair{{GroupName: f.group, UserId: f.owner}}
	ports := func(protocol string, from, to int32) ec2types.IpPermission {
		return ec2types.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to, UserIdGroupPairs: source}
	}
	return []ec2types.IpPermission{ports("tcp", 0, 65535), ports("udp", 0, 65535), ports("icmp", -1, -1)}
}

// combined refuses parameters that exclude each other.
func combined(what string) error {
	return secgroup.Errorf("InvalidParameterCombination", "The parameter %s", what)
}
