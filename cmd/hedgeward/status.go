// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/localhttp"
)

// running is what the process that works on the state folder says of itself. Empty
// when there is none.
type running struct {
	Wanted agent.Status `json:"wanted"`           // of the interfaces of this machine
	Server *holdings    `json:"server,omitempty"` // nil: the process runs instances itself
}

// report is what status prints: what the kernel judges by, and, if a process
// runs, what it was told and could not do.
type report struct {
	Running bool `json:"running"` // a server works on the state folder
	running
	Kernel  []datapath.InterfaceStatus `json:"kernel"`            // what is in force, whoever runs
	Hosts   []shownHost                `json:"hosts,omitempty"`   // with their instances, if a server runs
	NoHosts string                     `json:"noHosts,omitempty"` // why there are no Hosts
}

func statusCommand(st *state) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is in force on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := mustBeRoot("status"); err != nil {
				return err
			}
			r, err := newReport(cmd.Context(), st)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(os.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			return r.print(os.Stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func newReport(ctx context.Context, st *state) (*report, error) {
	r := &report{Running: true}
	err := st.ask(ctx, "GET", "/status", &r.running)
	if errors.Is(err, localhttp.ErrNobody) {
		r.Running, err = false, nil
	}
	if err != nil {
		return nil, err
	}
	if r.Running {
		var away refusal // while the store does not answer, the rest still says how things are
		err := st.ask(ctx, "GET", "/hosts", &r.Hosts)
		if errors.As(err, &away) {
			r.NoHosts, err = string(away), nil
		}
		if err != nil {
			return nil, err
		}
	}
	view, err := datapath.OpenReadOnly(st.pins())
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil // nothing is in force
	}
	if err != nil {
		return nil, err
	}
	r.Kernel, err = view.Interfaces()
	return r, errors.Join(err, view.Close())
}

func (r *report) print(out io.Writer) error {
	switch {
	case !r.Running:
		fmt.Fprintln(out, "No server runs. What is listed stays in force as it is; `hedgeward up` takes over again.")
	case r.Server != nil:
		return r.printServer(out, time.Now())
	default:
		fmt.Fprintf(out, "A server runs; revision %d is in force.\n", r.Wanted.Revision)
	}
	wanted := map[string]agent.InterfaceStatus{}
	for _, i := range r.Wanted.Interfaces {
		wanted[i.ID] = i
	}
	if len(r.Kernel) == 0 {
		fmt.Fprintln(out, "No interface is in force.")
	} else {
		fmt.Fprintln(out)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(r.Kernel) > 0 {
		fmt.Fprintln(t, "INTERFACE\tINSTANCE\tADDRESSES\tDEVICE\tSTATE\tFLOWS\tPASSED IN/OUT\tDROPPED IN/OUT\tMOSTLY")
	}
	for _, k := range r.Kernel {
		w := wanted[k.ID]
		delete(wanted, k.ID)
		passed, dropped, mostly := tally(k)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", k.ID, orDash(w.Instance), orDash(strings.Join(w.Addresses, " ")),
			k.Device, w.Word(k, !r.Running), k.Flows, passed, dropped, mostly)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, w := range r.Wanted.Interfaces {
		_, left := wanted[w.ID]
		switch {
		case left && w.Device != "":
			fmt.Fprintf(out, "%s, claimed for device %s, is not in force; see: hedgeward attached\n", w.ID, w.Device)
		case left:
			fmt.Fprintf(out, "%s of %s is not in force yet.\n", w.ID, w.Instance)
		}
	}
	for _, f := range r.Wanted.Faults {
		fmt.Fprintf(out, "cannot bring %s in line (trying again): %s\n", f.Object, f.Error)
	}
	return nil
}

// tally sums an interface's counters, and names the reason of most drops.
func tally(k datapath.InterfaceStatus) (passed, dropped, mostly string) {
	var pass, drop [flow.NumDirections]uint64
	var top uint64
	mostly = "-"
	for dir := range k.Packets {
		for reason, n := range k.Packets[dir] {
			if flow.Reason(reason).Verdict().Passes() {
				pass[dir] += n
				continue
			}
			drop[dir] += n
			if n > top {
				top, mostly = n, flow.Reason(reason).String()
			}
		}
	}
	form := func(n [flow.NumDirections]uint64) string {
		return fmt.Sprintf("%d/%d", n[flow.Ingress], n[flow.Egress])
	}
	return form(pass), form(drop), mostly
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
