// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"strconv"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// iface is an interface with the snapshot that knows what it names.
type iface struct {
	*secgroup.Interface
	snap    *model.Snapshot
	inForce int64 // revision that judges it, if DescribeNetworkInterfaces shows it; else 0
}

// inForceKey is the key of a tag that nobody sets: its value is the revision of the
// store that is in force at the interface (docs/spec/ec2-api.md section 5.2).
const inForceKey = "aws:hedgeward:enforced-revision"

// tags returns the interface's tags and what we say in the form of one.
func (i *iface) tags() secgroup.Tags {
	if i.inForce == 0 {
		return i.Tags
	}
	return i.Tags.With(secgroup.Tag{Key: inForceKey, Value: strconv.FormatInt(i.inForce, 10)})
}

func (i *iface) subnet() *secgroup.Subnet { return i.snap.Subnets.Get(i.Subnet) }

func (i *iface) status() string {
	if i.Attachment != nil {
		return "in-use"
	}
	return "available"
}

// primary returns the first IPv4 address as text, "" when there is none.
func (i *iface) primary() string {
	if len(i.Addresses) == 0 {
		return ""
	}
	return i.Addresses[0].String()
}

func (i *iface) privateDNSName() string {
	if len(i.Addresses) == 0 {
		return ""
	}
	return secgroup.PrivateDNSName(i.Region, i.Addresses[0])
}

// requester returns who made the interface: a service, or the owner.
func (i *iface) requester() string {
	if i.Requester != "" {
		return i.Requester
	}
	return i.Account
}

// kind returns the type of the interface, which says what manages it.
func (i *iface) kind() string {
	if i.Requester == secgroup.EndpointRequester {
		return "vpc_endpoint"
	}
	if i.Requester == secgroup.NATRequester {
		return "nat_gateway"
	}
	return interfaceType
}

// groups returns the interface's groups as results show them.
func (i *iface) groups() []ec2types.GroupIdentifier {
	return each(i.Groups, func(id string) ec2types.GroupIdentifier {
		out := ec2types.GroupIdentifier{GroupId: &id}
		if g := i.snap.Groups.Get(id); g != nil {
			out.GroupName = &g.Name
		}
		return out
	})
}

func (i *iface) groupNames() []string {
	var names []string
	for _, g := range i.groups() {
		names = append(names, deref(g.GroupName))
	}
	return names
}

// The states of an attachment: it is attached as soon as it is there, and only a
// host takes time to give an interface back.
const (
	attached  = "attached"
	detaching = "detaching"
)

func attachmentStatus(a *secgroup.Attachment) string {
	if a.Claim != nil && a.Claim.Releasing {
		return detaching
	}
	return attached
}

func showAttachment(i *secgroup.Interface) *ec2types.NetworkInterfaceAttachment {
	a := i.Attachment
	if a == nil {
		return nil
	}
	owner := &i.Account
	if i.Requester != "" {
		owner = new(secgroup.ServiceAccount)
	}
	return &ec2types.NetworkInterfaceAttachment{
		AttachTime: &a.Attached, AttachmentId: &a.ID, DeleteOnTermination: &a.DeleteOnTermination,
		DeviceIndex: new(int32(a.DeviceIndex)), NetworkCardIndex: new(int32(0)),
		InstanceId: optional(a.Instance), InstanceOwnerId: owner, Status: new(attachmentStatus(a)),
	}
}

