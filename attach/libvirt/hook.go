// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/attach"
)

// Hook is what libvirt runs as its hook for QEMU.
type Hook struct {
	Client *attach.Client
	// All refuses domains that say nothing to us and have interfaces; without it, they
	// are none of our business.
	All bool
	Log *slog.Logger
}

// Run does what one call of the hook asks for: operation and sub-operation as libvirt
// names them, the domain's XML from in. An error means that the domain must not start,
// or go on; libvirt reads it so from the exit status.
func (h *Hook) Run(ctx context.Context, operation, sub string, in io.Reader) error {
	when := operation + " " + sub
	do := map[string]func(context.Context, *Domain) error{
		"prepare begin":   func(_ context.Context, d *Domain) error { _, err := h.plan(d, false); return err },
		"start begin":     h.start,  // taps are there, the machine is not
		"started begin":   h.verify, // it runs
		"attach begin":    h.verify, // it was started by somebody else
		"reconnect begin": h.reconnect,
		"migrate begin":   h.migrate,
		"stopped end":     h.stop,
		"release end":     h.stop,
	}[when]
	if do == nil {
		return nil // nothing that begins or ends an interface
	}
	d, err := Read(in)
	if err != nil {
		return fmt.Errorf("read the domain's XML: %w", err)
	}
	if err := do(ctx, d); err != nil {
		return fmt.Errorf("%s of domain %s: %w", when, d.Name, err)
	}
	return nil
}

// words begins what the claims of a domain say that they are for.
func (d *Domain) words() string { return "libvirt/" + d.UUID + "/" }

// step has one interface enforced.
type step struct {
	eni     string // "": one is made
	request attach.Request
}

// plan returns what is to be attached for a domain. Its devices are there, or will be.
func (h *Hook) plan(d *Domain, there bool) (out []step, err error) {
	if !d.Marked && !h.All {
		return nil, nil
	}
	if !d.Marked && len(d.Devices) > 0 {
		return nil, errors.New("its metadata names no interfaces for hedgeward, without which no domain starts on this host")
	}
	for _, device := range d.Devices {
		n := slices.IndexFunc(d.Wanted, func(w Wanted) bool { return w.MAC == device.MAC })
		switch {
		case n < 0:
			return nil, fmt.Errorf("its interface with MAC address %s is not in the metadata for hedgeward, and would be judged by nobody; name it there", device.MAC)
		case !slices.Contains([]string{"network", "bridge", "ethernet"}, device.Kind) || device.Passed:
			return nil, fmt.Errorf("its interface with MAC address %s is of type %s and has no tap on the host; use a bridge, or a network with one", device.MAC, device.kind())
		case device.Target == "" && there:
			return nil, fmt.Errorf("libvirt names no tap for its interface with MAC address %s", device.MAC)
		}
		w := d.Wanted[n]
		out = append(out, step{w.ENI, attach.Request{
			Device: device.Target, MAC: w.MAC, For: d.words() + w.MAC, Subnet: w.Subnet, Groups: w.Groups, Addresses: w.Addresses,
			Description: fmt.Sprintf("%s of domain %.100s", w.MAC, d.Name),
		}})
	}
	return out, nil
}

func (d *Device) kind() string {
	if d.Passed {
		return d.Kind + " with a macvtap"
	}
	return d.Kind
}

