// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Attached returns an instance's interfaces by device index: the primary, eth0,
// is the first.
func Attached(snap *model.Snapshot, instance string) []*secgroup.Interface {
	return slices.SortedFunc(snap.Interfaces.By(model.ByInstance, instance), func(a, b *secgroup.Interface) int {
		return a.Attachment.DeviceIndex - b.Attachment.DeviceIndex
	})
}

// AttachNetworkInterface gives an available interface to an instance that runs
// or is stopped, and returns the attachment (docs/spec/ec2-api.md section 5.4).
func (s *Service) AttachNetworkInterface(ctx context.Context, caller Caller, iface, instance string, device int) (made *secgroup.Attachment, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		i, err := ownInterface(tx, caller.Scope, iface)
		if err != nil {
			return err
		}
		found, err := instancesOf(tx.Snapshot, caller.Scope, instance)
		if err != nil {
			return err
		}
		in := found[0]
		if in.State != secgroup.Running && in.State != secgroup.Stopped {
			return secgroup.Errorf("IncorrectState", "The instance is not in the 'running' or 'stopped' state.")
		}
		if i.Attachment != nil {
			return inUse(iface)
		}
		switch {
		case tx.Subnets.Get(i.Subnet).Zone != in.Zone:
			return errZones
		case i.VPC != in.VPC:
			return errVPCs
		}
		attached := Attached(tx.Snapshot, instance)
		if slices.ContainsFunc(attached, func(o *secgroup.Interface) bool { return o.Attachment.DeviceIndex == device }) {
			return secgroup.Errorf("InvalidParameterValue",
				"Instance '%s' already has an interface attached at device index '%d'.", instance, device)
		}
		limits, _ := secgroup.InstanceTypeLimits(in.Type)
		ipv4, ipv6 := slots(i)
		if err := checkLimits(limits, in.Type, len(attached)+1, ipv4, ipv6); err != nil {
			return err
		}
		c := *i
		c.Attachment = s.newAttachment(instance, device, false)
		made = c.Attachment
		tx.Interfaces.Put(&c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (s *Service) newAttachment(instance string, device int, deleteOnTermination bool) *secgroup.Attachment {
	return &secgroup.Attachment{
		ID: newID(secgroup.AttachmentPrefix), Instance: instance, DeviceIndex: device,
		DeleteOnTermination: deleteOnTermination, Attached: s.now().UTC(),
	}
}

func inUse(iface string) error {
	return secgroup.Errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", iface)
}

var (
	errZones = secgroup.Errorf("InvalidParameterCombination",
		"You may not attach a network interface to an instance if they are not in the same availability zone")
	errVPCs = secgroup.Errorf("InvalidParameterCombination",
		"You may not attach a network interface to an instance if they are not in the same VPC")
)

// DetachNetworkInterface takes an interface from its instance; it stays with its
// addresses and groups. The primary one cannot be taken.
func (s *Service) DetachNetworkInterface(ctx context.Context, caller Caller, attachment string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		var i *secgroup.Interface
		for found := range tx.Interfaces.By(model.ByAttachment, attachment) {
			i = found
		}
		if i == nil || i.Scope != caller.Scope {
			return noAttachment.err(attachment)
		}
		if _, err := ownInterface(tx, caller.Scope, i.ID); err != nil {
			return err
		}
		if i.Attachment.DeviceIndex == 0 {
			return secgroup.Errorf("OperationNotPermitted",
				"The network interface at device index 0 and networkCard index 0 cannot be detached.")
		}
		c := *i
		c.Attachment, c.AutoPublic, c.Public = nil, false, netip.Addr{}
		tx.Interfaces.Put(&c)
		return nil
	})
}
