// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// HostOf returns the host that enforces an interface, "" if none does.
func HostOf(snap *model.Snapshot, i *secgroup.Interface) string {
	if c := i.Claimed(); c != nil {
		return c.Host
	}
	if i.Attachment == nil {
		return ""
	}
	on := snap.Instances.Get(i.Attachment.Instance)
	if on == nil || on.State != secgroup.Pending && on.State != secgroup.Running {
		return ""
	}
	return on.Host
}

// InForce returns what says by which revision of the store an interface is judged, 0
// if none does or nobody knows. It asks about each host once, so that what it says of
// several interfaces is of one moment.
func (s *Service) InForce(snap *model.Snapshot) func(*secgroup.Interface) int64 {
	type progress struct {
		revision int64
		behind   map[string]int64
	}
	asked := map[string]progress{}
	return func(i *secgroup.Interface) int64 {
		host := HostOf(snap, i)
		if host == "" || s.inForce == nil {
			return 0
		}
		p, known := asked[host]
		if !known {
			p.revision, p.behind = s.inForce(host)
			asked[host] = p
		}
		if is, behind := p.behind[i.ID]; behind {
			return is
		}
		return p.revision
	}
}
