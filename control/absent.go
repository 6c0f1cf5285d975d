// SPDX-License-Identifier: Apache-2.0

package control

import (
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// absent is the refusal of ids that name nothing of the caller's: the code, and
// what the text calls them.
type absent struct{ code, noun string }

var (
	noInterface  = absent{"InvalidNetworkInterfaceID.NotFound", "networkInterface"}
	noInstance   = absent{"InvalidInstanceID.NotFound", "instance"}
	noSubnet     = absent{"InvalidSubnetID.NotFound", "subnet"}
	noAttachment = absent{"InvalidAttachmentID.NotFound", "network interface attachment"}
)

func (a absent) err(ids ...string) error {
	if len(ids) == 1 {
		return secgroup.Errorf(a.code, "The %s ID '%s' does not exist", a.noun, ids[0])
	}
	return secgroup.Errorf(a.code, "The %s IDs '%s' do not exist", a.noun, strings.Join(ids, ", "))
}

// interfacesOf returns the caller's interfaces of these ids, each id once.
func interfacesOf(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.Interface, error) {
	return rows(&snap.Interfaces, ids, noInterface, func(i *secgroup.Interface) bool { return i.Scope == scope })
}

// instancesOf returns the caller's instances of these ids, each id once.
// Terminated ones are still there.
func instancesOf(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.Instance, error) {
	return rows(&snap.Instances, ids, noInstance, func(i *secgroup.Instance) bool { return i.Scope == scope })
}

// Interfaces returns the scope's interfaces of these ids, or all for none.
func Interfaces(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.Interface, error) {
	return rowsOrAll(&snap.Interfaces, scope, ids, noInterface, func(i *secgroup.Interface) bool { return i.Scope == scope })
}

// Instances returns the scope's instances of these ids, or all for none;
// terminated ones too.
func Instances(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.Instance, error) {
	return rowsOrAll(&snap.Instances, scope, ids, noInstance, func(i *secgroup.Instance) bool { return i.Scope == scope })
}

// subnetOf returns the caller's subnet of that id.
func subnetOf(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.Subnet, error) {
	found, err := rows(&snap.Subnets, []string{id}, noSubnet, func(s *secgroup.Subnet) bool { return s.Scope == scope })
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// rows returns the rows of these ids, each once and in the order given; what is
// not there or not mine is refused, all in one text.
func rows[T any](t *model.Table[T], ids []string, a absent, mine func(*T) bool) ([]*T, error) {
	found, missing := pick(t, ids, mine)
	if missing != nil {
		return nil, a.err(missing...)
	}
	return found, nil
}

// pick returns the rows of these ids, each once and in the order given, and the
// ids of what is not there or not mine.
func pick[T any](t *model.Table[T], ids []string, mine func(*T) bool) (found []*T, missing []string) {
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if row := t.Get(id); row != nil && mine(row) {
			found = append(found, row)
		} else {
			missing = append(missing, id)
		}
	}
	return found, missing
}
