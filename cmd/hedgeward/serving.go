// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/sigv4"
	"github.com/hedgeward/hedgeward/control"
)

// serving are the flags of whatever serves the API: up and server.
type serving struct {
	listen   string
	region   string
	logLevel slog.Level
	logJSON  bool
	throttle awsapi.Rates
	metrics  string
	// collector is where traces go, "" for nowhere.
	collector string

	window       time.Duration
	requirePeers bool
	public       netip.Prefix // where public addresses come from
}

func (o *serving) flags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", "127.0.0.1:4566", "address of the API; port 0 picks a free one")
	f.StringVar(&o.region, "region", "us-east-1", "Region of the AWS profile that is written; all configured Regions are served")
	f.TextVar(&o.throttle, "throttle", awsapi.Rates{},
		"how often each account may call in a Region, as describe=20:100,mutate=5:50,run=2:5: calls per second and burst; what is left out has no limit")
	f.StringVar(&o.metrics, "metrics", "", "address where Prometheus finds /metrics, such as 127.0.0.1:9464; none by default")
	f.DurationVar(&o.window, "signature-window", sigv4.Window, "how far the clock of a client may be from this machine's")
	f.StringVar(&o.collector, "traces", "", "URL of a collector that takes OpenTelemetry traces over HTTP (OTLP), such as http://127.0.0.1:4318; none by default")
	f.BoolVar(&o.requirePeers, "require-peers", false,
		"refuse to authorize a permission that names no range, list or group; EC2 accepts it and adds no rule")
	f.TextVar(&o.public, "public-addresses", control.DefaultPublicPool, "IPv4 block that public addresses come from")
	f.TextVar(&o.logLevel, "log-level", slog.LevelWarn, "what to log on standard error: debug, info (a line per call), warn or error")
	f.BoolVar(&o.logJSON, "log-json", false, "log one JSON object per line instead of text")
}

// logger returns where this process logs.
func (o *serving) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: o.logLevel}
	if o.logJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// envPrefix begins the names of environment variables that stand for flags.
const envPrefix = "HEDGEWARD_"

// fromEnvironment sets the flags that the command line leaves out and the
// environment names: --etcd-endpoints is HEDGEWARD_ETCD_ENDPOINTS.
func fromEnvironment(cmd *cobra.Command, _ []string) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || f.Changed || failed != nil {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			failed = &badVariable{name, err}
		}
	})
	return failed
}

// badVariable is an environment variable that a flag does not take.
type badVariable struct {
	name  string
	cause error
}

func (e *badVariable) Error() string {
	return "environment variable " + e.name + ": " + e.cause.Error()
}
func (e *badVariable) Unwrap() error { return e.cause }
