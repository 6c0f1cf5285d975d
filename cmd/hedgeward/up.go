// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/enforced"
	"github.com/hedgeward/hedgeward/store"
)

// upOptions are the flags of up.
type upOptions struct {
	serving
	internet string            // where gateways lead; "" is nowhere
	packets  datapath.Settings // how packets are judged where that is a choice
	resolver netip.AddrPort    // that instances' names of others are asked of
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
	o.flags(cmd.Flags())
	cmd.Flags().TextVar(&o.resolver, "resolver", netip.AddrPort{},
		"`address:port` of the resolver for names that are not the installation's, which instances ask for at VPC base + 2; by default they are refused (docs/services.md)")
	packets := flag.NewFlagSet("", flag.ContinueOnError)
	o.packets.Flags(packets)
	cmd.Flags().AddGoFlagSet(packets)
	cmd.Flags().StringVar(&o.internet, "internet", "",
		"where internet gateways lead: \"host\", or a network namespace, by its name or path; by default packets for the internet go nowhere (docs/internet.md)")
	return cmd
}

func up(ctx context.Context, st *state, o upOptions) error {
	if err := mustBeRoot("up"); err != nil {
		return err
	}
	release, err := st.lockToServe()
	if err != nil {
		return err
	}
	defer release()
	api, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("open the API: %w; choose another address with --listen", err)
	}
	in, err := assembleUp(ctx, st, o)
	if err != nil {
		return errors.Join(err, api.Close())
	}
	in.profile = "http://" + api.Addr().String()
	ready := func() {
		fmt.Printf("Hedgeward is ready after %d ms.\n\n", time.Since(started).Milliseconds())
		fmt.Printf("  API      %s\n  account  %s\n  state    %s\n", in.profile, in.key.Account, st.dir)
		if in.scrapes != nil {
			fmt.Printf("  metrics  http://%s/metrics\n", in.scrapes.Addr())
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

// assembleUp opens everything that up is made of.
func assembleUp(ctx context.Context, st *state, o upOptions) (*installation, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := datapath.Check(); err != nil {
		return nil, err
	}
	seal, err := openSeal(st.keyFile(), makeKeyFile)
	if err != nil {
		return nil, err
	}
	embedded, err := store.Embedded(ctx, st.store())
	if err != nil {
		return nil, err
	}
	in, err := assemble(ctx, st, o.serving, embedded, nil, seal, o.logger())
	if err != nil {
		return nil, err
	}
	if in.host, err = openLocalHost(in, o); err != nil {
		return nil, errors.Join(err, in.close())
	}
	in.view = enforced.New(host, in.store, &ownEnforced{agent: in.host.agent}, in.log)
	return in, nil
}
