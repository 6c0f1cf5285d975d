// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/attach/local"
	"github.com/hedgeward/hedgeward/attach/verbs"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/flow"
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
	if err := os.Remove(s.attachSocket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the attach socket: %w", err)
	}
	l, err := net.Listen("unix", s.attachSocket())
	if err != nil {
		return nil, fmt.Errorf("open the attach socket: %w", err)
	}
	if err := os.Chmod(s.attachSocket(), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open the attach socket: %w", err), l.Close())
	}
	return l, nil
}

// attachTasks serve the socket while the installation runs.
func (h *localHost) attachTasks(in *installation) []task {
	s := local.NewServer(ownClaims{in.control}, h.agent, in.log)
	return []task{s.Run, func(ctx context.Context) error {
		return serveHTTP(ctx, "attach socket", h.attach, &http.Server{Handler: s.Handler()})
	}}
}

// ownClaims are the claims of the host that the server runs on itself.
type ownClaims struct{ control *control.Service }

func device(d local.Device) control.ClaimedDevice {
	return control.ClaimedDevice{Name: d.Name, MAC: d.MAC, Own: d.Own}
}

// Claim implements local.Claims.
func (c ownClaims) Claim(ctx context.Context, eni string, d local.Device) error {
	return c.control.ClaimInterface(ctx, host, eni, device(d))
}

// ClaimNew implements local.Claims. The first IPv4 address is the primary one.
func (c ownClaims) ClaimNew(ctx context.Context, n local.New, d local.Device) (string, error) {
	spec := control.InterfaceSpec{Subnet: n.Subnet, Groups: n.Groups, Description: n.Description}
	var of [flow.NumFamilies][]netip.Addr
	for _, a := range n.Addresses {
		f := flow.IPv4
		if a.Is6() {
			f = flow.IPv6
		}
		of[f] = append(of[f], a)
	}
	if len(of[flow.IPv4]) > 0 {
		spec.Primary, spec.Secondary = of[flow.IPv4][0], of[flow.IPv4][1:]
	}
	spec.IPv6 = of[flow.IPv6]
	return c.control.ClaimNewInterface(ctx, host, spec, device(d))
}

// Release implements local.Claims.
func (c ownClaims) Release(ctx context.Context, eni string) (pending bool, err error) {
	if err := c.control.ReleaseInterface(ctx, host, eni); err != nil {
		return false, err
	}
	i := c.control.Read().Interfaces.Get(eni)
	return i != nil && i.Claimed() != nil, nil
}

// ReportReleased implements local.Claims.
func (c ownClaims) ReportReleased(ctx context.Context, eni string) error {
	return c.control.ReportReleased(ctx, host, eni)
}
