// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/localhttp"
)

// protocols that people know by name; others are numbers.
var protocols = map[string]uint8{"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}

func protocolName(p uint8) string {
	for name, n := range protocols {
		if n == p {
			return name
		}
	}
	return strconv.Itoa(int(p))
}

// flowFilter is a datapath.Filter in the words of flags.
type flowFilter struct {
	eni, peer, proto string
	port             uint16
}

func (f *flowFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.eni, "eni", "", "the network interface (required)")
	cmd.Flags().StringVar(&f.peer, "peer", "", "only flows with this remote address or block")
	cmd.Flags().StringVar(&f.proto, "proto", "", "only this protocol: tcp, udp, icmp, icmpv6 or a number")
	cmd.Flags().Uint16Var(&f.port, "port", 0, "only flows with this port at either end")
}

func (f *flowFilter) filter() (out datapath.Filter, err error) {
	if f.eni == "" {
		return out, errors.New("say which interface: --eni eni-…")
	}
	out.Interface, out.Port = f.eni, f.port
	if f.peer != "" {
		if out.Peer, err = netip.ParsePrefix(f.peer); err != nil {
			a, err := netip.ParseAddr(f.peer)
			if err != nil {
				return out, fmt.Errorf("--peer %q is neither an address nor a block", f.peer)
			}
			out.Peer = netip.PrefixFrom(a, a.BitLen())
		}
	}
	if f.proto != "" {
		n, ok := protocols[f.proto]
		if !ok {
			number, err := strconv.ParseUint(f.proto, 10, 8)
			if err != nil {
				return out, fmt.Errorf("--proto %q is neither tcp, udp, icmp, icmpv6 nor a number up to 255", f.proto)
			}
			n = uint8(number)
		}
		out.Protocol = n
	}
	return out, nil
}

// query is the filter as flags give it, for the control socket; queried reads it.
func (f *flowFilter) query() string {
	return url.Values{"eni": {f.eni}, "peer": {f.peer}, "proto": {f.proto}, "port": {strconv.Itoa(int(f.port))}}.Encode()
}

func queried(q url.Values) (datapath.Filter, error) {
	port, err := strconv.ParseUint(q.Get("port"), 10, 16)
	if err != nil {
		return datapath.Filter{}, fmt.Errorf("port %q is no port", q.Get("port"))
	}
	f := flowFilter{eni: q.Get("eni"), peer: q.Get("peer"), proto: q.Get("proto"), port: uint16(port)}
	return f.filter()
}

func flowsCommand(st *state) *cobra.Command {
	cmd := &cobra.Command{Use: "flows", Short: "Show and cut tracked flows"}
	cmd.AddCommand(flowsListCommand(st), flowsCutCommand(st))
	return cmd
}

func flowsListCommand(st *state) *cobra.Command {
	var f flowFilter
	cmd := &cobra.Command{
		Use:   "list --eni ENI",
		Short: "Show the live tracked flows of an interface",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := mustBeRoot("flows list"); err != nil {
				return err
			}
			filter, err := f.filter()
			if err != nil {
				return err
			}
			view, err := datapath.OpenReadOnly(st.pins())
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "PROTO\tLOCAL\tREMOTE\tSTARTED\tSTATE\tIDLE\tPACKETS IN/OUT\tBYTES IN/OUT\tRULE")
			err = view.Flows(func(x datapath.Flow) bool {
				if !x.Live || !filter.Matches(x) {
					return true
				}
				started := "from here"
				if x.Initiator == flow.Ingress {
					started = "from there"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d/%d\t%d/%d\t%s\n", protocolName(x.Protocol),
					netip.AddrPortFrom(x.Local, x.LocalPort), netip.AddrPortFrom(x.Remote, x.RemotePort), started, x.State,
					x.Idle.Round(time.Second), x.Packets[flow.Ingress], x.Packets[flow.Egress],
					x.Bytes[flow.Ingress], x.Bytes[flow.Egress], orDash(x.Rule))
				return true
			})
			return errors.Join(err, t.Flush(), view.Close())
		},
	}
	f.flags(cmd)
	return cmd
}

func flowsCutCommand(st *state) *cobra.Command {
	var f flowFilter
	cmd := &cobra.Command{
		Use:   "cut --eni ENI",
		Short: "End tracked flows of an interface: their next packets are judged by the rules",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := f.filter(); err != nil {
				return err
			}
			var n int
			err := st.ask(cmd.Context(), "POST", "/flows/cut?"+f.query(), &n)
			if errors.Is(err, localhttp.ErrNobody) {
				return fmt.Errorf("no server runs on %s, and only it may change what is in force; run: hedgeward up", st.dir)
			}
			if err != nil {
				return err
			}
			fmt.Println("flows cut:", n)
			return nil
		},
	}
	f.flags(cmd)
	return cmd
}

func serveFlows(mux *http.ServeMux, op operator, answer func(http.ResponseWriter, any, error)) {
	mux.HandleFunc("POST /flows/cut", func(w http.ResponseWriter, r *http.Request) {
		f, err := queried(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n, err := op.CutFlows(f)
		answer(w, n, err)
	})
}

func rulesCommand(st *state) *cobra.Command {
	return &cobra.Command{
		Use:   "rules",
		Short: "Show how much each rule has admitted on this machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := mustBeRoot("rules"); err != nil {
				return err
			}
			view, err := datapath.OpenReadOnly(st.pins())
			if errors.Is(err, fs.ErrNotExist) {
				fmt.Println("No interface is in force.")
				return nil
			}
			if err != nil {
				return err
			}
			uses, err := view.Uses()
			if err := errors.Join(err, view.Close()); err != nil {
				return err
			}
			uses = slices.DeleteFunc(uses, func(u datapath.RuleUse) bool { return u.Packets == 0 })
			t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "RULE\tPACKETS\tBYTES\tFLOWS\tLIVE\tLAST USED")
			for _, u := range uses {
				fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s ago\n", u.Rule, u.Packets, u.Bytes, u.Flows, u.Live, u.Idle.Round(time.Second))
			}
			return t.Flush()
		},
	}
}
