// SPDX-License-Identifier: Apache-2.0

package secgroup

import "strings"

// Prefixes of identifiers, without the hyphen (docs/spec/ec2-api.md section 0.3).
const (
	GroupPrefix             = "sg"
	RulePrefix              = "sgr"
	VPCPrefix               = "vpc"
	SubnetPrefix            = "subnet"
	InterfacePrefix         = "eni"
	AttachmentPrefix        = "eni-attach"
	ClaimPrefix             = "ela-attach" // attachments to something else than an instance
	InstancePrefix          = "i"
	ReservationPrefix       = "r"
	LaunchTemplatePrefix    = "lt"
	PrefixListPrefix        = "pl"
	PeeringPrefix           = "pcx"
	RouteTablePrefix        = "rtb"
	RouteAssociationPrefix  = "rtbassoc"
	ACLPrefix               = "acl"
	ACLAssociationPrefix    = "aclassoc"
	DHCPOptionsPrefix       = "dopt"
	InternetGatewayPrefix   = "igw"
	VPCAssociationPrefix    = "vpc-cidr-assoc"
	SubnetAssociationPrefix = "subnet-cidr-assoc"
	ElasticIPPrefix         = "eipalloc"
	ElasticIPAssociation    = "eipassoc"
	ImagePrefix             = "ami"
	VolumePrefix            = "vol"
	EndpointPrefix          = "vpce"
	NATGatewayPrefix        = "nat"
)

const (
	idDigits    = 17 // hexadecimal digits of the identifiers we make
	oldIDDigits = 8  // and of those that EC2 made before 2016
)

// WellFormed reports whether id has the form of an identifier with that prefix:
// the prefix, a hyphen and 8 or 17 lower-case hexadecimal digits. What is well
// formed need not exist (docs/spec/ec2-api.md section 0.3).
func WellFormed(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix+"-")
	if !ok || len(digits) != idDigits && len(digits) != oldIDDigits {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// WellFormedRule reports whether id has the form of a rule's identifier. EC2 is
// looser with these than with others: only a missing prefix and an overlong rest
// are wrong (docs/spec/ec2-api.md section 3.4).
func WellFormedRule(id string) bool {
	rest, ok := strings.CutPrefix(id, RulePrefix+"-")
	return ok && len(rest) <= idDigits
}

// CheckID returns id's complaint about its form as most operations word it, or
// nil. code is the operation's name for it, e.g. "InvalidGroupId.Malformed".
func CheckID(prefix, id, code string) error {
	if WellFormed(prefix, id) {
		return nil
	}
	return Errorf(code, `Invalid id: "%s" (expecting "%s-...")`, id, prefix)
}
