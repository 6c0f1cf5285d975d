// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ClaimedDevice is a device of a host that an interface is claimed for.
type ClaimedDevice struct {
	Name string           // at most 15 bytes, as the kernel has it; the device need not be there
	MAC  net.HardwareAddr // of the far end; nil: the interface's own stands, and the far end must use it
	Own  bool             // see secgroup.Claim
	For  string           // see secgroup.Claim; at most 128 bytes that can be seen, "" to say nothing
}

// Refusals of claims that do not depend on the interface.
var (
	errForeignAttachment = secgroup.Errorf("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")
	errDeviceName        = secgroup.Errorf("InvalidParameterValue", "A device has a name of 1 to 15 bytes without slashes and white space.")
	errDeviceFor         = secgroup.Errorf("InvalidParameterValue", "What a device is for is said in at most 128 bytes of ASCII without white space.")
	errDeviceMAC         = secgroup.Errorf("InvalidParameterValue", "The MAC address of a device has six bytes and is one device's.")
)

// ClaimInterface gives an available interface, of whatever account, to a device
// that somebody else made on a host (docs/spec/ec2-api.md section 5.7). From then on
// the host enforces it there. To claim again what is claimed so already changes
// nothing but the MAC address, and what is behind the device if that was not said, so
// callers may repeat themselves.
//
// Errors: InvalidNetworkInterfaceID.NotFound, InvalidNetworkInterface.InUse (an
// instance or another host has it, and then ErrNotOnHost too; or another device or
// something else behind it has), InvalidParameterValue (the
// device is another interface's, or the MAC address is), IncorrectState (the host is
// giving it back), OperationNotPermitted (a service manages the interface).
func (s *Service) ClaimInterface(ctx context.Context, host, id string, d ClaimedDevice) error {
	if err := d.check(); err != nil {
		return err
	}
	return s.onInterface(ctx, id, func(tx *model.Tx, was *secgroup.Interface) error {
		if was.Requester != "" {
			return secgroup.Errorf("OperationNotPermitted", "Interface %s is managed by %s and can be claimed by nobody.", id, was.Requester)
		}
		i := *was
		switch c := was.Claimed(); {
		case was.Attachment == nil:
		case c == nil:
			return foreign{inUse(id)}
		case c.Host != host:
			return foreign{claimedBy(id, c)}
		case !d.is(c):
			return claimedBy(id, c)
		case c.Releasing:
			return secgroup.Errorf("IncorrectState", "Interface %s is being given back by host %s; try again when it is available.", id, host)
		}
		if err := d.takeMAC(tx, &i); err != nil {
			return err
		}
		if i.Attachment == nil {
			if err := s.claim(tx, host, &i, d); err != nil {
				return err
			}
		} else if !d.takeFor(&i) && i.MAC == was.MAC {
			return nil
		}
		tx.Interfaces.Put(&i)
		return nil
	})
}

