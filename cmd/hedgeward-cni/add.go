// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/hedgeward/hedgeward/attach"
)

// add has a container's interface enforced and returns when it is. Whatever goes
// wrong, the interface is down then, and nothing is left in force or claimed.
func add(ctx context.Context, args *skel.CmdArgs) (err error) {
	var on *ends
	undo := func() error { return nil }
	defer func() {
		if err == nil {
			return
		}
		if on == nil { // also who could not be told what to do must leave it closed
			on, _ = find(args.Netns, args.IfName, "")
		}
		if on != nil && on.peer {
			err = joined(err, shut(on.index))
		}
		err = joined(err, undo())
	}()
	c, refused := readAll(args.StdinData)
	if refused != nil {
		return refused
	}
	given, refused := arguments(args.Args)
	if refused != nil {
		return refused
	}
	if c.PrevResult == nil {
		return bad("it is the first plugin of network %s; put it behind the one that makes the container's interface, such as bridge or ptp", c.Name)
	}
	result, err := current.NewResultFromResult(c.PrevResult)
	if err != nil {
		return types.NewError(types.ErrDecodingFailure, "the result of the plugin before hedgeward-cni cannot be read", err.Error())
	}
	addresses, refused := addressesOf(result, args)
	if refused != nil {
		return refused
	}
	if on, err = find(args.Netns, args.IfName, c.Device); err != nil {
		return err
	}
	want := attach.Request{
		Device: on.device, MAC: on.mac, For: words(c.Name, args.ContainerID, args.IfName), Subnet: c.Subnet, Groups: c.groups(given),
		Addresses: addresses, Description: description(c, args.ContainerID, args.IfName, given),
	}
	if err := makeWay(ctx, c.client(), want, on); err != nil {
		return err
	}
	eni, err := claim(ctx, c.client(), want, on)
	undo = func() error { return giveBack(c.client(), want.For, eni) }
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(result.Interfaces, func(i *current.Interface) bool { return i.Sandbox == "" && i.Name == on.device }) {
		result.Interfaces = append(result.Interfaces, &current.Interface{Name: on.device})
	}
	return types.PrintResult(result, c.CNIVersion)
}

// addressesOf returns the addresses that the plugins before gave the interface.
func addressesOf(result *current.Result, args *skel.CmdArgs) ([]string, *types.Error) {
	var out []string
	for _, ip := range result.IPs {
		if n := ip.Interface; n != nil && *n >= 0 {
			if *n >= len(result.Interfaces) || result.Interfaces[*n] == nil {
				return nil, types.NewError(types.ErrDecodingFailure, fmt.Sprintf("address %s of the plugin before hedgeward-cni is interface %d's, which is not listed", ip.Address.IP, *n), "")
			}
			if i := result.Interfaces[*n]; i.Name != args.IfName || i.Sandbox != args.Netns {
				continue
			}
		}
		a, ok := netip.AddrFromSlice(ip.Address.IP)
		if !ok {
			return nil, types.NewError(types.ErrDecodingFailure, "the plugin before hedgeward-cni gave an address that is none", ip.Address.String())
		}
		out = append(out, a.Unmap().String())
	}
	if len(out) == 0 {
		return nil, bad("the plugin before it gave interface %s no address; use an IPAM plugin, such as host-local, whose range lies in the subnet", args.IfName)
	}
	return out, nil
}

// makeWay gives back what stands in the way of a container's interface: what it was
// before it was made anew, and another container's whose device had this name. Nobody
// comes back for either.
func makeWay(ctx context.Context, client *attach.Client, want attach.Request, on *ends) error {
	all, err := client.List(ctx)
	if err != nil {
		return answer("ask what is attached", err)
	}
	for _, had := range all {
		its, same := had.For == want.For, had.Device == want.Device
		if its && same && had.State != attach.Released && sameAddresses(had.Addresses, want.Addresses) {
			continue // an earlier ADD got so far
		}
		if !its && !(same && on.peer && strings.HasPrefix(had.For, "cni/")) {
			continue
		}
		if had.Index != on.index {
			if err := shut(had.Index); err != nil {
				return err
			}
		}
		if err := client.Detach(ctx, had.ENI); err != nil && !attach.Is(err, attach.NotClaimed) {
			return answer("give back "+had.ENI+", which "+had.Device+" was before", err)
		}
	}
	return nil
}

// claim has the interface made and enforced, and returns what is claimed, also when
// that is not in force in time or not what it should be.
func claim(ctx context.Context, client *attach.Client, want attach.Request, on *ends) (eni string, err error) {
	i, err := client.AttachNew(ctx, want)
	if err != nil {
		return attach.Left(err), answer("have "+on.device+" enforced", err)
	}
	if i.State != attach.Enforced || i.Device != want.Device || i.Index != on.index || i.MAC != want.MAC || i.For != want.For || !sameAddresses(i.Addresses, want.Addresses) {
		return i.ENI, types.NewError(types.ErrInternal, fmt.Sprintf("%s at %s is not what was asked for; the host and its servers may be older than this plugin", i.ENI, i.Device), "")
	}
	return i.ENI, nil
}

// sameAddresses reports whether an interface has the addresses that it shall have. In
// which order they were given does not matter.
func sameAddresses(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// patience is how long a failed ADD may take to clear away what it began.
const patience = 10 * time.Second

// giveBack gives back what is claimed in the given words, and an interface that the host
// may not have heard of yet, also when nobody waits for the plugin any more.
func giveBack(client *attach.Client, words, eni string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := release(ctx, client, func(i attach.Interface) bool { return i.For == words })
	if eni != "" && err == nil {
		if err = client.Detach(ctx, eni); attach.Is(err, attach.NotClaimed) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("it may still be claimed; DEL gives it back: %w", err)
	}
	return nil
}

// joined adds to a refusal what went wrong besides.
func joined(refusal error, more ...error) error {
	besides := errors.Join(more...)
	if besides == nil {
		return refusal
	}
	out := types.NewError(types.ErrInternal, refusal.Error(), besides.Error())
	if e := new(types.Error); errors.As(refusal, &e) {
		out.Code, out.Msg = e.Code, e.Error()
	}
	return out
}
