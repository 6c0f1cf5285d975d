// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ends are the two of a container's interface.
type ends struct {
	device string // on the host
	index  int    // of that device
	mac    string // that the container sends with
	peer   bool   // the kernel says that the device leads to this container, and not only the configuration
}

// find returns the ends of a container's interface. The host's is the other end of
// the veth, as the kernel knows it and whatever the plugin before said; device names
// it if the interface is none.
//
// Errors: ErrInvalidNetNS; ErrInvalidNetworkConfig if there is no such pair.
func find(path, ifname, device string) (*ends, error) {
	space, err := netns.GetFromPath(path)
	if err != nil {
		return nil, types.NewError(types.ErrInvalidNetNS, fmt.Sprintf("cannot open the container's network namespace %s", path), err.Error())
	}
	defer space.Close()
	own, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the plugin's network namespace: %w", err)
	}
	defer own.Close()
	if own.Equal(space) {
		return nil, types.NewError(types.ErrInvalidNetNS, "CNI_NETNS is the network namespace of the host; a container there has no interface of its own", "")
	}
	in, err := netlink.NewHandleAt(space, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("look into the container's network namespace %s: %w", path, err)
	}
	defer in.Close()
	inside, err := in.LinkByName(ifname)
	if err != nil {
		return nil, bad("the container has no interface %s (%v); put hedgeward-cni behind the plugin that makes it", ifname, err)
	}
	var outside netlink.Link
	switch {
	case device != "":
		if outside, err = netlink.LinkByName(device); err != nil {
			return nil, bad("the host has no device %s (%v)", device, err)
		}
	case inside.Type() != "veth":
		return nil, bad("interface %s of the container is of type %s and has no other end on the host; name the host's device with \"device\", or use a plugin that makes veths, such as bridge or ptp",
			ifname, inside.Type())
	default:
		if outside, err = otherEnd(inside, space); err != nil {
			return nil, bad("the other end of interface %s of the container is not in this network namespace (%v)", ifname, err)
		}
	}
	if !closable(outside) {
		return nil, bad("device %s is of type %s; hedgeward-cni has veths and taps enforced, of which one container has the other end", outside.Attrs().Name, outside.Type())
	}
	return &ends{outside.Attrs().Name, outside.Attrs().Index, inside.Attrs().HardwareAddr.String(), device == ""}, nil
}

// otherEnd returns the host's end of a veth that is in space. All containers' ends may
// have the same number, so the host's must also say in which namespace its peer is.
func otherEnd(inside netlink.Link, space netns.NsHandle) (netlink.Link, error) {
	outside, err := netlink.LinkByIndex(inside.Attrs().ParentIndex)
	if err != nil {
		return nil, err
	}
	id, err := netlink.GetNetNsIdByFd(int(space))
	if err != nil {
		return nil, err
	}
	o := outside.Attrs()
	if outside.Type() != "veth" || o.ParentIndex != inside.Attrs().Index || id < 0 || o.NetNsID != id {
		return nil, fmt.Errorf("device %d there is %s, another's", o.Index, o.Name)
	}
	return outside, nil
}

// closable reports whether a device is one container's alone, so that it may be
// brought down without hurting anybody else.
func closable(l netlink.Link) bool { return l.Type() == "veth" || l.Type() == "tuntap" }

// shut brings down the device of a number, if there is one: nothing passes it any
// more, whoever judges it. A number is never given to a second device.
func shut(index int) error {
	l, err := netlink.LinkByIndex(index)
	if gone := (netlink.LinkNotFoundError{}); index == 0 || errors.As(err, &gone) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find device %d to bring it down: %w", index, err)
	}
	if !closable(l) || l.Attrs().Flags&net.FlagUp == 0 {
		return nil
	}
	if err := netlink.LinkSetDown(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("bring down device %s: %w", l.Attrs().Name, err)
	}
	return nil
}