// ClaimNewInterface is CreateNetworkInterface and ClaimInterface in one step, for
// the owner of the subnet; the interface is deleted when the claim is given up.
// Groups may be ids, or names of groups of the subnet's VPC. While a host has such
// a claim for the device, asking again answers its interface and changes nothing but
// the MAC address, and what is behind the device if that was not said.
//
// Errors: those of the two; InvalidNetworkInterface.InUse (the device has an
// interface that was not made so, is in another subnet, or for something else behind
// it).
func (s *Service) ClaimNewInterface(ctx context.Context, host string, spec InterfaceSpec, d ClaimedDevice) (id string, err error) {
	if err := d.check(); err != nil {
		return "", err
	}
	seen := s.Read().Subnets.Get(spec.Subnet)
	if seen == nil {
		return "", noSubnet.err(spec.Subnet)
	}
	err = s.write(ctx, seen.Scope, func(tx *model.Tx) error {
		subnet, err := subnetOf(tx.Snapshot, seen.Scope, spec.Subnet)
		if err != nil {
			return err
		}
		for had := range tx.Interfaces.By(model.ByClaim, host) {
			if a := had.Attachment; a.Claim.Device != d.Name {
				continue
			} else if !a.DeleteOnTermination || had.Subnet != subnet.ID || !d.is(a.Claim) || a.Claim.Releasing {
				return claimedBy(had.ID, a.Claim)
			}
			i := *had
			id = i.ID
			if err := d.takeMAC(tx, &i); err != nil {
				return err
			}
			if d.takeFor(&i) || i.MAC != had.MAC {
				tx.Interfaces.Put(&i)
			}
			return nil
		}
		groups, err := ofNewInterface.groups(tx, s.quotas(tx.Snapshot, subnet.Scope), subnet, groupIDs(tx, subnet, spec.Groups))
		if err != nil {
			return err
		}
		if err := s.checkTagCount(spec.Tags); err != nil {
			return err
		}
		i, err := s.newInterface(tx, subnet, groups, &spec)
		if err != nil {
			return err
		}
		if err := d.takeMAC(tx, i); err != nil {
			return err
		}
		if err := s.claim(tx, host, i, d); err != nil {
			return err
		}
		i.Attachment.DeleteOnTermination = true
		tx.Interfaces.Put(i)
		id = i.ID
		return nil
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// groupIDs returns groups with the names of groups of the subnet's VPC replaced by
// their ids. What is neither stays as it is.
func groupIDs(tx *model.Tx, subnet *secgroup.Subnet, groups []string) []string {
	ids := make([]string, len(groups))
	for n, name := range groups {
		ids[n] = name
		if secgroup.WellFormed(secgroup.GroupPrefix, name) {
			continue
		}
		for g := range tx.Groups.By(model.ByName, model.NameValue(subnet.VPC, name)) {
			if g.Name == name {
				ids[n] = g.ID
			}
		}
	}
	return ids
}

// claim notes that an interface is claimed; the caller puts it.
func (s *Service) claim(tx *model.Tx, host string, i *secgroup.Interface, d ClaimedDevice) error {
	tx.Guard("claims/" + host) // whoever owns them, two interfaces have two devices
	for other := range tx.Interfaces.By(model.ByClaim, host) {
		if other.ID != i.ID && other.Claimed().Device == d.Name {
			return secgroup.Errorf("InvalidParameterValue", "Device %s of host %s is interface %s.", d.Name, host, other.ID)
		}
	}
	i.Attachment = &secgroup.Attachment{
		ID: newID(secgroup.ClaimPrefix), DeviceIndex: 1, Attached: s.now().UTC(),
		Claim: &secgroup.Claim{Host: host, Device: d.Name, Own: d.Own, For: d.For},
	}
	return nil
}

// is reports whether a claim of the same host is for this device and what is behind
// it. Who does not say what is behind it means whatever is.
func (d *ClaimedDevice) is(c *secgroup.Claim) bool {
	return c.Device == d.Name && c.Own == d.Own && (c.For == d.For || c.For == "" || d.For == "")
}

// takeFor notes what is behind the device of a claim, if that was not said before,
// and reports whether it did; the caller puts the interface.
func (d *ClaimedDevice) takeFor(i *secgroup.Interface) bool {
	if d.For == "" || i.Attachment.Claim.For == d.For {
		return false
	}
	a, c := *i.Attachment, *i.Attachment.Claim
	c.For, a.Claim, i.Attachment = d.For, &c, &a
	return true
}

func (d *ClaimedDevice) check() error {
	if d.Name == "" || len(d.Name) > 15 || !plainName(d.Name) {
		return errDeviceName
	}
	if len(d.For) > 128 || strings.ContainsFunc(d.For, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errDeviceFor
	}
	if d.MAC != nil && (len(d.MAC) != 6 || d.MAC[0]&1 != 0 || d.MAC.String() == "00:00:00:00:00:00") {
		return errDeviceMAC
	}
	return nil
}

// takeMAC gives an interface the MAC address of the far end; the caller puts it.
func (d *ClaimedDevice) takeMAC(tx *model.Tx, i *secgroup.Interface) error {
	if d.MAC == nil {
		return nil
	}
	for other := range tx.Interfaces.By(model.ByMAC, model.AddressValue(i.VPC, d.MAC.String())) {
		if other.ID != i.ID {
			return secgroup.Errorf("InvalidParameterValue", "MAC address %s is interface %s's.", d.MAC, other.ID)
		}
	}
	i.MAC = d.MAC.String()
	return nil
}

// plainName reports whether the kernel takes a device name.
func plainName(name string) bool {
	if name == "." || name == ".." {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '/' || c == ':' {
			return false
		}
	}
	return true
}

// foreign is the refusal of a host's words about an interface that is another's. It
// is ErrNotOnHost, so that who speaks for the host can note it.
type foreign struct{ no error }

func (f foreign) Error() string   { return f.no.Error() }
func (f foreign) Unwrap() []error { return []error{f.no, ErrNotOnHost} }

func claimedBy(id string, c *secgroup.Claim) error {
	device := c.Device
	if c.For != "" {
		device += " of " + c.For
	}
	return secgroup.Errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use. Host %s has claimed it for device %s.", id, c.Host, device)
}

// ReleaseInterface has a host give up what it claimed. The interface is available
// when the host has taken its programs off the device and said so
// (ReportReleased). To give up what nobody claims changes nothing.
//
// Errors: InvalidNetworkInterfaceID.NotFound, InvalidNetworkInterface.InUse and
// ErrNotOnHost (an instance or another host has it).
func (s *Service) ReleaseInterface(ctx context.Context, host, id string) error {
	return s.onInterface(ctx, id, func(tx *model.Tx, was *secgroup.Interface) error {
		switch c := was.Claimed(); {
		case was.Attachment == nil:
			return nil
		case c == nil:
			return foreign{inUse(id)}
		case c.Host != host:
			return foreign{claimedBy(id, c)}
		case c.Releasing:
			return nil
		}
		i, a, c := *was, *was.Attachment, *was.Attachment.Claim
		c.Releasing = true
		i.Attachment, a.Claim = &a, &c
		tx.Interfaces.Put(&i)
		return nil
	})
}

// ReportReleased takes a host's word that the device of a claim given up is no
// longer enforced; the interface becomes available, or is deleted if it was made
// with the claim. It is ignored if nobody waits for it.
func (s *Service) ReportReleased(ctx context.Context, host, id string) error {
	err := s.onInterface(ctx, id, func(tx *model.Tx, was *secgroup.Interface) error {
		if c := was.Claimed(); c == nil || c.Host != host || !c.Releasing {
			return nil
		}
		letGo(tx, was)
		return nil
	})
	if no := new(secgroup.Error); errors.As(err, &no) && no.Code == "InvalidNetworkInterfaceID.NotFound" {
		return nil // it went with its claim: the host says so twice when it is asked meanwhile
	}
	return err
}

// onInterface runs edit on the interface of an id, whose account nobody asked for.
func (s *Service) onInterface(ctx context.Context, id string, edit func(*model.Tx, *secgroup.Interface) error) error {
	seen := s.Read().Interfaces.Get(id)
	if seen == nil {
		return noInterface.err(id)
	}
	return s.write(ctx, seen.Scope, func(tx *model.Tx) error {
		i := tx.Interfaces.Get(id)
		if i == nil {
			return noInterface.err(id)
		}
		return edit(tx, i)
	})
}
