// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	controllers     = 4               // that are tried at most
	lookupLimit     = 6 * time.Second // for the names of a domain
	controllerLimit = 4 * time.Second // for one controller
)

// Longest is the longest time that Join takes.
const Longest = lookupLimit + controllers*controllerLimit

// ports are what a controller must answer on.
type ports struct {
	TCP       []uint16 // connections are made and closed
	Directory uint16   // LDAP, over TCP and UDP
}

// joining are the ports of section 3.8: DNS, Kerberos, RPC endpoints and SMB; the
// directory itself is asked.
var joining = ports{TCP: []uint16{53, 88, 135, 445}, Directory: 389}

// Join finds the controllers of the domain of that name by the resolver, and returns
// nil as soon as one of them has answered on every port. It takes no longer than
// Longest.
//
// Errors: what kept it from the last controller, or from finding any.
func Join(ctx context.Context, resolver netip.AddrPort, name string) error {
	return join(ctx, resolver, name, joining)
}

func join(ctx context.Context, resolver netip.AddrPort, name string, p ports) error {
	found, err := lookup(ctx, resolver, name)
	if err != nil {
		return fmt.Errorf("find the controllers of %s at %s: %w", name, resolver.Addr(), err)
	}
	for _, at := range found {
		if err = reach(ctx, at, name, p); err == nil {
			return nil
		}
		err = fmt.Errorf("controller %s of %s: %w", at, name, err)
	}
	return err
}

// lookup returns the addresses of a domain's controllers, in the order in which they
// are to be tried; never none without an error.
func lookup(ctx context.Context, resolver netip.AddrPort, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var d net.Dialer
	names := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, resolver.String())
	}}
	_, services, err := names.LookupSRV(ctx, "ldap", "tcp", "dc._msdcs."+strings.TrimSuffix(name, ".")+".")
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, service := range services {
		var addrs []netip.Addr
		if addrs, err = names.LookupNetIP(ctx, "ip4", service.Target); err != nil {
			continue // another one may have an address
		}
		for _, a := range addrs {
			if a = a.Unmap(); !slices.Contains(out, a) && len(out) < controllers {
				out = append(out, a)
			}
		}
	}
	if len(out) == 0 {
		return nil, cmp.Or(err, errors.New("no controller has an address"))
	}
	return out, nil
}

// reach sees that a controller answers on every port. It tries all of them at once
// and returns the first failure in the order of the ports.
func reach(ctx context.Context, at netip.Addr, name string, p ports) error {
	ctx, cancel := context.WithTimeout(ctx, controllerLimit)
	defer cancel()
	type attempt struct {
		what string
		port uint16
		try  func(context.Context, string) error
	}
	var all []attempt
	for _, port := range p.TCP {
		all = append(all, attempt{"TCP", port, connect})
	}
	for _, network := range []string{"tcp", "udp"} {
		all = append(all, attempt{"the directory over " + strings.ToUpper(network), p.Directory, func(ctx context.Context, address string) error {
			return askDirectory(ctx, network, address, name)
		}})
	}
	failed := make([]chan error, len(all))
	for i, a := range all {
		failed[i] = make(chan error, 1)
		go func() { failed[i] <- a.try(ctx, netip.AddrPortFrom(at, a.port).String()) }()
	}
	var first error
	for i, a := range all {
		if err := <-failed[i]; err != nil && first == nil {
			first = fmt.Errorf("%s, port %s: %w", a.what, strconv.Itoa(int(a.port)), err)
		}
	}
	return first
}

func connect(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
