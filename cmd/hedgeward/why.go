// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/why"
)

func whyCommand(st *state) *cobra.Command {
	var q why.Question
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why --from END --to END --proto PROTOCOL [--port PORT]",
		Short: "Say which rule admits a packet, or why none does",
		Long: "Say which rule admits the first packet of a connection at both ends, or why none does and which rules fail in one field only.\n\n" +
			"An END is an address, an interface (eni-...) or an instance (i-..., its primary interface). The answer is what the rules say now;\n" +
			"connections that are tracked already go on. Exit status 0: it passes; 2: it does not.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			values := url.Values{"eni": {q.Interface}, "from": {q.From}, "to": {q.To}, "proto": {q.Protocol}, "port": {q.Port}}
			a := new(why.Answer)
			err := st.ask(cmd.Context(), "GET", "/why?"+values.Encode(), a)
			if errors.Is(err, localhttp.ErrNobody) {
				return fmt.Errorf("no server runs on %s, which knows the rules; run: hedgeward up", st.dir)
			}
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(os.Stdout)
				enc.SetIndent("", "  ")
				err = enc.Encode(a)
			} else {
				err = printAnswer(os.Stdout, a)
			}
			if err == nil && !a.Passes {
				return exitError(2)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&q.From, "from", "", "who sends the packet")
	cmd.Flags().StringVar(&q.To, "to", "", "whom it is for")
	cmd.Flags().StringVar(&q.Protocol, "proto", "", "tcp, udp, icmp, icmpv6 or a number")
	cmd.Flags().StringVar(&q.Port, "port", "", "destination port; of ICMP the type, or TYPE/CODE")
	cmd.Flags().StringVar(&q.Interface, "eni", "", "ask this interface alone; it also says in which VPC addresses are meant")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	for _, name := range []string{"from", "to", "proto"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

// serveWhy adds the question to the control socket.
func serveWhy(mux *http.ServeMux, op operator, answer func(http.ResponseWriter, any, error)) {
	mux.HandleFunc("GET /why", func(w http.ResponseWriter, r *http.Request) {
		a, err := why.Ask(op.Control().Read(), host, why.Question{
			Interface: r.FormValue("eni"), From: r.FormValue("from"), To: r.FormValue("to"), Protocol: r.FormValue("proto"), Port: r.FormValue("port"),
		})
		answer(w, a, err)
	})
}

func printAnswer(out io.Writer, a *why.Answer) error {
	verdict := map[bool]string{true: "passes", false: "dropped"}
	end := func(e why.End) string {
		return strings.Join(strings.Fields(fmt.Sprint(e.Address, " ", e.Interface, " ", e.Instance)), " ")
	}
	fmt.Fprintf(out, "%s: %s -> %s\n\n", strings.ToUpper(verdict[a.Passes]), end(a.From), end(a.To))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, g := range a.Gates {
		because := g.Reason
		if g.Detail != "" {
			because += ": " + g.Detail
		}
		if g.Rule != nil {
			because = ruleText(*g.Rule)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.Direction, g.Interface, verdict[g.Passes], because)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if a.Beyond != "" {
		fmt.Fprintf(out, "then %s\n", a.Beyond)
	}
	for _, g := range a.Gates {
		if g.Reason != "no_rule" {
			continue
		}
		if len(g.Misses) == 0 {
			fmt.Fprintf(out, "\nNo %s rule of %s comes near it.\n", g.Direction, strings.Join(g.Groups, ", "))
			continue
		}
		fmt.Fprintf(out, "\n%s rules of %s that fail in one field only:\n", g.Direction, g.Interface)
		for _, m := range g.Misses {
			fmt.Fprintf(t, "  %s\t%s\n", m.Field, ruleText(m.Rule))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func ruleText(r why.Rule) string {
	return fmt.Sprintf("%s of %s (%s): %s", r.ID, r.Group, r.Name, r.Text)
}
