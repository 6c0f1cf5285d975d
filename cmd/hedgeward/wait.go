// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/internal/localhttp"
)

func waitCommand(st *state) *cobra.Command {
	var w awaited
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Return when everything answered so far is in force",
		Long: "Return when everything that was answered so far is in force on every host that has interfaces, and print its revision.\n\n" +
			"When time is up it fails and says where it is not. An interface whose instance is being made is not waited for, unless it is asked for.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"revision": {strconv.FormatInt(w.revision, 10)}, "resource": {w.resource}, "timeout": {timeout.String()}}
			var revision int64
			err := st.ask(cmd.Context(), "POST", "/wait?"+q.Encode(), &revision)
			if errors.Is(err, localhttp.ErrNobody) {
				return fmt.Errorf("no server runs on %s, so nothing new comes into force; run: hedgeward up", st.dir)
			}
			if err != nil {
				return err
			}
			fmt.Println("revision", revision, "is in force")
			return nil
		},
	}
	cmd.Flags().Int64Var(&w.revision, "revision", 0, "wait for this revision instead, as status or an earlier wait printed it")
	cmd.Flags().StringVar(&w.resource, "resource", "", "only where it matters to this interface (eni-…), instance (i-…) or group (sg-…)")
	cmd.Flags().DurationVar(&timeout, "timeout", awaitEnforced, "how long to wait")
	return cmd
}

// serveWait answers wait on the control socket.
func serveWait(mux *http.ServeMux, op operator, answer func(http.ResponseWriter, any, error)) {
	mux.HandleFunc("POST /wait", func(w http.ResponseWriter, r *http.Request) {
		revision, err := waitFor(r, op)
		answer(w, revision, err)
	})
}

func waitFor(r *http.Request, op operator) (int64, error) {
	q := awaited{resource: r.FormValue("resource")}
	timeout := awaitEnforced
	var err error
	if text := r.FormValue("revision"); text != "" {
		if q.revision, err = strconv.ParseInt(text, 10, 64); err != nil || q.revision < 0 {
			return 0, fmt.Errorf("%q is no revision", text)
		}
	}
	if text := r.FormValue("timeout"); text != "" {
		if timeout, err = time.ParseDuration(text); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), timeout, errTimeout)
	defer cancel()
	return op.Wait(ctx, q)
}
