// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/attach/local"
	"github.com/hedgeward/hedgeward/attach/verbs"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/stream"
)

func (s *state) attachSocket() string { return filepath.Join(s.dir, "attach.sock") }

// attachCommands are the commands about devices that somebody else made.
func attachCommands(st *state) []*cobra.Command {
	client := func() *attach.Client { return &attach.Client{Socket: st.attachSocket()} }
	return []*cobra.Command{verbs.Attach(client), verbs.Detach(client), verbs.List("list", client)}
}

// serveAttach answers tools of this host until ctx ends (docs/attach.md).
func (h *host) serveAttach(ctx context.Context, s *local.Server) error {
	return localhttp.Serve(ctx, "attach socket", h.attach, &http.Server{Handler: s.Handler()})
}

// claimable says why nothing can be claimed or given up now, nil if it can.
func (h *host) claimable(context.Context) error {
	if s := h.client.Status(); s.Server == "" {
		return fmt.Errorf("no server of this host answers since %s: %s", s.Since.Format(time.RFC3339), s.Error)
	}
	return nil
}

// claims are this host's, which a server keeps. Without a server nothing is claimed or
// given up, and what is in force stays.
type claims struct{ client *stream.Client }

// Claim implements local.Claims.
func (c claims) Claim(ctx context.Context, eni string, d local.Device) error {
	_, err := c.client.Claim(ctx, stream.Claim{Interface: eni, Device: d.Name, MAC: d.MAC, Own: d.Own, For: d.For})
	return err
}

// ClaimNew implements local.Claims.
func (c claims) ClaimNew(ctx context.Context, n local.New, d local.Device) (string, error) {
	return c.client.Claim(ctx, stream.Claim{Device: d.Name, MAC: d.MAC, Own: d.Own, For: d.For, Made: stream.Made(n)})
}

// Release implements local.Claims.
func (c claims) Release(ctx context.Context, eni string) (pending bool, err error) {
	return c.client.Release(ctx, eni, false)
}

// ReportReleased implements local.Claims.
func (c claims) ReportReleased(ctx context.Context, eni string) error {
	_, err := c.client.Release(ctx, eni, true)
	return err
}
