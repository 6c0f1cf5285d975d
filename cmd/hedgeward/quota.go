// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
)

// quotas is what the control socket offers for the limits of one account in one
// Region. An account or Region "" means the only account and the Region of the
// profile. Each call answers with every limit as it then is.
type quotas interface {
	Quotas(scope secgroup.Scope) (scopedQuotas, error)
	SetQuota(ctx context.Context, scope secgroup.Scope, name string, value int) (scopedQuotas, error)
	ResetQuota(ctx context.Context, scope secgroup.Scope, name string) (scopedQuotas, error)
}

// scopedQuotas are the limits of one account in one Region.
type scopedQuotas struct {
	secgroup.Scope
	Quotas []control.QuotaValue `json:"quotas"`
}

// quotaTarget is the account and Region that a command is about, as its flags
// have it.
type quotaTarget struct{ account, region string }

func quotaCommand(st *state) *cobra.Command {
	cmd := &cobra.Command{Use: "quota", Short: "Show and change the limits of an account in a Region"}
	var at quotaTarget
	cmd.PersistentFlags().StringVar(&at.account, "account", "", "account; may be left out when there is one")
	cmd.PersistentFlags().StringVar(&at.region, "region", "", "Region; that of the AWS profile when left out")

	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "Show every limit", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := at.ask(cmd.Context(), st, "GET", "/quota", "", "")
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(os.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(in)
			}
			return in.print(os.Stdout)
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print them as JSON")
	get := &cobra.Command{
		Use: "get NAME", Short: "Print one limit", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := at.ask(cmd.Context(), st, "GET", "/quota", "", "")
			if err != nil {
				return err
			}
			return in.show(os.Stdout, args[0])
		},
	}
	set := &cobra.Command{
		Use: "set NAME NUMBER", Short: "Change one limit", Args: cobra.ExactArgs(2),
		Long: "Change one limit of an account in a Region, at once and for good.\n\nWhat is beyond a lowered limit already stays; it may shrink and not grow.",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := at.ask(cmd.Context(), st, "PUT", "/quota", args[0], args[1])
			if err != nil {
				return err
			}
			return in.show(os.Stdout, args[0])
		},
	}
	var all bool
	reset := &cobra.Command{
		Use: "reset NAME | --all", Short: "Give limits their defaults again", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return errors.New("name one quota, or say --all")
			}
			in, err := at.ask(cmd.Context(), st, "DELETE", "/quota", strings.Join(args, ""), "")
			if err != nil {
				return err
			}
			if all {
				return in.print(os.Stdout)
			}
			return in.show(os.Stdout, args[0])
		},
	}
	reset.Flags().BoolVar(&all, "all", false, "every limit of the account in the Region")
	cmd.AddCommand(list, get, set, reset)
	return cmd
}

// ask sends a command about quotas to the server.
func (at quotaTarget) ask(ctx context.Context, st *state, method, path, name, value string) (*scopedQuotas, error) {
	query := url.Values{"account": {at.account}, "region": {at.region}, "name": {name}, "value": {value}}
	in := new(scopedQuotas)
	err := st.ask(ctx, method, path+"?"+query.Encode(), in)
	if errors.Is(err, localhttp.ErrNobody) {
		return nil, fmt.Errorf("no server runs on %s, which keeps the quotas; run: hedgeward up", st.dir)
	}
	return in, err
}

// show prints one limit.
func (in *scopedQuotas) show(out io.Writer, name string) error {
	i := slices.IndexFunc(in.Quotas, func(q control.QuotaValue) bool { return q.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no quota %q; see: hedgeward quota list", name)
	}
	_, err := fmt.Fprintln(out, in.Quotas[i].Value)
	return err
}

// print prints every limit.
func (in *scopedQuotas) print(out io.Writer) error {
	fmt.Fprintf(out, "Account %s in %s:\n\n", in.Account, in.Region)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "QUOTA\tVALUE\tDEFAULT\tUP TO")
	for _, q := range in.Quotas {
		up, mark := "fixed", ""
		if q.Max > 0 {
			up = strconv.Itoa(q.Max)
		}
		if q.Set {
			mark = " (set)"
		}
		fmt.Fprintf(t, "%s\t%d%s\t%d\t%s\n", q.Name, q.Value, mark, q.Default, up)
	}
	return t.Flush()
}

// serveQuotas adds the commands about quotas to the control socket.
func serveQuotas(mux *http.ServeMux, op quotas, answer func(http.ResponseWriter, any, error)) {
	scope := func(r *http.Request) secgroup.Scope {
		return secgroup.Scope{Account: r.FormValue("account"), Region: r.FormValue("region")}
	}
	mux.HandleFunc("GET /quota", func(w http.ResponseWriter, r *http.Request) {
		in, err := op.Quotas(scope(r))
		answer(w, in, err)
	})
	mux.HandleFunc("PUT /quota", func(w http.ResponseWriter, r *http.Request) {
		value, err := strconv.Atoi(r.FormValue("value"))
		if err != nil {
			answer(w, nil, fmt.Errorf("%q is no number", r.FormValue("value")))
			return
		}
		in, err := op.SetQuota(r.Context(), scope(r), r.FormValue("name"), value)
		answer(w, in, err)
	})
	mux.HandleFunc("DELETE /quota", func(w http.ResponseWriter, r *http.Request) {
		in, err := op.ResetQuota(r.Context(), scope(r), r.FormValue("name"))
		answer(w, in, err)
	})
}

// complete fills in what a command left out of a scope.
func (in *installation) complete(scope secgroup.Scope) (secgroup.Scope, error) {
	if scope.Region == "" {
		scope.Region = in.region
	}
	if scope.Account != "" {
		return scope, nil
	}
	var ids []string
	for a := range in.model.Snapshot().Accounts.All() {
		ids = append(ids, a.ID)
	}
	if len(ids) != 1 {
		return scope, fmt.Errorf("there are %d accounts; say which with --account: %s", len(ids), strings.Join(ids, ", "))
	}
	scope.Account = ids[0]
	return scope, nil
}

// Quotas implements operator.
func (in *installation) Quotas(scope secgroup.Scope) (scopedQuotas, error) {
	scope, err := in.complete(scope)
	if err != nil {
		return scopedQuotas{}, err
	}
	list, err := in.control.ListQuotas(scope)
	return scopedQuotas{scope, list}, err
}

// SetQuota implements operator.
func (in *installation) SetQuota(ctx context.Context, scope secgroup.Scope, name string, value int) (scopedQuotas, error) {
	scope, err := in.complete(scope)
	if err == nil {
		err = in.control.SetQuota(ctx, scope, name, value)
	}
	if err != nil {
		return scopedQuotas{}, err
	}
	return in.Quotas(scope)
}

// ResetQuota implements operator.
func (in *installation) ResetQuota(ctx context.Context, scope secgroup.Scope, name string) (scopedQuotas, error) {
	scope, err := in.complete(scope)
	if err == nil {
		err = in.control.ResetQuota(ctx, scope, name)
	}
	if err != nil {
		return scopedQuotas{}, err
	}
	return in.Quotas(scope)
}
