// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/sigv4"
	"github.com/hedgeward/hedgeward/control"
)

// upOptions are the flags of up.
type upOptions struct {
	listen   string
	region   string
	logLevel slog.Level
	throttle awsapi.Rates
	metrics  string

	window       time.Duration
	requirePeers bool

	internet string       // where gateways lead; "" is nowhere
	public   netip.Prefix // where public addresses come from
}

func upCommand(st *state) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Serve the API on this machine and enforce it, until Ctrl-C",
		Long: "Serve the EC2 API on the loopback interface with an embedded store, and run and enforce instances on this machine.\n\n" +
			"Ctrl-C stops the process and nothing else: instances stay, enforcement stays, and the next up finds both.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), st, o)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:4566", "address of the API; port 0 picks a free one")
	cmd.Flags().StringVar(&o.region, "region", "us-east-1", "Region of the AWS profile that is written; all configured Regions are served")
	cmd.Flags().TextVar(&o.throttle, "throttle", awsapi.Rates{},
		"how often each account may call in a Region, as describe=20:100,mutate=5:50,run=2:5: calls per second and burst; what is left out has no limit")
	cmd.Flags().StringVar(&o.metrics, "metrics", "", "address where Prometheus finds /metrics, such as 127.0.0.1:9464; none by default")
	cmd.Flags().DurationVar(&o.window, "signature-window", sigv4.Window, "how far the clock of a client may be from this machine's")
	cmd.Flags().BoolVar(&o.requirePeers, "require-peers", false,
		"refuse to authorize a permission that names no range, list or group; EC2 accepts it and adds no rule")
	cmd.Flags().StringVar(&o.internet, "internet", "",
		"where internet gateways lead: \"host\", or a network namespace, by its name or path; by default packets for the internet go nowhere (docs/internet.md)")
	cmd.Flags().TextVar(&o.public, "public-addresses", control.DefaultPublicPool, "IPv4 block that public addresses come from")
	cmd.Flags().TextVar(&o.logLevel, "log-level", slog.LevelWarn, "what to log on standard error: debug, info (a line per call), warn or error")
	return cmd
}

func up(ctx context.Context, st *state, o upOptions) error {
	if err := mustBeRoot("up"); err != nil {
		return err
	}
	release, err := st.lock()
	if errors.Is(err, errHeld) {
		return fmt.Errorf("%w; stop that process first, or choose another folder with --state", err)
	}
	if err != nil {
		return err
	}
	defer release()
	api, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("open the API: %w; choose another address with --listen", err)
	}
	scrapes, err := listenMetrics(o.metrics)
	if err != nil {
		return errors.Join(err, api.Close())
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: o.logLevel}))
	in, err := assemble(ctx, st, o, log)
	if err != nil {
		return errors.Join(err, api.Close(), closeMetrics(scrapes))
	}
	in.scrapes = scrapes
	ready := func() {
		fmt.Printf("Hedgeward is ready after %d ms.\n\n", time.Since(started).Milliseconds())
		fmt.Printf("  API      http://%s\n  account  %s\n  state    %s\n", api.Addr(), in.key.Account, st.dir)
		if scrapes != nil {
			fmt.Printf("  metrics  http://%s/metrics\n", scrapes.Addr())
		}
		fmt.Println()
		fmt.Printf("To use it, run in another shell as root:\n\n  %s\n\nthen, for example:\n\n  aws ec2 describe-vpcs\n\n",
			strings.ReplaceAll(st.exports(), "\n", "\n  "))
		fmt.Println("Ctrl-C stops this process; instances and enforcement stay. `hedgeward down` removes them.")
	}
	err = in.serve(ctx, api, ready)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Println("\nStopped. Instances and enforcement stay in force; `hedgeward up` takes over again, `hedgeward down` removes them.")
		return nil
	}
	return err
}
