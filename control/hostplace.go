// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Presence tells which hosts are connected to a server of the installation,
// whichever that is. It is asked inside operations and must not wait.
type Presence interface {
	Connected(host string) bool
}

// errNoCapacity is the refusal when no host is there to take an instance.
var errNoCapacity = secgroup.Errorf("InsufficientInstanceCapacity",
	"There is not enough capacity to fulfill your launch request: no host is enabled and connected.")

// place returns the host that takes a further instance: of those that are enabled
// and connected, and that fits reports true of, the one with the fewest instances, by
// name among equals. It looks at every host and at no instance. nil fits all.
//
// The host is guarded, so that it cannot be removed by another server while
// something is placed there, and two servers that choose the same one see each
// other's choice.
func (s *Service) place(tx *model.Tx, fits func(*secgroup.Host) bool) (string, error) {
	if s.presence == nil {
		return s.host, nil
	}
	best, fewest := "", 0
	for h := range tx.Hosts.All() {
		if !s.takes(h) || fits != nil && !fits(h) {
			continue
		}
		if n := tx.Instances.Count(model.ByHost, h.Name); best == "" || n < fewest {
			best, fewest = h.Name, n
		}
	}
	if best == "" {
		return "", errNoCapacity
	}
	tx.Guard(hostGuard(best))
	return best, nil
}

// hostGuard is the guard of who is on a host.
func hostGuard(name string) string { return "host." + name }

func (s *Service) takes(h *secgroup.Host) bool { return !h.Disabled && s.presence.Connected(h.Name) }

// replace places an instance that is about to start again: where it was if that
// host is there, otherwise on another. Of a stopped instance nothing is left on
// its host.
func (s *Service) replace(tx *model.Tx, in *secgroup.Instance) error {
	if s.presence == nil {
		if in.Host == "" {
			in.Host = s.host
		}
		return nil
	}
	fits := s.fits(tx, in.Streaming)
	if h := tx.Hosts.Get(in.Host); h != nil && s.takes(h) && (fits == nil || fits(h)) {
		tx.Guard(hostGuard(in.Host))
		return nil
	}
	host, err := s.place(tx, fits)
	if err == nil {
		in.Host = host
	}
	return err
}

// fits returns which hosts can have an instance: what is no NAT gateway and not the
// streaming gateway itself has to be where that reaches it. nil is all.
func (s *Service) fits(tx *model.Tx, what *secgroup.Streaming) func(*secgroup.Host) bool {
	if what == nil || what.Kind == secgroup.NATKind || what.Kind == secgroup.GatewayKind {
		return nil
	}
	return s.reaches(tx.Snapshot)
}

// placeHomeless places instances of the service's whose host was lost when no
// other was there.
func (s *Service) placeHomeless(ctx context.Context) error {
	var failed []error
	for _, in := range slices.Collect(s.Read().Instances.By(model.ByHost, "")) {
		if in.State != secgroup.Pending {
			continue
		}
		err := s.write(ctx, in.Scope, func(tx *model.Tx) error {
			now := tx.Instances.Get(in.ID)
			if now == nil || now.Host != "" || now.State != secgroup.Pending {
				return nil
			}
			next := *now
			if err := s.replace(tx, &next); err != nil {
				return err
			}
			tx.Instances.Put(&next)
			return nil
		})
		if err != nil && !errors.Is(err, errNoCapacity) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
