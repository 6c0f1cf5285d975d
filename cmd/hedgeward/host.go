// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/join"
)

// hostCommand is everything about which machines run instances.
func hostCommand(st *state) *cobra.Command {
	h := &hostCLI{st: st}
	cmd := &cobra.Command{
		Use:   "host",
		Short: "Machines that run instances: who may join, what is where",
		Long:  "Which machines are hosts of this installation (docs/hosts.md). A machine becomes one with a token and hedgeward-agent join.",
	}
	cmd.PersistentFlags().BoolVar(&h.asJSON, "json", false, "print the answer as JSON")
	group := func(use, short string, commands ...*cobra.Command) {
		c := &cobra.Command{Use: use, Short: short}
		c.AddCommand(commands...)
		cmd.AddCommand(c)
	}
	create := h.command("create", "Make a token with which one machine can join, once", 0, h.printText)
	create.Flags().StringVar(&h.order.Name, "name", "", "the host that it is for; by default the machine chooses its name")
	create.Flags().DurationVar(&h.order.Life, "ttl", join.DefaultTokenLife, "how long it is valid")
	create.Flags().BoolVar(&h.order.Rejoin, "rejoin", false, "for the host --name that is there already and needs new certificates")
	group("token", "What machines join with", create,
		h.command("list", "List the tokens that can still be used, without their secrets", 0, h.printTokens),
		h.command("delete ID", "Make a token worth nothing", 1, nil))
	group("authority", "Who signs the certificates of hosts",
		h.command("list", "List the authorities, the newest last", 0, h.printAuthorities),
		h.command("rotate", "Make a new authority, which signs from now on", 0, nil),
		h.command("retire ID", "End the trust in an old authority that nobody needs any more", 1, nil))
	remove := h.command("remove NAME", "Forget a host on which nothing runs", 1, nil)
	remove.Flags().BoolVar(&h.order.Lost, "lost", false, "the machine is gone with what ran there: its instances become stopped")
	cmd.AddCommand(h.listCommand(), remove,
		h.command("disable NAME", "Refuse a host from now on", 1, nil),
		h.command("enable NAME", "Take a disabled host again", 1, nil))
	return cmd
}

// hostCLI collects the order from flags and arguments.
type hostCLI struct {
	st     *state
	order  hostOrder
	asJSON bool
}

// command returns a command that gives the order that its path spells; the
// argument, if it takes one, is a name.
func (h *hostCLI) command(use, short string, args int, show func(io.Writer, []byte) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: func(cmd *cobra.Command, given []string) error {
			_, h.order.Verb, _ = strings.Cut(cmd.CommandPath(), " host ")
			if len(given) > 0 {
				h.order.Name = given[0]
			}
			answer, err := h.st.call(cmd.Context(), "POST", "/hosts", h.order)
			switch {
			case errors.Is(err, localhttp.ErrNobody):
				return fmt.Errorf("no server runs on %s; run this where one does, or give its --state", h.st.dir)
			case err != nil:
				return err
			case h.asJSON:
				_, err = cmd.OutOrStdout().Write(answer)
				return err
			case show != nil:
				return show(cmd.OutOrStdout(), answer)
			}
			return nil
		},
	}
}

func (h *hostCLI) listCommand() *cobra.Command {
	var instances bool
	c := &cobra.Command{
		Use: "list", Short: "List the hosts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var hosts []shownHost
			err := h.st.ask(cmd.Context(), "GET", "/hosts", &hosts)
			switch {
			case errors.Is(err, localhttp.ErrNobody):
				return fmt.Errorf("no server runs on %s; run this where one does, or give its --state", h.st.dir)
			case err != nil:
				return err
			case h.asJSON:
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(hosts)
			case instances:
				return printPlaced(cmd.OutOrStdout(), hosts)
			}
			return printHosts(cmd.OutOrStdout(), hosts)
		},
	}
	c.Flags().BoolVar(&instances, "instances", false, "with the instances and interfaces on each")
	return c
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func addressOrDash(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// printHosts prints a line per host.
func printHosts(w io.Writer, hosts []shownHost) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tSTATE\tUNDERLAY\tINSTANCES\tJOINED\tCERTIFICATE UNTIL")
	for _, h := range hosts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", orDash(h.Name), h.State, addressOrDash(h.Underlay), len(h.Instances), day(h.Joined), day(h.Expires))
	}
	return t.Flush()
}

// printPlaced prints a line per interface, and one for what has none.
func printPlaced(w io.Writer, hosts []shownHost) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tSTATE\tINSTANCE\tSTATE\tACCOUNT\tINTERFACE\tADDRESSES")
	for _, h := range hosts {
		if len(h.Instances) == 0 {
			fmt.Fprintf(t, "%s\t%s\t-\t-\t-\t-\t-\n", orDash(h.Name), h.State)
		}
		for _, in := range h.Instances {
			if len(in.Interfaces) == 0 {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t-\t-\n", orDash(h.Name), h.State, in.ID, in.State, in.Account)
			}
			for _, i := range in.Interfaces {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(h.Name), h.State, in.ID, in.State, in.Account, i.ID, strings.Trim(fmt.Sprint(i.Addresses), "[]"))
			}
		}
	}
	return t.Flush()
}

func (h *hostCLI) printText(w io.Writer, answer []byte) error {
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func (h *hostCLI) printTokens(w io.Writer, answer []byte) error {
	return printTable(w, answer, "TOKEN\tHOST\tREJOIN\tCREATED\tEXPIRES", func(k shownToken) string {
		return fmt.Sprintf("%s\t%s\t%v\t%s\t%s", k.ID, orDash(k.Name), k.Rejoin, day(k.Created), day(k.Expires))
	})
}

func (h *hostCLI) printAuthorities(w io.Writer, answer []byte) error {
	return printTable(w, answer, "AUTHORITY\tCREATED\tHOSTS", func(a shownAuthority) string {
		return fmt.Sprintf("%s\t%s\t%d", a.ID, day(a.Created), a.Hosts)
	})
}

// printTable prints an answer that is a list, a line each.
func printTable[T any](w io.Writer, answer []byte, title string, line func(T) string) error {
	var all []T
	if err := json.Unmarshal(answer, &all); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, title)
	for _, v := range all {
		fmt.Fprintln(t, line(v))
	}
	return t.Flush()
}
