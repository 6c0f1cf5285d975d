// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Hosts returns every host, by name.
func (s *Service) Hosts() []*secgroup.Host { return slices.Collect(s.Read().Hosts.All()) }

// Host returns the host of that name, nil for none. Other servers may be a moment
// ahead, until Fresh returns.
func (s *Service) Host(name string) *secgroup.Host { return s.Read().Hosts.Get(name) }

// WatchHosts calls changed with the names of hosts whose rows may have changed,
// until ctx ends, and returns its cause. The first call names all of them.
func (s *Service) WatchHosts(ctx context.Context, changed func(names []string)) error {
	sub := s.model.Subscribe()
	defer sub.Close()
	known := map[string]bool{} // to name those that are gone, too
	for {
		snap, refs, all, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		var names []string
		if all {
			for h := range snap.Hosts.All() {
				known[h.Name] = true
			}
			for name := range known {
				names = append(names, name)
			}
		}
		for ref := range refs {
			if ref.Kind == model.Hosts && !all {
				known[ref.ID] = true
				names = append(names, ref.ID)
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			changed(names)
		}
	}
}

// SetHostDisabled refuses a host from now on, or takes it again. The instances
// of a disabled host stay what they are: it goes on enforcing what it was told
// last, other hosts send it nothing, and nothing new is placed there.
func (s *Service) SetHostDisabled(ctx context.Context, name string, disabled bool) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		was := tx.Hosts.Get(name)
		if was == nil {
			return secgroup.NoHost(name)
		}
		if was.Disabled == disabled {
			return nil
		}
		h := *was
		h.Disabled = disabled
		if err := underlayFree(tx.Snapshot, &h); err != nil {
			return err
		}
		tx.Hosts.Put(&h)
		return nil
	})
}

// underlayFree refuses an enabled host that says to be where another is.
func underlayFree(snap *model.Snapshot, h *secgroup.Host) error {
	if h.Disabled || !h.Underlay.IsValid() {
		return nil
	}
	for other := range snap.Hosts.By(model.ByUnderlay, h.Underlay.String()) {
		if other.Name != h.Name {
			return secgroup.Errorf(secgroup.UnderlayTaken, "The underlay address %s of %s is that of the host %s. Give each host an address of its own with --underlay, or remove the host that is gone.", h.Underlay, h.Name, other.Name)
		}
	}
	return nil
}

// RemoveHost forgets a host on which nothing runs and to whose devices nothing is
// attached; stopped instances start on another one. lost says that the machine is
// gone with all of that: its instances become stopped, streaming instances are made
// anew, and what it had claimed is given up.
func (s *Service) RemoveHost(ctx context.Context, name string, lost Lost) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if tx.Hosts.Get(name) == nil {
			return secgroup.NoHost(name)
		}
		tx.Guard(hostGuard(name))
		on := slices.Collect(tx.Instances.By(model.ByHost, name))
		for _, in := range on {
			if in.State != secgroup.Stopped && !lost {
				return secgroup.Errorf(secgroup.HostInUse, "The instance %s on the host %s is %s. Terminate or stop what is there (`hedgeward host list --instances`), or, if the machine is gone, say --lost.", in.ID, name, in.State)
			}
		}
		claimed := slices.Collect(tx.Interfaces.By(model.ByClaim, name))
		for _, i := range claimed {
			if !lost {
				return secgroup.Errorf(secgroup.HostInUse, "The interface %s is attached to device %s of the host %s. Detach it there (`hedgeward-agent detach`), or, if the machine is gone, say --lost.", i.ID, i.Claimed().Device, name)
			}
		}
		for _, in := range on {
			s.lose(tx, in)
		}
		tx.Guard("claims/" + name)
		for _, i := range claimed {
			tx.Guard(model.ScopeID(i.Scope))
			letGo(tx, i)
		}
		tx.Hosts.Delete(name)
		return nil
	})
}

// Lost says whether a host that is removed is gone with everything on it.
type Lost bool

// lose takes an instance off its host, where nothing is left of it.
func (s *Service) lose(tx *model.Tx, was *secgroup.Instance) {
	tx.Guard(model.ScopeID(was.Scope))
	in := *was
	in.Host = ""
	if what := in.Streaming; what != nil && in.State != secgroup.Stopped {
		tx.Guard(model.ScopeID(what.Owner))
		s.loseStreaming(tx, &in)
		return
	}
	switch in.State {
	case secgroup.ShuttingDown:
		s.bury(&in)
	case secgroup.Pending, secgroup.Running, secgroup.Stopping:
		in.State, in.Reason, in.ReasonAt = secgroup.Stopped, "Server.HostLost: the host of the instance was removed", s.now().UTC()
		releasePublic(tx, in.ID)
	}
	tx.Instances.Put(&in)
}

// loseStreaming is lose for an instance of the service's: the gateway is placed
// anew, builders that keep their instance have it stopped, others go.
func (s *Service) loseStreaming(tx *model.Tx, in *secgroup.Instance) {
	for _, v := range slices.Collect(tx.StreamingSessions.By(model.ByInstance, in.ID)) {
		s.endSession(tx, v)
	}
	switch what := in.Streaming; {
	case what.Kind == secgroup.GatewayKind: // placeHomeless finds it another host
		in.State = secgroup.Pending
		in.Boots++
		tx.Instances.Put(in)
	case what.Kind == secgroup.ImageBuilderKind && in.State != secgroup.ShuttingDown:
		in.State = secgroup.Stopped
		releasePublic(tx, in.ID)
		tx.Instances.Put(in)
		s.builderLost(tx, what)
	default:
		release(tx, in.ID)
		tx.Instances.Delete(in.ID)
		s.builderLost(tx, what)
	}
}

// builderLost stops a builder whose instance is gone: its owner starts it again.
func (s *Service) builderLost(tx *model.Tx, what *secgroup.Streaming) {
	was := tx.Builders.Get(model.BuilderID(what.Owner, what.Kind, what.Name))
	if was == nil || was.State == secgroup.BuilderDeleting {
		return
	}
	b := *was
	b.State, b.Errors = secgroup.BuilderStopped, streamingErrors(nil, s.now(), &shortfall{instanceUnmade, "The host of its instance was lost."})
	tx.Builders.Put(&b)
}
