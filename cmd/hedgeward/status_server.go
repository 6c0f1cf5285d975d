// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/hedgeward/hedgeward/stream"
)

// holdings are what a server holds, which enforces nothing itself.
type holdings struct {
	Revision   int64  `json:"revision"` // newest of the store that it has seen
	Store      string `json:"store"`    // "embedded", or that there are other servers: "cluster"
	Groups     int    `json:"groups"`
	Interfaces int    `json:"interfaces"`
	Instances  int    `json:"instances"`
	Followers  int    `json:"followers"`        // hosts that follow this server
	Agents     string `json:"agents,omitempty"` // address where hosts find it; empty: it takes none
}

// holds returns what a server holds.
func (in *installation) holds() *holdings {
	snap := in.model.Snapshot()
	h := &holdings{Revision: snap.Revision, Store: "embedded", Groups: snap.Groups.Len(), Interfaces: snap.Interfaces.Len(), Instances: snap.Instances.Len()}
	if in.store.Shared() {
		h.Store = "cluster"
	}
	if in.remote.listener != nil {
		h.Agents = in.remote.listener.Addr().String()
	}
	for _, p := range in.remote.stream.Peers() {
		if p.Connected {
			h.Followers++
		}
	}
	return h
}

// InForce implements operator.
func (in *installation) InForce(host string) stream.Enforced { return in.view.Of(host) }

// printServer prints what a server holds and how far the hosts are.
func (r *report) printServer(out io.Writer, now time.Time) error {
	s := r.Server
	where := "in this server"
	if s.Store == "cluster" {
		where = "in a cluster"
	}
	fmt.Fprintf(out, "A server runs; the store, %s, is at revision %d.\n", where, s.Revision)
	fmt.Fprintf(out, "It holds %s, %s and %s.\n", count(s.Groups, "group"), count(s.Interfaces, "interface"), count(s.Instances, "instance"))
	if s.Agents != "" {
		fmt.Fprintf(out, "Hosts find it at %s; %s it.\n", s.Agents, follow(s.Followers))
	} else {
		fmt.Fprintln(out, "It takes no hosts: it was started without --agents.")
	}
	if r.NoHosts != "" {
		fmt.Fprintln(out, "It cannot list the hosts now:", r.NoHosts)
		return nil
	}
	if len(r.Hosts) == 0 {
		fmt.Fprintln(out, "There are no hosts; to make a machine one: hedgeward host token create")
		return nil
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tSTATE\tSINCE\tREVISION\tLAG\tINTERFACES\tBEHIND")
	for _, h := range r.Hosts {
		if h.Name == "" {
			continue // instances that are on no host
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", h.Name, h.State, since(h.Since, now), revision(h.Revision), h.lag(s.Revision), h.Interfaces, len(h.Behind))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, h := range r.Hosts {
		h.printBehind(out)
	}
	return nil
}

// lag says by how many revisions a host is behind.
func (h *shownHost) lag(newest int64) string {
	if h.Revision == 0 {
		return "-"
	}
	return fmt.Sprint(max(0, newest-h.Revision))
}

// maxBehindShown is how many interfaces status names for one host.
const maxBehindShown = 10

func (h *shownHost) printBehind(out io.Writer) {
	var ids []string
	for id := range h.Behind {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for i, id := range ids {
		switch is := h.Behind[id]; {
		case i == maxBehindShown:
			fmt.Fprintf(out, "and %d more on %s\n", len(ids)-i, h.Name)
			return
		case is == 0:
			fmt.Fprintf(out, "%s on %s is closed: nothing judges it yet.\n", id, h.Name)
		default:
			fmt.Fprintf(out, "%s on %s is judged by revision %d.\n", id, h.Name, is)
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func follow(n int) string {
	if n == 1 {
		return "1 follows"
	}
	return fmt.Sprintf("%d follow", n)
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return now.Sub(t).Round(time.Second).String()
}

func revision(n int64) string {
	if n == 0 {
		return "unknown"
	}
	return fmt.Sprint(n)
}
