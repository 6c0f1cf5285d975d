// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/attach/local"
	"github.com/hedgeward/hedgeward/attach/verbs"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/stream"
)

func (s *state) attachSocket() string { return filepath.Join(s.dir, "attach.sock") }

// attachCommands are the commands about devices that somebody else made.
func attachCommands(st *state) []*cobra.Command {
	client := func() *attach.Client { return &attach.Client{Socket: st.attachSocket()} }
	return []*cobra.Command{verbs.Attach(client), verbs.Detach(client), verbs.List("attached", client)}
}

// listenAttach opens the socket at which tools of this host have interfaces enforced
// at their devices. It is root's, as the control socket is; whoever may write to it
// decides which packets this host lets through.
func (s *state) listenAttach() (net.Listener, error) {
	l, err := localhttp.Listen(s.attachSocket())
	if err != nil {
		return nil, fmt.Errorf("open the attach socket: %w", err)
	}
	return l, nil
}

// attachTasks serve the socket while the installation runs.
func (h *localHost) attachTasks(in *installation) []task {
	s := local.NewServer(ownClaims{claims{in.control}}, h.agent, in.control.Fresh, in.log)
	return []task{s.Run, func(ctx context.Context) error {
		return localhttp.Serve(ctx, "attach socket", h.attach, &http.Server{Handler: s.Handler()})
	}}
}

// claims are what hosts have claimed.
type claims struct{ control *control.Service }

// Claim implements stream.Claims. The first IPv4 address of an interface that is made
// is the primary one.
func (c claims) Claim(ctx context.Context, host string, of stream.Claim) (string, error) {
	if err := c.control.Fresh(ctx); err != nil {
		return "", err
	}
	d := control.ClaimedDevice{Name: of.Device, MAC: of.MAC, Own: of.Own, For: of.For}
	if of.Interface != "" {
		return of.Interface, ofAnother(c.control.ClaimInterface(ctx, host, of.Interface, d))
	}
	spec := control.InterfaceSpec{Subnet: of.Made.Subnet, Groups: of.Made.Groups, Description: of.Made.Description}
	var family [flow.NumFamilies][]netip.Addr
	for _, a := range of.Made.Addresses {
		f := flow.IPv4
		if a.Is6() {
			f = flow.IPv6
		}
		family[f] = append(family[f], a)
	}
	if len(family[flow.IPv4]) > 0 {
		spec.Primary, spec.Secondary = family[flow.IPv4][0], family[flow.IPv4][1:]
	}
	spec.IPv6 = family[flow.IPv6]
	return c.control.ClaimNewInterface(ctx, host, spec, d)
}

// Release implements stream.Claims.
func (c claims) Release(ctx context.Context, host, eni string, done bool) (pending bool, err error) {
	if err := c.control.Fresh(ctx); err != nil {
		return false, err
	}
	if done {
		return false, c.control.ReportReleased(ctx, host, eni)
	}
	if err := c.control.ReleaseInterface(ctx, host, eni); err != nil {
		return false, ofAnother(err)
	}
	i := c.control.Read().Interfaces.Get(eni)
	return i != nil && i.Claimed() != nil, nil
}

// ownClaims are those of the host that the server runs on itself.
type ownClaims struct{ claims }

// Claim implements local.Claims.
func (c ownClaims) Claim(ctx context.Context, eni string, d local.Device) error {
	_, err := c.claims.Claim(ctx, host, stream.Claim{Interface: eni, Device: d.Name, MAC: d.MAC, Own: d.Own, For: d.For})
	return err
}

// ClaimNew implements local.Claims.
func (c ownClaims) ClaimNew(ctx context.Context, n local.New, d local.Device) (string, error) {
	return c.claims.Claim(ctx, host, stream.Claim{Device: d.Name, MAC: d.MAC, Own: d.Own, For: d.For, Made: stream.Made(n)})
}

// Release implements local.Claims.
func (c ownClaims) Release(ctx context.Context, eni string) (pending bool, err error) {
	return c.claims.Release(ctx, host, eni, false)
}

// ReportReleased implements local.Claims.
func (c ownClaims) ReportReleased(ctx context.Context, eni string) error {
	_, err := c.claims.Release(ctx, host, eni, true)
	return err
}
