// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/access"
)

// serverOptions are the flags of server.
type serverOptions struct {
	serving
	cluster
	tlsCert, tlsKey string
	plainHTTP       bool
	endpoint        string
	sealKey         string // "": of the state folder, with the embedded store
	health          string
	agents          string
	drain           time.Duration
}

func serverCommand(st *state) *cobra.Command {
	var o serverOptions
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Serve the API for many hosts, as one of any number of replicas",
		Long: "Serve the EC2 API on a store that any number of servers share: an etcd cluster (--etcd-endpoints), or one server with etcd inside.\n" +
			"No instance runs here and nothing is enforced here; hosts with an agent do that (docs/server.md).\n\n" +
			"Every flag can be given as an environment variable: --etcd-endpoints is HEDGEWARD_ETCD_ENDPOINTS.\n" +
			"SIGTERM drains: no longer ready, --drain later no more calls, then those under way are finished. The second one ends at once.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveAPI(cmd.Context(), st, o) },
	}
	o.serving.flags(cmd.Flags())
	o.cluster.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.tlsCert, "tls-cert", "", "file with the certificate of the API, in PEM; read anew when it changes")
	cmd.Flags().StringVar(&o.tlsKey, "tls-key", "", "file with the key of --tls-cert")
	cmd.Flags().BoolVar(&o.plainHTTP, "plain-http", false, "allow the API without TLS at an address that other machines reach, as behind a proxy that ends TLS")
	cmd.Flags().StringVar(&o.endpoint, "endpoint", "", "URL of the API in the AWS profile that is written; by default that of --listen")
	cmd.Flags().StringVar(&o.sealKey, "seal-key", "", "file with the key that seals secrets in the store, the same on all servers; make one with `hedgeward seal-key`")
	cmd.Flags().StringVar(&o.health, "health", "", "address that answers /livez and /readyz, such as :8080; none by default")
	cmd.Flags().StringVar(&o.agents, "agents", "", "address where hosts join and are told what to enforce, such as :4567; none by default (docs/hosts.md)")
	cmd.Flags().DurationVar(&o.drain, "drain", 5*time.Second, "how long after SIGTERM calls are still taken, for load balancers to see that the server is not ready")
	return cmd
}

func serveAPI(ctx context.Context, st *state, o serverOptions) error {
	release, err := st.lockToServe()
	if err != nil {
		return err
	}
	defer release()
	log := o.logger()
	api, err := o.listenAPI(log)
	if err != nil {
		return err
	}
	in, err := o.assemble(ctx, st, log)
	if err != nil {
		return errors.Join(err, api.Close())
	}
	in.profile = o.endpointOf(api)
	ready := func() {
		fmt.Printf("Hedgeward is ready after %d ms.\n\n", time.Since(started).Milliseconds())
		fmt.Printf("  API      %s\n  account  %s\n  state    %s\n", in.profile, in.key.Account, st.dir)
	}
	err = in.serve(ctx, api, ready)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Println("Stopped. Hosts go on enforcing what they know.")
		return nil
	}
	return err
}

// assemble opens everything that a server is made of.
func (o *serverOptions) assemble(ctx context.Context, st *state, log *slog.Logger) (*installation, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	seal, err := o.seal(st)
	if err != nil {
		return nil, err
	}
	opened, err := o.cluster.open(ctx, st, log)
	if err != nil {
		return nil, err
	}
	remote, err := openRemoteHosts(o.agents)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	in, err := assemble(ctx, st, o.serving, opened, remote, seal, log)
	if err != nil {
		return nil, err
	}
	in.drain = o.drain
	if in.health.l, err = listenFor("health", o.health); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// seal returns what secrets in the store are sealed with. On a store that others
// share, the key must come from outside: one that this server made up would lock
// out the others.
func (o *serverOptions) seal(st *state) (*access.Seal, error) {
	switch {
	case o.sealKey != "":
		return openSeal(o.sealKey, func(path string) error {
			return fmt.Errorf("there is no key file %s; copy it from another server, or make the first with: hedgeward seal-key %[1]s", path)
		})
	case o.external():
		return nil, errors.New("servers that share a store need the same key file: give it with --seal-key; make the first with: hedgeward seal-key FILE")
	}
	return openSeal(st.keyFile(), makeKeyFile)
}

// listenAPI opens the API's address.
func (o *serverOptions) listenAPI(log *slog.Logger) (net.Listener, error) {
	var pair *keyPair
	if o.tlsCert != "" || o.tlsKey != "" {
		var err error
		if pair, err = openKeyPair(o.tlsCert, o.tlsKey, log); err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
	}
	if pair == nil && !o.plainHTTP && !isLoopback(o.listen) {
		return nil, fmt.Errorf("%s is reached by other machines, and answers carry secrets: give --tls-cert and --tls-key, or say --plain-http", o.listen)
	}
	l, err := listenFor("listen", o.listen)
	if err != nil || pair == nil {
		return l, err
	}
	return tls.NewListener(l, pair.serverTLS()), nil
}

// endpointOf returns the URL at which clients find the API.
func (o *serverOptions) endpointOf(api net.Listener) string {
	switch {
	case o.endpoint != "":
		return o.endpoint
	case o.tlsCert != "":
		return "https://" + api.Addr().String()
	}
	return "http://" + api.Addr().String()
}

// sealKeyCommand makes the key file that servers share.
func sealKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "seal-key FILE",
		Short: "Make the key file that all servers of one store are given with --seal-key",
		Long: "Make a file with a new random key, readable for its owner alone. Secrets in the store are sealed with it:\n" +
			"every server needs the same file, a backup of the store is worth nothing without it, and it is never written to the store.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return makeKeyFile(args[0]) },
	}
}
