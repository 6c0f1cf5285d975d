// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/policy"
)

// lab is one contender with everything it needs: two instances, as the driver
// makes them, on a router that is a namespace of its own. So no contender's
// hooks, tables or settings are in another's way, and the host's are not touched.
type lab struct {
	contender
	run      *run
	router   *space
	driver   *instance.Netns
	ids      [2]string // of the instances
	device   [2]string // their ends at the router
	index    [2]int
	peers    [2]*peer
	datapath *datapath.Datapath // of ours and attached, otherwise nil
	pins     string
	rules    [2]datapath.PolicyID
	rounds   int // of new flows, each with a port of its own
}

// build makes the lab of a contender. On error what it made is gone again.
func (r *run) build(ctx context.Context, c contender) (l *lab, err error) {
	l = &lab{contender: c, run: r, driver: instance.NewNetns(instance.Config{StateDir: r.dir, StopGrace: 200 * time.Millisecond})}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("lab of %s: %w", c.name, err), l.close())
		}
	}()
	if l.router, err = newSpace(); err != nil {
		return nil, err
	}
	if c.judge == ours || c.judge == attached {
		if err := l.openDatapath(); err != nil {
			return nil, err
		}
	}
	for end := range l.ids {
		if err := l.router.do(func() error { return l.makeEnd(ctx, end) }); err != nil {
			return nil, err
		}
	}
	if l.datapath != nil {
		err = l.putPolicies(c)
	}
	if err == nil && c.judge != ours {
		err = l.forward()
	}
	if err == nil && (c.judge == nftables || c.judge == openstack || c.judge == calico) {
		err = l.router.do(l.filter)
	}
	if err == nil && !c.small {
		err = l.startPeers()
	}
	return l, err
}

func mac(end int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 66, byte(end + 1)} }

// makeEnd makes one instance; the thread is in the router's namespace.
func (l *lab) makeEnd(ctx context.Context, end int) error {
	l.run.made++
	l.ids[end] = fmt.Sprintf("i-%08x%08x", os.Getpid(), l.run.made)
	eni := fmt.Sprintf("eni-%08x%08x", os.Getpid(), l.run.made)
	address, gateway := addressOf(end), routerOf(end)
	spec := instance.Spec{ID: l.ids[end], Interfaces: []instance.Interface{{
		ID: eni, MAC: mac(end), Gateways: []netip.Addr{gateway},
		Addresses: []netip.Prefix{netip.PrefixFrom(address, endBlocks[end].Bits())},
	}}}
	return l.driver.Ensure(ctx, spec, func(_, device string, index int) error {
		l.device[end], l.index[end] = device, index
		if l.datapath == nil {
			return nil
		}
		i := datapath.Interface{
			ID: eni, VPC: "vpc-bench", Ifindex: index, Device: device, MAC: mac(end),
			Addresses: []netip.Addr{address}, RouterAddresses: []netip.Addr{gateway},
			VPCPrefixes: []netip.Prefix{vpcBlock}, Subnet: endBlocks[end], SourceDestCheck: true,
			Attached: l.judge == attached,
		}
		// A second is enough for the flows that are measured, and their room is
		// free for those of the next round.
		i.Tracking.UDP = time.Second
		return l.datapath.Attach(i)
	})
}

func (l *lab) openDatapath() error {
	l.run.made++
	l.pins = filepath.Join(bpffs, fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), l.run.made))
	return l.router.do(func() (err error) {
		l.datapath, err = datapath.Open(datapath.Config{Dir: l.pins, MaxSteps: 1 << 18, MaxPrefixes: 1 << 16, Log: slog.New(slog.DiscardHandler)})
		return err
	})
}

// putPolicies puts the rules of a contender in force, and its members.
func (l *lab) putPolicies(c contender) error {
	if c.members > 0 {
		for i := range c.members {
			if err := l.datapath.PutAddress(datapath.Address{VPC: "vpc-bench", Addr: member(i), Groups: []string{memberGroup}}); err != nil {
				return err
			}
		}
	}
	for end := range l.ids {
		eni := strings.Replace(l.ids[end], "i-", "eni-", 1)
		if c.members > 0 {
			if err := l.datapath.PutAddress(datapath.Address{VPC: "vpc-bench", Addr: addressOf(end), Interface: eni, Groups: []string{memberGroup}}); err != nil {
				return err
			}
		}
		id, err := l.datapath.AddPolicy(policy.Compile(c.source(end)))
		if err != nil {
			return err
		}
		if err := l.datapath.SetPolicy(eni, id, 1); err != nil {
			return err
		}
		if old := l.rules[end]; old != 0 {
			if err := l.datapath.DeletePolicy(old); err != nil {
				return err
			}
		}
		l.rules[end] = id
	}
	return nil
}

// forward makes the router one of the kernel's own.
func (l *lab) forward() error {
	if err := l.router.sysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	return l.router.do(func() error {
		for end, name := range l.device {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			at := &netlink.Addr{IPNet: &net.IPNet{IP: routerOf(end).AsSlice(), Mask: net.CIDRMask(24, 32)}}
			if err := netlink.AddrAdd(link, at); err != nil {
				return fmt.Errorf("give %s an address: %w", name, err)
			}
		}
		nowhere := &netlink.Route{Dst: &net.IPNet{IP: blackhole.AsSlice(), Mask: net.CIDRMask(32, 32)}, Type: 6} // RTN_BLACKHOLE
		if err := netlink.RouteAdd(nowhere); err != nil {
			return fmt.Errorf("add a blackhole: %w", err)
		}
		return nil
	})
}

func (l *lab) startPeers() error {
	for end, name := range []string{"client", "server"} {
		inside, err := openSpace(instance.NamespaceName(l.ids[end]))
		if err != nil {
			return err
		}
		defer inside.close()
		// Enough ports for a round's connections, and none of them waits a
		// minute for its next use.
		for path, value := range map[string]string{
			"net/ipv4/ip_local_port_range": "1024 65000", "net/ipv4/tcp_tw_reuse": "1", "net/ipv4/tcp_max_tw_buckets": "200000",
		} {
			if err := inside.sysctl(path, value); err != nil {
				return err
			}
		}
		if l.peers[end], err = startPeer(name+" of "+l.name, inside, l.run.options.cpu); err != nil {
			return err
		}
	}
	return nil
}

// close takes the lab away.
func (l *lab) close() error {
	var errs []error
	for _, p := range l.peers {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	if l.router == nil {
		return errors.Join(errs...)
	}
	errs = append(errs, l.router.do(func() error {
		var errs []error
		for _, id := range l.ids {
			if id != "" {
				errs = append(errs, l.driver.Destroy(context.Background(), id), l.driver.Forget(id))
			}
		}
		if l.datapath != nil {
			errs = append(errs, l.datapath.Close())
		}
		if l.pins != "" {
			_, err := datapath.Remove(l.pins)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}))
	l.router.close()
	return errors.Join(errs...)
}
