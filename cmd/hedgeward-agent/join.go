// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
)

// joinOptions are the flags of join.
type joinOptions struct {
	servers   []string
	token     string
	tokenFile string
	name      string
	underlay  string
}

func joinCommand(st *state) *cobra.Command {
	var o joinOptions
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Make this machine a host, with a token from a server",
		Long: "Make this machine a host of an installation, with a token that a server made (hedgeward host token create).\n\n" +
			"The token works once. Its secret is said only to a server that proves to be of the token's installation. The key of the host is made\n" +
			"here and never leaves the state folder (docs/hosts.md).",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := o.join(cmd.Context(), st, cmd.InOrStdin())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "This machine is the host %s now. To begin: systemctl enable --now hedgeward-agent, or hedgeward-agent run\n", id.Host())
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&o.servers, "server", nil, "where a server takes hosts, as https://HOST:PORT; once for each server")
	cmd.Flags().StringVar(&o.token, "token", "", "the token")
	cmd.Flags().StringVar(&o.tokenFile, "token-file", "", "file with the token, - for standard input: other users of the machine can see arguments")
	cmd.Flags().StringVar(&o.name, "name", "", "name of the host; by default the first label of this machine's name")
	cmd.Flags().StringVar(&o.underlay, "underlay", "", "address at which other hosts reach this one; by default it exchanges no packets with instances on others")
	cmd.MarkFlagsOneRequired("token", "token-file")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.MarkFlagRequired("server")
	return cmd
}

// join makes the machine a host, unless it is another one already.
func (o *joinOptions) join(ctx context.Context, st *state, stdin io.Reader) (*join.Identity, error) {
	q := join.Request{Servers: o.servers, Name: o.name, Dir: st.dir, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)}
	var err error
	if q.Token, err = o.readToken(stdin); err != nil {
		return nil, err
	}
	if q.Name == "" {
		machine, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find this machine's name: %w; say it with --name", err)
		}
		q.Name, _, _ = strings.Cut(strings.ToLower(machine), ".")
	}
	if o.underlay != "" {
		if q.Underlay, err = netip.ParseAddr(o.underlay); err != nil {
			return nil, fmt.Errorf("--underlay: %w", err)
		}
	}
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w; choose another with --state", err)
	}
	release, err := st.lock(ctx) // an agent that runs would not notice that it is another
	if err != nil {
		return nil, err
	}
	defer release()
	switch was, err := join.LoadIdentity(st.dir, q.Clock, q.Log); {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil && was.Host() != q.Name:
		return nil, fmt.Errorf("%s is of the host %s, not %s: join with --name %[2]s, choose another folder with --state, or remove that one", st.dir, was.Host(), q.Name)
	}
	return join.Join(ctx, q)
}

const maxTokenFile = 1 << 10 // bytes

func (o *joinOptions) readToken(stdin io.Reader) (join.Token, error) {
	if o.tokenFile == "" {
		return join.ParseToken(o.token)
	}
	in := stdin
	if o.tokenFile != "-" {
		f, err := os.Open(o.tokenFile)
		if err != nil {
			return join.Token{}, fmt.Errorf("read the token: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxTokenFile))
	if err != nil {
		return join.Token{}, fmt.Errorf("read the token: %w", err)
	}
	return join.ParseToken(string(b))
}
