// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/secgroup"
)

// worker makes or removes one instance, one step at a time, without holding up
// anything else.
type worker struct {
	id      string
	wake    chan struct{} // capacity 1; a full one already says what there is to say
	started bool
}

// work has an instance looked at again. The caller holds a.mu.
func (a *Agent) work(id string) {
	w := a.workers[id]
	if w == nil {
		w = &worker{id: id, wake: make(chan struct{}, 1)}
		a.workers[id] = w
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	a.start(w)
}

// start gives a worker its goroutine once the agent runs. The caller holds a.mu.
func (a *Agent) start(w *worker) {
	if a.ctx == nil || w.started || a.ctx.Err() != nil {
		return
	}
	w.started = true
	a.running.Add(1)
	go func() {
		defer a.running.Done()
		a.serve(a.ctx, w)
	}()
}

// serve brings one instance in line whenever it is woken, and again after a
// failure, until the instance is gone or ctx ends.
func (a *Agent) serve(ctx context.Context, w *worker) {
	var again <-chan time.Time
	for {
		select {
		case <-w.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		a.mu.Lock()
		want, unwanted := a.instances[w.id], a.closedOf(w.id)
		a.mu.Unlock()
		err := a.bring(ctx, w.id, want)
		if errors.Is(err, errOvertaken) {
			continue
		}
		a.mu.Lock()
		if err == nil {
			for _, id := range unwanted { // their devices went with what was brought in line
				a.release(id)
			}
		}
		a.try("instance "+w.id, func() error { return err })
		delete(a.redo, "instance "+w.id) // the worker tries again itself
		if err != nil {
			again = time.After(retryEvery)
		} else if a.instances[w.id] == nil && len(w.wake) == 0 {
			delete(a.workers, w.id)
			delete(a.revivals, w.id)
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
	}
}

// errOvertaken reports that an instance could not be made what it was wanted to
// be, and that something else is wanted by now: its worker has been woken again.
var errOvertaken = errors.New("no longer wanted so")

func (a *Agent) overtaken(id string, want *feed.Instance) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !sameWork(a.instances[id], want)
}

// sameWork reports whether two states of an instance are the same to the driver:
// what services tell of it is not its business.
func sameWork(was, now *feed.Instance) bool {
	if was == nil || now == nil {
		return was == now
	}
	a, b := *was, *now
	a.Facts, b.Facts = feed.Facts{}, feed.Facts{}
	return reflect.DeepEqual(a, b)
}

// bring makes one instance what it is wanted to be and reports that it is.
func (a *Agent) bring(ctx context.Context, id string, want *feed.Instance) error {
	if want == nil {
		return a.destroy(ctx, id)
	}
	switch want.State {
	case secgroup.Pending, secgroup.Running:
		spec, err := a.spec(want)
		if err == nil {
			err = a.cfg.Driver.Ensure(ctx, spec, a.attach)
		}
		if err != nil && a.overtaken(id, want) {
			return errOvertaken
		}
		if want.State == secgroup.Running || ctx.Err() != nil {
			return err
		}
		if err != nil {
			// EC2 gives up on an instance that it cannot launch and says why.
			a.cfg.Log.Error("cannot launch", "instance", id, "error", err)
			return a.cfg.Report(ctx, id, secgroup.Terminated, err.Error())
		}
		return a.cfg.Report(ctx, id, secgroup.Running, "")
	case secgroup.Stopping:
		if err := a.cfg.Driver.Destroy(ctx, id); err != nil {
			return err
		}
		return a.cfg.Report(ctx, id, secgroup.Stopped, "")
	case secgroup.ShuttingDown:
		if err := a.destroy(ctx, id); err != nil {
			return err
		}
		return a.cfg.Report(ctx, id, secgroup.Terminated, "")
	case secgroup.Stopped:
		return a.cfg.Driver.Destroy(ctx, id)
	}
	return fmt.Errorf("instance %s has state %q, which this agent does not know", id, want.State)
}

// destroy removes an instance with everything that was kept for it.
func (a *Agent) destroy(ctx context.Context, id string) error {
	if err := a.cfg.Driver.Destroy(ctx, id); err != nil {
		return err
	}
	return a.cfg.Driver.Forget(id)
}

// destroyLeftovers has instances and interfaces removed that an earlier agent
// made and nobody wants any more. The caller holds a.mu.
func (a *Agent) destroyLeftovers() {
	a.try("leftover instances", func() error {
		found, err := a.cfg.Driver.List()
		if err != nil {
			return err
		}
		for _, f := range found {
			unwanted := a.instances[f.ID] == nil
			for _, i := range f.Interfaces {
				if c, left := a.closed[i.ID]; left {
					c.instance, unwanted = f.ID, true
					a.closed[i.ID] = c
				}
			}
			if unwanted {
				a.cfg.Log.Info("removing what nobody wants any more", "instance", f.ID)
				a.work(f.ID)
			}
		}
		for _, id := range a.closedOf("") {
			if !a.closed[id].device.claimed { // no device of theirs is left
				a.release(id)
			}
		}
		return nil
	})
}

// spec returns an instance as the driver wants it described.
func (a *Agent) spec(want *feed.Instance) (instance.Spec, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	spec := instance.Spec{ID: want.ID, UserData: want.UserData, FirstBoot: want.FirstBoot, Reboots: want.Reboots, Translates: want.Translates}
	if a.cfg.Program != nil {
		spec.Program, spec.Ended = a.cfg.Program(want), func() { a.programEnded(want.ID) }
	}
	for _, id := range want.Interfaces {
		ifc := a.interfaces[id]
		if ifc == nil {
			return spec, fmt.Errorf("interface %s of %s is not known yet", id, want.ID)
		}
		mac, err := net.ParseMAC(ifc.MAC)
		if err != nil {
			return spec, fmt.Errorf("interface %s: %w", id, err)
		}
		spec.Interfaces = append(spec.Interfaces, instance.Interface{
			ID: id, DeviceIndex: ifc.DeviceIndex, MAC: mac, Addresses: ifc.Addresses, Prefixes: ifc.Prefixes, Gateways: ifc.Gateways,
		})
	}
	return spec, nil
}

// attach puts an interface in force before its device goes up: programs on the
// device, the policy of its groups, its addresses. On an error the device stays
// down.
func (a *Agent) attach(id, name string, index int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.attachTo(id, device{name: name, index: index})
}

// attachTo is attach for callers that hold a.mu.
func (a *Agent) attachTo(id string, now device) error {
	if a.interfaces[id] == nil {
		return fmt.Errorf("interface %s is no longer wanted", id)
	}
	if was, left := a.closed[id]; left && was.device != now {
		a.release(id) // its old device went when the driver made this one
	}
	delete(a.closed, id)
	a.attached[id] = now
	if err := a.putInterface(id); err != nil {
		return err
	}
	if err := a.judge(id, a.applied); err != nil {
		return fmt.Errorf("interface %s: %w", id, err)
	}
	a.tellAddressesOf(id)
	a.turn()
	return nil
}
