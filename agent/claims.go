// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
)

// claim is what became of an interface that the host has claimed for a device
// (docs/spec/packet-semantics.md section 4.8).
type claim struct {
	seen     bool // it has been in force, or has been waited for: the device was known when it came
	exposed  int
	released bool // nothing of it is in force any more
}

// ClaimState is how far a claimed interface got.
type ClaimState string

const (
	ClaimEnforced ClaimState = "enforced" // programs are on the device and judge by the groups' rules
	ClaimBehind   ClaimState = "behind"   // they judge, but not all is as asked: by earlier rules, or the device has another name
	ClaimClosed   ClaimState = "closed"   // programs are on the device and drop everything
	ClaimAbsent   ClaimState = "absent"   // there is no device of that name: it is enforced when it comes
	ClaimFailed   ClaimState = "failed"   // there is one, and no programs are on it: nobody judges it
	ClaimReleased ClaimState = "released" // given up: no programs are on the device
)

// ClaimStatus is an interface that the host has claimed.
type ClaimStatus struct {
	Interface string     `json:"eni"`
	Device    string     `json:"device"`
	Index     int        `json:"index,omitempty"` // of the device that the programs are on; 0 for none
	Own       bool       `json:"own,omitempty"`   // a NIC of the host itself
	MAC       string     `json:"mac"`             // that the far end must use
	Addresses []string   `json:"addresses"`
	Groups    []string   `json:"groups"`
	For       string     `json:"for,omitempty"` // what is behind the device, see secgroup.Claim
	State     ClaimState `json:"state"`
	Detail    string     `json:"detail,omitempty"` // why it is not what it should be; "" otherwise
	Revision  int64      `json:"revision"`         // enforced: of the server's state that it is judged by; else 0
	// Exposed counts the devices of that name that were up before the host enforced
	// them, since its agent began.
	Exposed int `json:"exposed"`
}

// Claims reports what became of the claimed interfaces, by device. changed is closed
// when that may be something else.
func (a *Agent) Claims() (all []ClaimStatus, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, want := range a.interfaces {
		c := a.claims[id]
		if want.Device == "" || c == nil {
			continue
		}
		s := ClaimStatus{
			Interface: id, Device: want.Device, Own: want.Own, MAC: want.MAC, Groups: want.Groups, For: want.For, Addresses: []string{},
			Index: a.attached[id].index, State: ClaimAbsent, Exposed: c.exposed,
		}
		for _, p := range want.Addresses {
			s.Addresses = append(s.Addresses, p.Addr().String())
		}
		for _, object := range []string{"device of " + id, "interface " + id, "policy of " + id} {
			if err := a.faults[object]; err != nil {
				s.Detail = err.Error()
			}
		}
		switch {
		case c.released:
			s.State = ClaimReleased
		case a.isJudged(id) && s.Detail == "":
			s.State, s.Revision = ClaimEnforced, a.applied
		case a.isAttached(id) && a.judged[id] != nil:
			s.State = ClaimBehind
		case a.isAttached(id):
			s.State = ClaimClosed
		case s.Detail != "":
			s.State = ClaimFailed
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b ClaimStatus) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Interface, b.Interface))
	})
	return all, a.moved
}

// Look brings the claims of a device in line with it now; without, that happens when
// the kernel says that it has changed.
func (a *Agent) Look(device string) {
	if device != "" {
		a.deviceChanged(device, 0)
	}
}

// deviceChanged looks again at the claims that a device matters to.
func (a *Agent) deviceChanged(name string, index int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(a.claims)) {
		if want := a.interfaces[id]; want != nil && (name == "" || want.Device == name || index != 0 && a.attached[id].index == index) {
			a.tryDevice(id)
			a.turn()
			a.signal()
		}
	}
}

// tryDevice brings a claimed interface in line with the device that is there now.
// The caller holds a.mu.
func (a *Agent) tryDevice(id string) {
	a.try("device of "+id, func() error { return a.bringDevice(id) })
}

func (a *Agent) bringDevice(id string) error {
	want := a.interfaces[id]
	if want == nil || want.Device == "" {
		return nil
	}
	c := a.claims[id]
	if c == nil {
		c = &claim{}
		a.claims[id] = c
	}
	if want.Releasing {
		if err := a.withdraw(id); err != nil {
			return err
		}
		c.released = true
		return nil
	}
	c.released = false
	if a.cfg.Devices == nil {
		return errors.New("this agent enforces no devices but its own")
	}
	found, err := a.cfg.Devices.Find(want.Device)
	if err != nil && !errors.Is(err, instance.ErrNoDevice) {
		return err
	}
	if was, there := a.attached[id]; there && was.index != found.Index {
		if other, err := a.cfg.Devices.At(was.index); err == nil {
			return fmt.Errorf("device %s is called %s now and stays enforced; give it its name back, or detach %s", want.Device, other.Name, id)
		}
		if err := a.withdraw(id); err != nil { // with the device: its flows end
			return err
		}
	}
	if found.Index == 0 {
		c.seen = true
		return nil
	}
	if !a.isAttached(id) {
		if err := a.attachTo(id, device{found.Name, found.Index, true}); err != nil {
			return err
		}
		if c.seen && found.Up {
			c.exposed++
			a.cfg.Log.Warn("a device was up before it was enforced; have it attached before it is brought up (docs/attach.md)",
				"device", found.Name, "interface", id)
		}
	} else {
		if err := a.putInterface(id); err != nil {
			return err
		}
		if err := a.judge(id, a.applied); err != nil {
			return err
		}
	}
	c.seen = true
	for _, object := range []string{"interface " + id, "policy of " + id} { // of a device that is gone
		a.try(object, func() error { return nil })
	}
	return nil
}

// withdraw takes a claimed interface off its device, if it is on one.
func (a *Agent) withdraw(id string) error {
	if !a.isAttached(id) {
		return nil
	}
	if err := a.cfg.Datapath.SetPolicy(id, 0, a.applied); err != nil {
		return err
	}
	a.unjudge(id)
	if err := a.cfg.Datapath.Detach(id); err != nil && !errors.Is(err, datapath.ErrNotFound) {
		return err
	}
	delete(a.attached, id)
	return nil
}

// Forget takes the programs off the device of an interface that nobody wants any
// more and whose device somebody else made; until then it drops everything. It
// reports whether there was one.
func (a *Agent) Forget(_ context.Context, id string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, left := a.closed[id]; !left || !c.device.claimed {
		return false, nil
	}
	a.release(id)
	return true, a.faults["interface "+id]
}
