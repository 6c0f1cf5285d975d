// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// networkOwner is who owns public addresses that the network gave.
const networkOwner = "amazon"

// association returns the public address of a private one as interfaces show it,
// nil for none (docs/spec/ec2-api.md section 4.6).
func (i *iface) association(private netip.Addr) *ec2types.NetworkInterfaceAssociation {
	public := i.snap.PublicAddress(i.Interface, private)
	if !public.IsValid() {
		return nil
	}
	out := &ec2types.NetworkInterfaceAssociation{PublicIp: new(public.String()), PublicDnsName: new(i.publicDNSName(public)), IpOwnerId: new(networkOwner)}
	if e := i.snap.ElasticIP(i.ID, private); e != nil {
		out.AllocationId, out.AssociationId, out.IpOwnerId = &e.ID, &e.Association, &e.Account
	}
	return out
}

// publicDNSName returns the name of a public address, "" in VPCs without host
// names.
func (i *iface) publicDNSName(public netip.Addr) string {
	if v := i.snap.VPCs.Get(i.VPC); !v.DNSHostnames || !v.DNSSupport {
		return ""
	}
	return secgroup.PublicDNSName(i.Region, public)
}

// public returns the public address of the primary private one, zero for none.
func (i *iface) public() netip.Addr {
	if len(i.Addresses) == 0 {
		return netip.Addr{}
	}
	return i.snap.PublicAddress(i.Interface, i.Addresses[0])
}

// ofAssociation returns a property of every association of the interface.
func ofAssociation(of func(*ec2types.NetworkInterfaceAssociation) *string) func(*iface) []string {
	return func(i *iface) []string {
		var out []string
		for _, a := range i.Addresses {
			if shown := i.association(a); shown != nil && deref(of(shown)) != "" {
				out = append(out, *of(shown))
			}
		}
		return out
	}
}

var (
	associatedAddress = ofAssociation(func(a *ec2types.NetworkInterfaceAssociation) *string { return a.PublicIp })
	associatedName    = ofAssociation(func(a *ec2types.NetworkInterfaceAssociation) *string { return a.PublicDnsName })
	associatedOwner   = ofAssociation(func(a *ec2types.NetworkInterfaceAssociation) *string { return a.IpOwnerId })
	associatedTie     = ofAssociation(func(a *ec2types.NetworkInterfaceAssociation) *string { return a.AssociationId })
	associatedHold    = ofAssociation(func(a *ec2types.NetworkInterfaceAssociation) *string { return a.AllocationId })
)

func instanceAssociation(a *ec2types.NetworkInterfaceAssociation) *ec2types.InstanceNetworkInterfaceAssociation {
	if a == nil {
		return nil
	}
	return &ec2types.InstanceNetworkInterfaceAssociation{IpOwnerId: a.IpOwnerId, PublicDnsName: a.PublicDnsName, PublicIp: a.PublicIp}
}