// start has all interfaces of a domain enforced, or none.
func (h *Hook) start(ctx context.Context, d *Domain) error {
	steps, err := h.plan(d, true)
	if err == nil && len(steps) > 0 {
		if err = h.makeWay(ctx, steps); err == nil {
			err = h.attach(ctx, d, steps)
		}
	}
	if err == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	failed := []error{err, h.stop(ctx, d)}
	if eni := attach.Left(err); eni != "" { // the host may not have heard of it yet
		if err := h.Client.Detach(ctx, eni); !attach.Is(err, attach.NotClaimed) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// makeWay gives up what is left of an earlier start of the domain, the end of which
// nobody answered: its taps had other names, or were other interfaces. Nothing runs
// behind them.
func (h *Hook) makeWay(ctx context.Context, steps []step) error {
	all, err := h.Client.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps {
		for _, had := range all {
			if had.For != s.request.For || had.Device == s.request.Device && (s.eni == "" || s.eni == had.ENI) {
				continue
			}
			if err := h.Client.Detach(ctx, had.ENI); err != nil && !attach.Is(err, attach.NotClaimed) {
				return fmt.Errorf("give back %s at %s: %w", had.ENI, had.Device, err)
			}
		}
	}
	return nil
}

// verify has all interfaces of a domain enforced. If that fails, those that are stay
// so: the machine may run until libvirt has killed it.
func (h *Hook) verify(ctx context.Context, d *Domain) error {
	steps, err := h.plan(d, true)
	if err != nil || len(steps) == 0 {
		return err
	}
	return h.attach(ctx, d, steps)
}

// errUnanswered is that of a host at whose socket nobody answers.
var errUnanswered = errors.New("nobody answers")

// answer returns what came of asking, as errUnanswered if that was nothing.
func answer(err error) error {
	if answered := new(attach.Error); err != nil && (!errors.As(err, &answered) || answered.Code == attach.Unavailable) {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	return err
}

// attach has interfaces enforced at the devices that are there now.
func (h *Hook) attach(ctx context.Context, d *Domain, steps []step) (err error) {
	for _, s := range steps {
		var i *attach.Interface
		if s.eni != "" {
			i, err = h.Client.Attach(ctx, s.eni, s.request)
		} else {
			i, err = h.Client.AttachNew(ctx, s.request)
		}
		if err = answer(err); err == nil && (i.State != attach.Enforced || i.MAC != s.request.MAC || i.For != s.request.For || s.eni != "" && i.ENI != s.eni) {
			err = &attach.Error{Code: attach.NotEnforced, ENI: i.ENI, Message: i.ENI + " is not what was asked for; the host and its servers may be older than this hook"}
		}
		if err != nil {
			return fmt.Errorf("have %s enforced for MAC address %s: %w", s.request.Device, s.request.MAC, err)
		}
		h.Log.Info("enforced", "domain", d.Name, "device", i.Device, "interface", i.ENI, "revision", i.Revision)
	}
	return nil
}

// reconnect looks after a domain that has been running. libvirt kills it if that
// fails, so it fails only where an interface is judged by nobody, or as somebody
// else's: what is in force needs neither agent nor server, and may be of a time when
// the metadata said something else.
func (h *Hook) reconnect(ctx context.Context, d *Domain) error {
	err := h.verify(ctx, d)
	if errors.Is(err, errUnanswered) || err != nil && h.judged(ctx, d) {
		h.Log.Warn("a domain goes on with what is in force at its interfaces", "domain", d.Name, "error", err)
		return nil
	}
	return err
}

// judged reports whether all interfaces of a domain are judged by some rules, or
// closed.
func (h *Hook) judged(ctx context.Context, d *Domain) bool {
	all, err := h.Client.List(ctx)
	if err != nil {
		return false
	}
	for _, device := range d.Devices {
		if !slices.ContainsFunc(all, func(i attach.Interface) bool {
			return i.For == d.words()+device.MAC && i.Device == device.Target && slices.Contains([]string{attach.Enforced, attach.Behind, attach.Closed}, i.State)
		}) {
			return false
		}
	}
	return true
}

// migrate refuses domains of ours that come from another host, where their interfaces
// are claimed.
func (h *Hook) migrate(_ context.Context, d *Domain) error {
	if steps, err := h.plan(d, false); err != nil || len(steps) == 0 {
		return err
	}
	return errors.New("its interfaces belong to the host that it comes from and cannot move under a running machine; shut it down there and start it here")
}

// stop gives up what is claimed for a domain, whatever its metadata says now.
func (h *Hook) stop(ctx context.Context, d *Domain) error {
	all, err := h.Client.List(ctx)
	if err != nil && !d.Marked {
		return nil // none of ours, as far as can be known
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, i := range all {
		if !strings.HasPrefix(i.For, d.words()) {
			continue
		}
		if err := h.Client.Detach(ctx, i.ENI); err != nil && !attach.Is(err, attach.NotClaimed) {
			failed = append(failed, fmt.Errorf("give back %s at %s: %w", i.ENI, i.Device, err))
		}
	}
	return errors.Join(failed...)
}
