// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoDevice reports that the host has no device of a name.
var ErrNoDevice = errors.New("no such device")

// Device is a device of the host that somebody else made: a tap, one end of a
// veth pair, a NIC.
type Device struct {
	Name  string
	Index int // never another device's while the host runs
	Up    bool
	MAC   net.HardwareAddr // of the host's end; the far end of a tap or veth has its own
}

// Devices are those of the host.
type Devices struct{}

// Find returns the device of a name.
//
// Errors: ErrNoDevice; others if it carries no Ethernet frames, which nothing here
// can judge, or is a macvtap.
func (Devices) Find(name string) (Device, error) {
	l, err := netlink.LinkByName(name)
	if absent(err) {
		return Device{}, fmt.Errorf("%w: %s", ErrNoDevice, name)
	}
	if err != nil {
		return Device{}, fmt.Errorf("find device %s: %w", name, err)
	}
	return device(l)
}

// At returns the device of an index.
//
// Errors: as Find's.
func (Devices) At(index int) (Device, error) {
	l, err := netlink.LinkByIndex(index)
	if absent(err) {
		return Device{}, fmt.Errorf("%w: number %d", ErrNoDevice, index)
	}
	if err != nil {
		return Device{}, fmt.Errorf("find device %d: %w", index, err)
	}
	return device(l)
}

func device(l netlink.Link) (Device, error) {
	a := l.Attrs()
	if a.EncapType != "ether" {
		return Device{}, fmt.Errorf("device %s is of type %s and carries no Ethernet frames; make it a tap or veth", a.Name, a.EncapType)
	}
	if l.Type() == "macvtap" {
		return Device{}, fmt.Errorf("device %s is a macvtap: to the kernel its machine is the host, so both directions would be judged as the other one; make it a tap", a.Name)
	}
	return Device{Name: a.Name, Index: a.Index, Up: a.Flags&net.FlagUp != 0, MAC: a.HardwareAddr}, nil
}

// Watch calls changed with name and index of every device that comes, changes or
// goes until ctx ends, and returns its cause. Each time that it may have missed
// some, the first included, it calls changed with "" and 0: any may have changed.
func (Devices) Watch(ctx context.Context, changed func(name string, index int)) error {
	for ctx.Err() == nil {
		if err := watch(ctx, changed); err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch the devices of the host: %w", err)
		}
	}
	return context.Cause(ctx)
}

// watch is Watch until the kernel has lost something.
func watch(ctx context.Context, changed func(string, int)) error {
	done := make(chan struct{})
	defer close(done)
	updates := make(chan netlink.LinkUpdate, 1024) // a full one holds up the reader, and the kernel says what it lost
	lost := make(chan error, 1)
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
		ErrorCallback: func(err error) {
			select {
			case lost <- err:
			default:
			}
		},
	})
	if err != nil {
		return err
	}
	changed("", 0)
	for {
		select {
		case u, open := <-updates:
			if !open {
				select {
				case err := <-lost:
					if errors.Is(err, unix.ENOBUFS) {
						return nil
					}
					return err
				default:
					return nil
				}
			}
			changed(u.Attrs().Name, u.Attrs().Index)
		case <-ctx.Done():
			return nil
		}
	}
}
