// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/agent"
)

func statusCommand(st *state) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say which server the agent follows and what is in force on this host",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s status
			if err := st.ask(cmd.Context(), http.MethodGet, "/status", &s); err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			return s.print(cmd.OutOrStdout(), time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything, as JSON")
	return cmd
}

func (s *status) print(out io.Writer, now time.Time) error {
	since := now.Sub(s.Stream.Since).Round(time.Second)
	if s.Stream.Server != "" {
		fmt.Fprintf(out, "Host %s follows %s since %v; revision %d is in force.\n", s.Host, s.Stream.Server, since, s.Wanted.Revision)
	} else {
		fmt.Fprintf(out, "Host %s is alone since %v; revision %d stays in force.\nLast attempt: %s\n", s.Host, since, s.Wanted.Revision, s.Stream.Error)
	}
	if !s.Stream.Kept {
		fmt.Fprintln(out, "What it was told is not on disk: without a server it would start with nothing.")
	}
	wanted := map[string]agent.InterfaceStatus{}
	for _, w := range s.Wanted.Interfaces {
		wanted[w.ID] = w
	}
	if len(s.Kernel) > 0 {
		t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "\nINTERFACE\tINSTANCE\tADDRESSES\tDEVICE\tSTATE\tFLOWS")
		for _, k := range s.Kernel {
			w := wanted[k.ID]
			delete(wanted, k.ID)
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", k.ID, w.Instance, strings.Join(w.Addresses, " "), k.Device, w.Word(k, false), k.Flows)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, w := range s.Wanted.Interfaces {
		if _, left := wanted[w.ID]; left {
			fmt.Fprintf(out, "%s of %s is not in force yet.\n", w.ID, w.Instance)
		}
	}
	if n := s.Strays; n.Malformed+n.VNI+n.Destination > 0 {
		fmt.Fprintf(out, "From other hosts came for nobody here: %d to an unknown VPC, %d to an unknown address, %d unreadable.\n", n.VNI, n.Destination, n.Malformed)
	}
	for _, f := range s.Wanted.Faults {
		fmt.Fprintf(out, "cannot bring %s in line (trying again): %s\n", f.Object, f.Error)
	}
	return nil
}