// showInterface returns an interface as DescribeNetworkInterfaces shows it
// (docs/spec/ec2-api.md section 5.1).
func showInterface(i *iface) ec2types.NetworkInterface {
	out := ec2types.NetworkInterface{
		NetworkInterfaceId: &i.ID, SubnetId: &i.Subnet, VpcId: &i.VPC, OwnerId: &i.Account,
		AvailabilityZone: &i.subnet().Zone, AvailabilityZoneId: &i.subnet().ZoneID,
		Description: &i.Description, InterfaceType: new(i.kind()), MacAddress: &i.MAC,
		RequesterId: new(i.requester()), RequesterManaged: new(i.Requester != ""),
		SourceDestCheck: &i.SourceDestCheck, Status: new(i.status()), Attachment: showAttachment(i.Interface),
		PrivateIpAddress: optional(i.primary()), PrivateDnsName: optional(i.privateDNSName()),
		Groups: i.groups(), TagSet: tagSetOrEmpty(i.tags()),
		PrivateIpAddresses: make([]ec2types.NetworkInterfacePrivateIpAddress, len(i.Addresses)),
		Ipv6Addresses: each(i.IPv6, func(a netip.Addr) ec2types.NetworkInterfaceIpv6Address {
			return ec2types.NetworkInterfaceIpv6Address{Ipv6Address: new(a.String()), IsPrimaryIpv6: new(false)}
		}),
	}
	for n, a := range i.Addresses {
		out.PrivateIpAddresses[n] = ec2types.NetworkInterfacePrivateIpAddress{
			PrivateIpAddress: new(a.String()), Primary: new(n == 0), PrivateDnsName: new(secgroup.PrivateDNSName(i.Region, a)),
			Association: i.association(a),
		}
	}
	if len(out.PrivateIpAddresses) > 0 {
		out.Association = out.PrivateIpAddresses[0].Association
	}
	for _, p := range i.Prefixes {
		out.Ipv4Prefixes = append(out.Ipv4Prefixes, ec2types.Ipv4PrefixSpecification{Ipv4Prefix: new(p.String())})
	}
	for _, p := range i.IPv6Prefixes {
		out.Ipv6Prefixes = append(out.Ipv6Prefixes, ec2types.Ipv6PrefixSpecification{Ipv6Prefix: new(p.String())})
	}
	if len(i.IPv6) > 0 {
		out.Ipv6Address = new(i.IPv6[0].String())
	}
	if t := i.Tracking; t != nil {
		out.ConnectionTrackingConfiguration = &ec2types.ConnectionTrackingConfiguration{
			TcpEstablishedTimeout: optional(int32(t.TCPEstablished)), UdpStreamTimeout: optional(int32(t.UDPStream)),
			UdpTimeout: optional(int32(t.UDP)),
		}
	}
	return out
}

// showInstanceInterface returns an interface as instances show it.
func showInstanceInterface(i *iface) ec2types.InstanceNetworkInterface {
	shown := showInterface(i)
	out := ec2types.InstanceNetworkInterface{
		NetworkInterfaceId: shown.NetworkInterfaceId, SubnetId: shown.SubnetId, VpcId: shown.VpcId, OwnerId: shown.OwnerId,
		Description: shown.Description, InterfaceType: shown.InterfaceType, MacAddress: shown.MacAddress,
		SourceDestCheck: shown.SourceDestCheck, Status: shown.Status, Groups: shown.Groups,
		PrivateIpAddress: shown.PrivateIpAddress, PrivateDnsName: shown.PrivateDnsName,
		PrivateIpAddresses: each(shown.PrivateIpAddresses, func(a ec2types.NetworkInterfacePrivateIpAddress) ec2types.InstancePrivateIpAddress {
			return ec2types.InstancePrivateIpAddress{
				PrivateIpAddress: a.PrivateIpAddress, Primary: a.Primary, PrivateDnsName: a.PrivateDnsName, Association: instanceAssociation(a.Association),
			}
		}),
		Association: instanceAssociation(shown.Association),
		Ipv6Addresses: each(shown.Ipv6Addresses, func(a ec2types.NetworkInterfaceIpv6Address) ec2types.InstanceIpv6Address {
			return ec2types.InstanceIpv6Address{Ipv6Address: a.Ipv6Address, IsPrimaryIpv6: a.IsPrimaryIpv6}
		}),
		Attachment: &ec2types.InstanceNetworkInterfaceAttachment{
			AttachTime: shown.Attachment.AttachTime, AttachmentId: shown.Attachment.AttachmentId,
			DeleteOnTermination: shown.Attachment.DeleteOnTermination, DeviceIndex: shown.Attachment.DeviceIndex,
			NetworkCardIndex: shown.Attachment.NetworkCardIndex, Status: shown.Attachment.Status,
		},
	}
	for _, p := range shown.Ipv4Prefixes {
		out.Ipv4Prefixes = append(out.Ipv4Prefixes, ec2types.InstanceIpv4Prefix(p))
	}
	for _, p := range shown.Ipv6Prefixes {
		out.Ipv6Prefixes = append(out.Ipv6Prefixes, ec2types.InstanceIpv6Prefix(p))
	}
	if t := shown.ConnectionTrackingConfiguration; t != nil {
		out.ConnectionTrackingConfiguration = &ec2types.ConnectionTrackingSpecificationResponse{
			TcpEstablishedTimeout: t.TcpEstablishedTimeout, UdpStreamTimeout: t.UdpStreamTimeout, UdpTimeout: t.UdpTimeout,
		}
	}
	return out
}
